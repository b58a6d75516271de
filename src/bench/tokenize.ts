// Tokenization: tokens a second on one thread, over all texts once; checked on some against WordPiece as it is defined (the longest token that fits,
// again and again) or, with other models, by what the ids decode to; and timed beside rivals that have to give the same ids.
import { holdsCorpus, loadDocuments } from '../data/collection.js'
import { processorName, temporaryFolder } from '../runtime/child.js'
import { isFolder, join, listFolder, packageFolder } from '../runtime/files.js'
import { whyNotShared } from '../runtime/workers.js'
import { writeFile } from '../runtime/write.js'
import type { PackedIds } from '../text/blocks.js'
import { createWordPieceTokenizer, loadTokenizer, type Tokenizer } from '../text/tokenizer.js'
import { makeVocabulary } from '../text/vocabulary.js'
import { commit } from '../version.js'
import { type Peer, type PeerOptions, withPeers } from './peers.js'
import { readFloats } from './products.js'
import { type BenchRow, type Report, ratesOf, rowBeside } from './row.js'
import { fasterHalf, milliseconds, takeTurns, timeCalls } from './timing.js'
import { wrongTexts } from './tokenize-checks.js'

export interface TokenizeBenchOptions extends PeerOptions {
  readonly model?: string | undefined
  /** Collections, or folders of collections. None: the package's. */
  readonly data?: readonly string[] | undefined
  readonly rounds: number
  readonly seconds: number
}

/** Characters that are enough for a rate, where the package's own texts are repeated. */
const ENOUGH = 4_000_000

/**
 * The part of the texts in which the library in JavaScript may differ: it lower-cases a Σ at a word's end as ς, where Hugging Face's others and ours make
 * σ of it, character by character. (2 of the 8,063 texts of SciFact and XQuAD)
 */
const SIGMAS = 0.001

export async function benchTokenize(
  options: TokenizeBenchOptions,
  report: Report,
  say: (line: string) => void,
): Promise<void> {
  const { model, data = [], rounds, seconds, folder } = options
  const own = await textsOf(data.length > 0 ? data : [await packagedCollection()])
  const texts = data.length > 0 ? own : repeated(own, ENOUGH)
  const makeTokenizer = async () =>
    model ? loadTokenizer(model) : createWordPieceTokenizer({ vocabulary: makeVocabulary(own, { size: 8000 }) })
  const tokenizer = await makeTokenizer()
  const wrong = wrongTexts(tokenizer, own)
  const encode = async () => void tokenizer.encode(texts)
  const packed = tokenizer.encode(texts)
  const time = await timeCalls(encode, { seconds })
  const work = { tokens: packed.ids.length }
  const row = {
    name: 'tokenize',
    shape: `${texts.length} texts, ${packed.ids.length} tokens`,
    backend: 'none' as const,
    variant: 'wasm, 1 thread',
    threads: 1,
    verified: wrong === 0,
    max_error: wrong,
    adapter: processorName(),
    commit,
    note: `${model ?? 'a vocabulary'} on ${data.length > 0 ? data.join(', ') : 'the passages of the package, repeated'}`,
  }
  report({ ...row, milliseconds: time, ...ratesOf(work, time) })
  await timeThreads(tokenizer, makeTokenizer, texts, packed, rounds, row, report)
  if (!folder) return
  const files = await temporaryFolder()
  await writeRequest(files, tokenizer, texts)
  await withPeers(options, 'tokenize', { threads: 1 }, say, async peer => {
    const different = await differentTexts(peer, files, packed)
    const turns = await takeTurns([() => milliseconds(encode), () => peer.time(0)], rounds)
    const error = { error: different / texts.length, tolerance: peer.name.startsWith('@huggingface') ? SIGMAS : 0 }
    report(rowBeside(row, peer, turns, error, work))
  })
}

/** Turns a round, calls that count of a turn, and milliseconds that these last at most. */
const [TURNS, CALLS, TURN] = [4, 4, 2000]

/**
 * Two threads beside one, in many short turns, each with a tokenizer of its own that has seen the texts: the same ids, and how much sooner. The first call
 * of a turn does not count, since threads that have slept are slower for a while; of the others the faster half does: what else the machine does takes one
 * of two cores from two threads, while one thread goes to the other.
 */
async function timeThreads(
  tokenizer: Tokenizer,
  makeTokenizer: () => Promise<Tokenizer>,
  texts: readonly string[],
  { ids, offsets }: PackedIds,
  rounds: number,
  row: Omit<BenchRow, 'milliseconds'>,
  report: Report,
): Promise<void> {
  if (whyNotShared()) return
  const threaded = await makeTokenizer()
  await threaded.setThreads(2)
  const together = threaded.encode(texts)
  const differs = (a: Int32Array, b: Int32Array) => a.length !== b.length || a.some((value, i) => value !== b[i])
  const wrong = differs(together.ids, ids) || differs(together.offsets, offsets)
  const encode = (which: Tokenizer) => milliseconds(async () => void which.encode(texts))
  for (let call = 0; call < CALLS; call++) await encode(threaded)
  const times: [number[], number[]] = [[], []]
  for (let turn = 0; turn < TURNS * rounds; turn++)
    for (const [i, which] of [threaded, tokenizer].entries()) {
      const first = await encode(which)
      for (let call = 0; call < CALLS && call * first < TURN; call++) times[i]!.push(await encode(which))
    }
  await threaded.setThreads(1)
  const [two, one] = times.map(fasterHalf) as [number, number]
  report({
    ...row,
    variant: 'wasm, 2 threads',
    threads: 2,
    verified: row.verified && !wrong,
    milliseconds: two,
    ...ratesOf({ tokens: ids.length }, two),
    note: `${(one / two).toFixed(2)} × one thread (median of the faster half of ${times[0].length} calls each)`,
  })
}

async function writeRequest(folder: string, tokenizer: Tokenizer, texts: readonly string[]): Promise<void> {
  await writeFile(join(folder, 'texts.json'), JSON.stringify(texts))
  for (const [name, bytes] of Object.entries(await tokenizer.files())) await writeFile(join(folder, name), bytes)
}

/** How many texts the rival has other ids for. It reads the same tokenizer.json, which is made where the model has none. */
async function differentTexts(peer: Peer, folder: string, { ids, offsets }: PackedIds): Promise<number> {
  const out = join(folder, 'ids.f32')
  await peer.prepare({ task: 'tokenize', model: folder, texts: join(folder, 'texts.json'), out })
  const theirs = await readFloats(out)
  let [different, at] = [0, 0]
  for (let i = 0; i + 1 < offsets.length; i++) {
    const count = theirs[at++] ?? 0
    const own = ids.subarray(offsets[i]!, offsets[i + 1]!)
    if (own.length !== count || own.some((id, t) => id !== theirs[at + t])) different++
    at += count
  }
  return different
}

async function textsOf(folders: readonly string[]): Promise<string[]> {
  const texts: string[] = []
  for (const folder of folders) {
    const found = await collectionsIn(folder)
    // What is missing in a folder without a collection is told by who reads it.
    for (const collection of found.length > 0 ? found : [folder])
      for (const text of (await loadDocuments(collection)).texts) texts.push(text)
  }
  return texts
}

/** The folder itself where it holds documents, or those in it that do. */
async function collectionsIn(folder: string): Promise<string[]> {
  if (await holdsCorpus(folder)) return [folder]
  const found: string[] = []
  for (const name of await listFolder(folder)) {
    const inside = join(folder, name)
    if ((await isFolder(inside)) && (await holdsCorpus(inside))) found.push(inside)
  }
  return found
}

/** A collection of the package: the first folder of collections/, or of a folder in it, that holds documents. */
async function packagedCollection(): Promise<string> {
  const root = join(await packageFolder('collections'), 'collections')
  for (const name of await listFolder(root)) {
    const [first] = (await isFolder(join(root, name))) ? await collectionsIn(join(root, name)) : []
    if (first) return first
  }
  throw new Error(`${root} holds no collection; install the package anew, or name one with --data`)
}

/** The texts over again until there are enough characters. */
function repeated(texts: readonly string[], characters: number): string[] {
  const out: string[] = []
  for (let i = 0, sum = 0; sum < characters && texts.length > 0; i++) {
    out.push(texts[i % texts.length]!)
    sum += out.at(-1)!.length + 1
  }
  return out
}
