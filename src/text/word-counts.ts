// The words of texts and how often each occurs, as a tokenizer's normalizer and pre-tokenizer make them: what a
// vocabulary is trained on. The tokenizer's module gives each different word a number, so that texts become numbers
// and only the different words become strings.
import { textModule } from '../../build/text.js'
import { encodeTexts, type Instance, noMemory } from './blocks.js'
import type { Definition } from './definition.js'
import { cutsOf, putPipeline } from './engine.js'
import { putExpressions } from './expressions.js'
import { byteAlphabet, type TextForm } from './host.js'
import { readNormalizers } from './normalizers.js'
import { readPreTokenizers } from './pre-tokenizers.js'

/** The number of assembly/text/cache.ts. */
const COUNTING = 4

/** Texts of at least so many characters go to the module at once. */
const CHUNK = 1 << 20

interface Counter extends Instance {
  readonly form: TextForm
  readonly counts: Float64Array
}

/** The two parts of a tokenizer.json, as they stand there. */
export interface WordRules {
  readonly normalizer: unknown
  readonly pre_tokenizer: unknown
}

/**
 * Words in the order in which they come first. Behind ByteLevel they are written in the byte alphabet. `source` begins
 * the error messages.
 */
export async function countWords(
  texts: Iterable<string> | AsyncIterable<string>,
  rules: WordRules,
  source: string,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  // 2^16 words, of 16 bytes in the mean.
  let size = 17
  let counter = await startCounter(rules, size, source)
  let chunk: string[] = []
  let length = 0
  const flush = async () => {
    while (!count(counter, chunk)) {
      drain(counter, counts)
      size += 2
      counter = await startCounter(rules, size, source)
    }
    chunk = []
    length = 0
  }
  for await (const text of texts) {
    chunk.push(text)
    length += text.length
    if (length >= CHUNK) await flush()
  }
  await flush()
  drain(counter, counts)
  return counts
}

async function startCounter(rules: WordRules, size: number, source: string): Promise<Counter> {
  const normalizers = readNormalizers(rules.normalizer, source)
  const meta = normalizers.some(({ kind }) => kind === 'meta')
  const { stages, form } = readPreTokenizers(rules.pre_tokenizer, meta ? 'meta' : 'utf8', source)
  const definition: Definition = {
    normalizers,
    preTokenizers: stages,
    form,
    // Stands for one that sees every word: none of a model's own ways of cutting texts.
    model: { kind: 'wordlevel', vocabulary: [], unknown: 0 },
    added: [],
    special: { cls: undefined, sep: undefined, pad: undefined, unk: undefined, mask: undefined },
    template: { single: [], pair: [] },
    decoders: [],
  }
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536 })
  const bytes = Uint8Array.from(atob(textModule), char => char.charCodeAt(0))
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } })
  const module = instance.exports as unknown as Instance['module']
  const host = { module, memory, expressions: new Map() }
  await putExpressions(host, definition, source)
  putPipeline(host, definition, stages, source)
  module.setModel(COUNTING)
  const ready = module.setUpCounting(size, 8 << size) && module.stage(0, 0) && module.build(0, 0) === -1
  if (!ready) throw noMemory(source, 16 << size)
  return {
    module,
    memory,
    before: 0,
    cuts: cutsOf(definition, stages),
    density: {},
    form,
    counts: new Float64Array(1 << (size - 1)),
  }
}

/** False, and nothing counted, where there was no room for all their words. */
function count(counter: Counter, texts: readonly string[]): boolean {
  const { ids } = encodeTexts(counter, texts, { limit: Number.POSITIVE_INFINITY, special: false })
  if (ids.includes(-1)) return false
  for (const id of ids) counter.counts[id]!++
  return true
}

/** The words of each text, in its order. Holds them all: for texts that fit in memory. */
export async function wordsOfTexts(texts: readonly string[], rules: WordRules, source: string): Promise<string[][]> {
  for (let size = 17; ; size += 2) {
    const counter = await startCounter(rules, size, source)
    const { ids, offsets } = encodeTexts(counter, texts, { limit: Number.POSITIVE_INFINITY, special: false })
    if (ids.includes(-1)) continue
    const words = numberedWords(counter)
    return texts.map((_, i) => Array.from(ids.subarray(offsets[i], offsets[i + 1]), id => words[id]!))
  }
}

function drain(counter: Counter, to: Map<string, number>): void {
  for (const [i, word] of numberedWords(counter).entries()) {
    const count = counter.counts[i]!
    // 0: of the chunk that had no room.
    if (count > 0) to.set(word, (to.get(word) ?? 0) + count)
  }
}

/** By number. */
function numberedWords({ module, memory, form }: Counter): string[] {
  const words = module.countedWords()
  const ends = new Uint32Array(memory.buffer, module.countedEndsAt() >>> 0, words + 1)
  const bytes = new Uint8Array(memory.buffer, module.countedBytesAt() >>> 0, ends[words])
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  return Array.from({ length: words }, (_, i) => {
    const word = bytes.subarray(ends[i], ends[i + 1])
    if (form !== 'bytes') return decoder.decode(word)
    let text = ''
    for (const byte of word) text += byteAlphabet[byte]!
    return text
  })
}
