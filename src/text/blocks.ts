// Texts through the tokenizer's module in blocks, so that a collection of any size needs a few megabytes of its memory.
// Only a stretch without white space must fit as a whole.

/** The ids of texts, one behind the other, without padding. */
export interface PackedIds {
  /** (offsets[texts]) */
  readonly ids: Int32Array
  /** Text i has the ids from offsets[i] to offsets[i + 1]. (texts + 1) */
  readonly offsets: Int32Array
  /** How many texts were cut. */
  readonly truncated: number
}

export interface TextModule {
  setUp(clean: boolean, chinese: boolean, strip: boolean, lower: boolean): number
  setUpPipeline(bert: boolean, spacesAreMeta: boolean, firstMatters: boolean): void
  addNormalizer(kind: number, a: number, b: number, c: number, d: number): number
  addPreTokenizer(kind: number, a: number, b: number, c: number, d: number): number
  setUpForms(): number
  setGrowth(text: number, ids: number, more: number): void
  setModel(kind: number): void
  setUpWordPiece(longest: number, unknown: number): number
  setUpCounting(size: number, bytes: number): number
  countedWords(): number
  countedEndsAt(): number
  countedBytesAt(): number
  stageBpe(count: number): number
  setUpBpe(
    count: number,
    bytes: boolean,
    whole: boolean,
    byteFallback: boolean,
    fuseUnknown: boolean,
    unknown: number,
  ): void
  byteIdsAt(): number
  setUpSuffix(): number
  workspace(): number
  spaceBehindAt(): number
  reserve(bytes: number): number
  setUpPrecompiled(units: number, replacements: number): void
  stageUnigram(bytes: number, count: number): number
  setUpUnigram(scores: number, lowest: number, unknown: number, bytes: number): void
  buildUnigram(bytes: number, count: number): number
  prepareNormalized(bytes: number): number
  normalized(bytes: number): number
  normalizedAt(): number
  stage(bytes: number, count: number): number
  build(bytes: number, count: number): number
  addSpecial(behind: boolean, id: number): number
  prepare(bytes: number, count: number): number
  textsAt(): number
  idsAt(): number
  lastTextWasCut(): number
  cutTexts(): number
  encode(count: number, limit: number, special: boolean, used: number, opened: boolean, closed: boolean): number
  // assembly/text/questions.ts
  flagsOf(code: number): number
  mappedAt(code: number): number
  classOf(code: number): number
  decomposedAt(code: number, compatible: boolean): number
  composedOf(first: number, second: number): number
  clusterEnd(start: number, end: number): number
  replacementOf(start: number, end: number): number
  pairAt(left: number, right: number): number
  firstPlace(): number
  stepPiece(place: number, byte: number): number
  steppedTo(): number
  findExpression(program: number, start: number, from: number, end: number): number
  readonly matchedFrom: WebAssembly.Global
  readonly matchedTo: WebAssembly.Global
}

/** The module with a vocabulary in it. */
export interface Instance {
  readonly module: TextModule
  readonly memory: WebAssembly.Memory
  /** Special ids before a text. */
  readonly before: number
  /** Where a long text may be cut: at any white space, before a space between two ASCII letters, or nowhere. */
  readonly cuts: 'blanks' | 'letters' | 'never'
  readonly density: Density
}

const BLOCK_BYTES = 1 << 18
const BLOCK_TEXTS = 1 << 12
// More than any text has ids.
export const UNLIMITED = 0xffffffff

const encoder = new TextEncoder()

export const noMemory = (what: string, bytes: number) =>
  new Error(`${what} needs ${Math.ceil(bytes / 2 ** 20)} MB of WebAssembly memory at once, which is not to be had`)

/** Bytes of a stretch of text in UTF-8. */
export function utf8Length(text: string, start: number, end: number): number {
  let bytes = end - start
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i)
    if (code >= 0x80) bytes += code < 0x800 ? 1 : 2
    // A pair has 4 bytes; a surrogate alone becomes U+FFFD, which has 3.
    if (code >= 0xd800 && code < 0xdc00 && i + 1 < end && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) i++
  }
  return bytes
}

/** Ids that grow as blocks come in. */
export interface Collected {
  ids: Int32Array
  length: number
}

const collect = (to: Collected, { module, memory }: Instance, count: number): void =>
  appendIds(to, new Int32Array(memory.buffer, module.idsAt() >>> 0, count))

export function appendIds(to: Collected, ids: Int32Array): void {
  const needed = to.length + ids.length
  if (needed > 0x7fffffff) throw new Error(`more than ${0x7fffffff} tokens in one call: encode fewer texts at a time`)
  if (needed > to.ids.length) {
    const larger = new Int32Array(Math.min(Math.max(needed, Math.ceil(to.ids.length * 1.5)), 0x7fffffff))
    larger.set(to.ids.subarray(0, to.length))
    to.ids = larger
  }
  to.ids.set(ids, to.length)
  to.length = needed
}

/** Of a tokenizer: the most ids a character in a call so far. */
export interface Density {
  idsPerCharacter?: number
}

/** More than most texts have. */
const MANY_IDS = 0.4

/** Room for the ids of so many texts of so many characters together, nearly always enough, and little more: unused, it still makes garbage collections. */
export const roomForIds = ({ idsPerCharacter }: Density, characters: number, texts: number): Collected => ({
  ids: new Int32Array(
    Math.min(Math.ceil(1.02 * (idsPerCharacter ?? MANY_IDS) * characters) + 8 * texts + 64, MOST_ROOM),
  ),
  length: 0,
})

/** After a call. */
export function learnDensity(density: Density, { length }: Collected, characters: number): void {
  if (characters < ENOUGH_TO_LEARN) return
  density.idsPerCharacter = Math.max(density.idsPerCharacter ?? 0, length / characters)
}

const MOST_ROOM = 1 << 26
const ENOUGH_TO_LEARN = 1 << 20
/** Ids that are copied rather than kept together with the room that they do not need. */
const FEW_IDS = 1 << 16

export const packed = ({ ids, length }: Collected, offsets: Int32Array, truncated: number): PackedIds => ({
  ids: length < FEW_IDS ? ids.slice(0, length) : ids.subarray(0, length),
  offsets,
  truncated,
})

/** What is wanted of texts: `limit` ids of each at most, special ones not counted. */
export interface Wanted {
  readonly limit: number
  readonly special: boolean
}

export function encodeTexts(engine: Instance, texts: readonly string[], wanted: Wanted): PackedIds {
  const offsets = new Int32Array(texts.length + 1)
  const characters = texts.reduce((sum, text) => sum + text.length, 0)
  const to = roomForIds(engine.density, characters, texts.length)
  const truncated = encodeSome(engine, texts, 0, texts.length, wanted, to, offsets)
  learnDensity(engine.density, to, characters)
  return packed(to, offsets, truncated)
}

/** Appends the ids of the texts from `first` to before `last`; text i ends in `to` at offsets[i + 1]. Returns how many were cut. */
export function encodeSome(
  engine: Instance,
  texts: readonly string[],
  first: number,
  last: number,
  wanted: Wanted,
  to: Collected,
  offsets: Int32Array,
): number {
  let truncated = 0
  for (let i = first; i < last; ) {
    const before = to.length
    if (3 * texts[i]!.length > BLOCK_BYTES) {
      truncated += encodeLong(engine, texts[i]!, wanted, to)
      offsets[++i] = to.length
      continue
    }
    const { address, taken } = fillBlock(engine, texts, i, last)
    const count = engine.module.encode(taken, Math.min(wanted.limit, UNLIMITED), wanted.special, 0, false, true)
    if (count < 0) throw noMemory('a long word', BLOCK_BYTES)
    // Not before encoding, which may make the memory grow.
    const ends = new Int32Array(engine.memory.buffer, address, taken)
    for (let j = 0; j < taken; j++) offsets[i + j + 1] = before + ends[j]!
    collect(to, engine, count)
    truncated += engine.module.cutTexts()
    i += taken
  }
  return truncated
}

/** Writes texts, from `first` to before `last`, as many as fit. */
function fillBlock(
  { module, memory }: Instance,
  texts: readonly string[],
  first: number,
  last: number,
): { address: number; taken: number } {
  const address = module.prepare(BLOCK_BYTES, BLOCK_TEXTS) >>> 0
  if (!address) throw noMemory('a block of texts', 5 * BLOCK_BYTES)
  const ends = new Int32Array(memory.buffer, address, BLOCK_TEXTS)
  const block = new Uint8Array(memory.buffer, module.textsAt() >>> 0, BLOCK_BYTES)
  let [taken, filled] = [0, 0]
  for (; taken < BLOCK_TEXTS && first + taken < last; taken++) {
    const text = texts[first + taken]!
    if (filled + 3 * text.length > BLOCK_BYTES) break
    filled += encoder.encodeInto(text, block.subarray(filled)).written
    ends[taken] = filled
  }
  return { address, taken }
}

const isBlank = (code: number) => code === 0x20 || code === 0x0a || code === 0x09 || code === 0x0d
const isLetter = (code: number) => (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a

/** Where to cut a text that is too long for a block: at the last place within reach, or the first behind it. */
function placeToCut(text: string, start: number, cuts: Instance['cuts']): number {
  const reach = start + BLOCK_BYTES
  if (reach >= text.length || cuts === 'never') return text.length
  const fits = (i: number) =>
    cuts === 'blanks'
      ? isBlank(text.charCodeAt(i))
      : text.charCodeAt(i) === 0x20 && isLetter(text.charCodeAt(i - 1)) && isLetter(text.charCodeAt(i + 1))
  for (let i = reach; i > start; i--) if (fits(i)) return i
  for (let i = reach + 1; i < text.length; i++) if (fits(i)) return i
  return text.length
}

/** One text, in pieces; returns 1 if it was cut at the limit. */
function encodeLong(engine: Instance, text: string, { limit, special }: Wanted, to: Collected): number {
  const { module, memory, before, cuts } = engine
  let used = 0
  for (let start = 0; ; ) {
    const end = placeToCut(text, start, cuts)
    const bytes = utf8Length(text, start, end)
    const address = module.prepare(bytes, 1) >>> 0
    if (!address) throw noMemory(`a stretch of ${end - start} characters that cannot be cut`, 5 * bytes)
    encoder.encodeInto(text.slice(start, end), new Uint8Array(memory.buffer, module.textsAt() >>> 0, bytes))
    new Int32Array(memory.buffer, address, 1)[0] = bytes
    const [opened, closed] = [start > 0, end === text.length]
    const count = module.encode(1, Math.min(limit, UNLIMITED), special, used, opened, closed)
    if (count < 0) throw noMemory(`a stretch of ${end - start} characters that cannot be cut`, 32 * bytes)
    collect(to, engine, count)
    used += count - (special && !opened ? before : 0)
    if (module.lastTextWasCut()) return 1
    if (closed) return 0
    start = end
  }
}
