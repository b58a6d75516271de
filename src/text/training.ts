// A vocabulary learned by merging pairs (Sennrich et al. 2016), for WordPiece or byte-pair encoding, as the trainers of
// Hugging Face's tokenizers library learn it: the same tokens, ids and merges from the same words, but where that
// library follows the order of its hash tables, which changes from run to run:
// - Characters that continue a word get ids one behind another; there in any order, here by code point. Of equally
//   frequent pairs that of the smaller ids is merged first, so that this order decides ties.
// - limitAlphabet: of characters that are equally rare, any are left out there; here those of higher code points.
// A size that does not hold the alphabet is an error here; there, the vocabulary is larger than asked for.
import { trainingModule } from '../../build/training.js'
import { noMemory } from './blocks.js'

export interface TrainingSettings {
  /** Tokens at most. */
  readonly size: number
  /** Pairs that occur less often are not merged; default 2. */
  readonly minFrequency?: number
  /** Get the first ids. */
  readonly special?: readonly string[]
  /** Characters kept at most, the most frequent ones; words are read without the others. Default: all. */
  readonly limitAlphabet?: number
  /** Characters that are kept whether they occur or not. */
  readonly initialAlphabet?: Iterable<string>
  /** Before each piece but a word's first; default: none. */
  readonly continuingPrefix?: string
  /** Tokens reach this many characters at most, the prefix not counted; default: no limit. */
  readonly maxTokenLength?: number
  /** Characters that continue words, in the order of their ids; default: by code point. For comparison with others' vocabularies. */
  readonly continuingOrder?: readonly string[]
}

export interface TrainedVocabulary {
  /** A token's place is its id. */
  readonly tokens: readonly string[]
  /** In the order in which they were learned. */
  readonly merges: readonly (readonly [string, string])[]
}

interface TrainingModule {
  readonly memory: WebAssembly.Memory
  prepare(words: number, symbols: number, limit: number): number
  countsAt(): number
  endsAt(): number
  symbolsAt(): number
  start(): number
  next(least: number): bigint
  merge(symbol: number): number
}

/** `counts`: how often each word occurs, as `countWords` returns it. Throws where `size` does not hold the alphabet. */
export async function trainVocabulary(
  counts: ReadonlyMap<string, number>,
  settings: TrainingSettings,
): Promise<TrainedVocabulary> {
  checkSettings(settings)
  const { size, minFrequency = 2, continuingPrefix = '', maxTokenLength } = settings
  const ids = new Map<string, number>()
  const add = (token: string): number => {
    const id = ids.get(token) ?? ids.size
    ids.set(token, id)
    return id
  }
  for (const token of settings.special ?? []) add(token)
  for (const character of alphabetOf(counts, settings)) add(character)
  if (continuingPrefix !== '')
    for (const character of settings.continuingOrder ?? continuing(counts))
      if (ids.has(character)) add(continuingPrefix + character)
  if (ids.size > size)
    throw new Error(
      `a vocabulary of ${size} tokens cannot hold the ${settings.special?.length ?? 0} special tokens and the characters of the texts, ${ids.size} in all; ask for ${ids.size} or more, or limit the alphabet`,
    )
  const module = await startTraining(counts, ids, continuingPrefix, maxTokenLength)
  const tokens = [...ids.keys()]
  // A pair that comes up again, in other words, counts where it came up last.
  const merges = new Map<string, readonly [string, string]>()
  while (ids.size < size) {
    const pair = module.next(minFrequency)
    if (pair < 0n) break
    const left = tokens[Number(pair >> 32n)]!
    const right = tokens[Number(pair & 0xffffffffn)]!
    const rest =
      continuingPrefix !== '' && right.startsWith(continuingPrefix) ? right.slice(continuingPrefix.length) : right
    // Two pairs may spell one token.
    const id = add(left + rest)
    if (id === tokens.length) tokens.push(left + rest)
    const key = `${left}\0${right}`
    merges.delete(key)
    merges.set(key, [left, right])
    if (!module.merge(id)) throw noMemory('a vocabulary', module.memory.buffer.byteLength)
  }
  return { tokens, merges: [...merges.values()] }
}

const byCodePoint = (a: string, b: string): number => a.codePointAt(0)! - b.codePointAt(0)!

function alphabetOf(
  counts: ReadonlyMap<string, number>,
  { initialAlphabet = [], limitAlphabet }: TrainingSettings,
): string[] {
  const characters = new Map<string, number>()
  for (const [word, count] of counts)
    for (const character of word) characters.set(character, (characters.get(character) ?? 0) + count)
  for (const each of initialAlphabet) {
    const [character] = each
    if (character !== undefined) characters.set(character, Number.POSITIVE_INFINITY)
  }
  const sorted = [...characters.keys()].sort(byCodePoint)
  if (limitAlphabet === undefined || sorted.length <= limitAlphabet) return sorted
  const frequent = [...sorted].sort((a, b) => {
    const [x, y] = [characters.get(a)!, characters.get(b)!]
    return x === y ? byCodePoint(a, b) : y - x
  })
  return frequent.slice(0, limitAlphabet).sort(byCodePoint)
}

function continuing(counts: ReadonlyMap<string, number>): string[] {
  const characters = new Set<string>()
  for (const word of counts.keys()) {
    let first = true
    for (const character of word) {
      if (!first) characters.add(character)
      first = false
    }
  }
  return [...characters].sort(byCodePoint)
}

/** Hands the words to the module as ids of their characters; those outside the alphabet are left out. */
async function startTraining(
  counts: ReadonlyMap<string, number>,
  ids: ReadonlyMap<string, number>,
  prefix: string,
  maxTokenLength = 0,
): Promise<TrainingModule> {
  const bytes = Uint8Array.from(atob(trainingModule), character => character.charCodeAt(0))
  const { instance } = await WebAssembly.instantiate(bytes)
  const module = instance.exports as unknown as TrainingModule
  let room = 0
  for (const word of counts.keys()) room += word.length
  if (!module.prepare(counts.size, room, maxTokenLength)) throw noMemory('a vocabulary', 8 * room)
  const { buffer } = module.memory
  const weights = new Float64Array(buffer, module.countsAt() >>> 0, counts.size)
  const ends = new Uint32Array(buffer, module.endsAt() >>> 0, counts.size)
  const symbols = new Uint32Array(buffer, module.symbolsAt() >>> 0, room)
  let [word, end] = [0, 0]
  for (const [text, count] of counts) {
    let first = true
    for (const character of text) {
      const begins = ids.get(character)
      if (begins !== undefined) symbols[end++] = first ? begins : ids.get(prefix + character)!
      first = false
    }
    weights[word] = count
    ends[word++] = end
  }
  if (!module.start()) throw noMemory('a vocabulary', 32 * room)
  return module
}

function checkSettings({ size, minFrequency = 0, limitAlphabet = 0, maxTokenLength = 1 }: TrainingSettings): void {
  const check = (what: string, value: number, least: number) => {
    if (!Number.isSafeInteger(value) || value < least)
      throw new Error(`${what} must be an integer of ${least} or more, found ${value}`)
  }
  check('the size of a vocabulary', size, 1)
  check('the least frequency of a pair', minFrequency, 0)
  check('the limit of the alphabet', limitAlphabet, 0)
  check('the longest token', maxTokenLength, 1)
}
