// Tokenization: tokens a second on one thread, checked on some texts against WordPiece as it is defined (the longest token that fits, again and
// again) or, with other models, by what the ids decode to; and timed beside rivals that have to give the same ids.
import { holdsCorpus, loadDocuments } from '../data/collection.js'
import { processorName, temporaryFolder } from '../runtime/child.js'
import { isFolder, join, listFolder, packageFolder, resolve } from '../runtime/files.js'
import { writeFile } from '../runtime/write.js'
import { createWordPieceTokenizer, loadTokenizer, type Tokenizer } from '../text/tokenizer.js'
import { makeVocabulary, splitWords } from '../text/vocabulary.js'
import { commit } from '../version.js'
import { sampled } from './checks.js'
import { type PeerOptions, withPeers } from './peers.js'
import { readFloats } from './products.js'
import { type Report, ratesOf, rowBeside } from './row.js'
import { milliseconds, takeTurns, timeCalls } from './timing.js'

export interface TokenizeBenchOptions extends PeerOptions {
  readonly model?: string | undefined
  readonly data?: string | undefined
  readonly rounds: number
  readonly seconds: number
}

/** Characters that are enough for a rate. */
const ENOUGH = 4_000_000

export async function benchTokenize(
  options: TokenizeBenchOptions,
  report: Report,
  say: (line: string) => void,
): Promise<void> {
  const { model, data, rounds, seconds, folder } = options
  const own = await loadDocuments(data ?? (await packagedCollection()))
  const texts = repeated(own.texts, ENOUGH)
  const tokenizer = model
    ? await loadTokenizer(model)
    : await createWordPieceTokenizer({ vocabulary: makeVocabulary(own.texts, { size: 8000 }) })
  const wrong = wrongTexts(tokenizer, own.texts)
  const encode = async () => void tokenizer.encode(texts)
  const { ids } = tokenizer.encode(texts)
  const time = await timeCalls(encode, { seconds })
  const work = { tokens: ids.length }
  const row = {
    name: 'tokenize',
    shape: `${texts.length} texts, ${ids.length} tokens`,
    backend: 'none' as const,
    variant: 'wasm, 1 thread',
    threads: 1,
    verified: wrong === 0,
    max_error: wrong,
    adapter: processorName(),
    commit,
    note: `${model ?? 'a vocabulary'} on ${data ?? 'the passages of the package'}${data ? '' : ', repeated'}`,
  }
  report({ ...row, milliseconds: time, ...ratesOf(work, time) })
  if (!folder) return
  if (!model) return say('rivals tokenize with --model only')
  const files = await temporaryFolder()
  await writeFile(join(files, 'texts.json'), JSON.stringify(texts))
  await withPeers(options, 'tokenize', { threads: 1 }, say, async peer => {
    const out = join(files, 'ids.f32')
    await peer.prepare({ task: 'tokenize', model: resolve(model), texts: join(files, 'texts.json'), out })
    const theirs = await readFloats(out)
    const different = ids.reduce(
      (count, id, i) => count + (theirs[i] === id ? 0 : 1),
      Math.abs(theirs.length - ids.length),
    )
    const turns = await takeTurns([() => milliseconds(encode), () => peer.time(0)], rounds)
    report(rowBeside(row, peer, turns, { error: different / ids.length, tolerance: 0 }, work))
  })
}

/** A collection of the package: the first folder of collections/, or of a folder in it, that holds documents. */
async function packagedCollection(): Promise<string> {
  const root = join(await packageFolder(), 'collections')
  for (const name of await listFolder(root)) {
    const folder = join(root, name)
    const inside = (await isFolder(folder)) ? (await listFolder(folder)).map(each => join(folder, each)) : []
    for (const candidate of [folder, ...inside]) if (await holdsCorpus(candidate)) return candidate
  }
  throw new Error(`${root} holds no collection; install the package anew, or name one with --data`)
}

/** The texts over again until there are enough characters, or just the first of them that are enough. */
function repeated(texts: readonly string[], characters: number): string[] {
  const out: string[] = []
  for (let i = 0, sum = 0; sum < characters && texts.length > 0; i++) {
    out.push(texts[i % texts.length]!)
    sum += out.at(-1)!.length + 1
  }
  return out
}

/** The part of some texts whose ids are not those of the definition, or do not decode to the text. */
export function wrongTexts(tokenizer: Tokenizer, texts: readonly string[]): number {
  if (tokenizer.model === 'wordpiece') return wrongWordPieces(tokenizer, texts)
  // Words and spaces that every vocabulary and normalizer leaves as they are.
  const plain = sampled(texts.length, 64).map(i => (texts[i]!.toLowerCase().match(/[a-z]+/g) ?? []).join(' '))
  const { ids, offsets } = tokenizer.encode(plain, { addSpecialTokens: false })
  const wrong = plain.filter(
    (text, i) => tokenizer.decode(ids.subarray(offsets[i]!, offsets[i + 1]!)).trimStart() !== text,
  )
  return wrong.length / plain.length
}

/** Letter cases and accents are left out: models differ in them. */
function wrongWordPieces(tokenizer: Tokenizer, texts: readonly string[]): number {
  const ids = new Map<string, number>()
  for (let id = 0; id < tokenizer.vocabularySize; id++) {
    const token = tokenOf(tokenizer, id)
    if (token !== undefined) ids.set(token, id)
  }
  const plain = sampled(texts.length, 64).map(i => texts[i]!.toLowerCase().replace(/[^ -~]/g, ' '))
  const { ids: found, offsets } = tokenizer.encode(plain, { addSpecialTokens: false })
  const wrong = plain.filter((text, i) => {
    const expected = splitWords(text, false).flatMap(word => longestTokens(word, ids, tokenizer.special.unk ?? -1))
    const own = found.subarray(offsets[i]!, offsets[i + 1]!)
    return own.length !== expected.length || expected.some((id, t) => id !== own[t])
  })
  return wrong.length / plain.length
}

// A vocabulary may have holes.
function tokenOf(tokenizer: Tokenizer, id: number): string | undefined {
  try {
    return tokenizer.tokenOf(id)
  } catch {
    return undefined
  }
}

/** WordPiece (Wu et al. 2016, as BERT has it) of one word. */
function longestTokens(word: string, ids: ReadonlyMap<string, number>, unknown: number): number[] {
  if (word.length > 100) return [unknown]
  const out: number[] = []
  for (let start = 0; start < word.length; ) {
    let end = word.length
    const piece = () => (start > 0 ? '##' : '') + word.slice(start, end)
    while (end > start && !ids.has(piece())) end--
    if (end === start) return [unknown]
    out.push(ids.get(piece())!)
    start = end
  }
  return out
}
