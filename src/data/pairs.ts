// Training pairs: a JSON object a line, {query, pos: […], neg: […], pos_scores?, neg_scores?, prompt?} (FlagEmbedding's
// form), or, where a collection has no train.jsonl, the pairs that its training judgements state.
import { exists, isFolder, listFolder } from '../runtime/files.js'
import { documentText, findQrels, loadQueries, readDocuments } from './collection.js'
import { describeValue, excerpt, hasKeys, readJsonLines } from './jsonl.js'
import { readQrels } from './qrels.js'

export interface TrainingPair {
  readonly query: string
  /** At least one. */
  readonly positives: string[]
  /** Hard negatives; may be empty. */
  readonly negatives: string[]
  /** A teacher's scores, beside `positives` and `negatives`. */
  readonly positiveScores?: number[]
  readonly negativeScores?: number[]
  /** Stands before the query. */
  readonly prompt?: string
}

export interface TrainingPairs {
  readonly pairs: TrainingPair[]
  readonly warnings: string[]
  /** The file that was read. */
  readonly source: string
}

/** One query with one positive: what a batch is made of. */
export interface TrainingExample {
  readonly query: string
  readonly positive: string
  readonly negatives: string[]
  readonly prompt?: string
}

/** Shorter ones ask nothing. */
const WORDS_OF_A_SENTENCE = 4

/**
 * Each sentence of each distinct positive as a query for the whole of it: pairs that cost no labels (the inverse cloze task of Lee et
 * al. 2019, with the sentence left in its place).
 */
export function sentencePairs(pairs: readonly TrainingPair[]): TrainingPair[] {
  const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' })
  const documents = new Set(pairs.flatMap(({ positives }) => positives))
  return [...documents].flatMap(document =>
    Array.from(segmenter.segment(document), ({ segment }) => segment.trim())
      .filter(sentence => sentence !== document && sentence.split(/\s+/).length >= WORDS_OF_A_SENTENCE)
      .map(query => ({ query, positives: [document], negatives: [] })),
  )
}

/**
 * The pairs of a JSON Lines file, or of a folder's train.jsonl (`.gz` welcome); a folder without one gives the pairs of
 * its qrels/<split>.tsv. Fails at a bad line, naming it, at a line without positives and where there are no pairs.
 */
export async function loadPairs(
  folderOrFile: string,
  { split = 'train' }: { split?: string } = {},
): Promise<TrainingPairs> {
  if (!(await isFolder(folderOrFile))) return loadPairsFile(folderOrFile)
  for (const name of [`${split}.jsonl`, `${split}.jsonl.gz`])
    if (await exists(`${folderOrFile}/${name}`)) return loadPairsFile(`${folderOrFile}/${name}`)
  if (await isFolder(`${folderOrFile}/qrels`)) return pairsFromJudgements(folderOrFile, split)
  const names = (await listFolder(folderOrFile)).slice(0, 20).join(', ')
  throw new Error(
    `${folderOrFile} has no training pairs: expected ${split}.jsonl (or .gz), or qrels/${split}.tsv with corpus.jsonl and queries.jsonl; it holds ${names || 'nothing'}`,
  )
}

async function loadPairsFile(path: string): Promise<TrainingPairs> {
  const pairs: TrainingPair[] = []
  let contradictions = 0
  let first = 0
  for await (const { line, value } of readJsonLines(path)) {
    const pair = readPair(value, `${path}:${line}`)
    pairs.push(pair)
    if (pair.negatives.some(text => pair.positives.includes(text)) && contradictions++ === 0) first = line
  }
  if (pairs.length === 0)
    throw new Error(`${path} holds no training pairs: expected a JSON object a line with "query", "pos" and "neg"`)
  const warnings = contradictions
    ? [
        `${path}: ${contradictions} lines give a text as positive and as negative (the first is line ${first}); both are kept`,
      ]
    : []
  return { pairs, warnings, source: path }
}

function readPair(value: Record<string, unknown>, place: string): TrainingPair {
  const { query, prompt } = value
  if (typeof query !== 'string')
    throw new Error(`${place}: expected a string as "query", found ${describeValue(query)}; ${hasKeys(value)}`)
  if (prompt !== undefined && prompt !== null && typeof prompt !== 'string')
    throw new Error(`${place}: expected a string as "prompt", found ${describeValue(prompt)}`)
  const positives = readTexts(value, 'pos', place)
  if (positives.length === 0)
    throw new Error(
      `${place}: "pos" is empty, expected at least one positive text; leave the line out if there is none`,
    )
  const negatives = value.neg === undefined || value.neg === null ? [] : readTexts(value, 'neg', place)
  const positiveScores = readScores(value, 'pos_scores', positives.length, place)
  const negativeScores = readScores(value, 'neg_scores', negatives.length, place)
  return {
    query,
    positives,
    negatives,
    ...(positiveScores && { positiveScores }),
    ...(negativeScores && { negativeScores }),
    ...(typeof prompt === 'string' && { prompt }),
  }
}

function readTexts(value: Record<string, unknown>, key: string, place: string): string[] {
  const texts = value[key]
  if (!Array.isArray(texts))
    throw new Error(
      `${place}: expected a list of strings as "${key}", found ${describeValue(texts)}; ${hasKeys(value)}`,
    )
  const wrong = texts.findIndex(text => typeof text !== 'string')
  if (wrong >= 0)
    throw new Error(`${place}: expected strings in "${key}", found ${describeValue(texts[wrong])} as its item ${wrong}`)
  return texts as string[]
}

function readScores(value: Record<string, unknown>, key: string, count: number, place: string): number[] | undefined {
  const scores = value[key]
  if (scores === undefined || scores === null) return undefined
  if (!Array.isArray(scores) || scores.length !== count || scores.some(score => typeof score !== 'number'))
    throw new Error(
      `${place}: expected a list of ${count} numbers as "${key}", one a text, found ${describeValue(scores)}`,
    )
  return scores as number[]
}

/** Every query of a split with its relevant documents as positives and those judged 0 as hard negatives. */
async function pairsFromJudgements(folder: string, split: string): Promise<TrainingPairs> {
  const source = await findQrels(folder, split)
  const { qrels, warnings } = await readQrels(source, { format: 'beir' })
  const queries = await loadQueries(folder, id => qrels.has(id))
  const texts = await judgedTexts(folder, new Set([...qrels.values()].flatMap(grades => [...grades.keys()])))
  const pairs: TrainingPair[] = []
  let unknownDocuments = 0
  for (const [i, id] of queries.ids.entries()) {
    const positives: string[] = []
    const negatives: string[] = []
    for (const [document, grade] of qrels.get(id)!) {
      const text = texts.get(document)
      if (text === undefined) unknownDocuments++
      else if (grade > 0) positives.push(text)
      else if (grade === 0) negatives.push(text)
    }
    if (positives.length) pairs.push({ query: queries.texts[i]!, positives, negatives })
  }
  const unknownQueries = qrels.size - queries.ids.length
  const without = queries.ids.length - pairs.length
  if (unknownQueries)
    warnings.push(`${source} judges ${unknownQueries} queries that queries.jsonl does not hold; they are left out`)
  if (unknownDocuments)
    warnings.push(
      `${source} has ${unknownDocuments} judgements of documents that the corpus does not hold; they are left out`,
    )
  if (without) warnings.push(`${source}: ${without} queries have no relevant document; they are left out`)
  if (pairs.length === 0)
    throw new Error(
      `${source} gives no training pairs: no query of it has a relevant document in the corpus; ${warnings.join('; ')}`,
    )
  return { pairs, warnings, source }
}

/** Only the texts that are asked for, so that a large corpus with few judgements stays small. */
async function judgedTexts(folder: string, wanted: Set<string>): Promise<Map<string, string>> {
  const texts = new Map<string, string>()
  for await (const document of readDocuments(folder)) {
    if (!wanted.has(document.id)) continue
    if (texts.has(document.id))
      throw new Error(
        `${folder}: the document id ${excerpt(document.id)} is given twice, the second time on line ${document.line}`,
      )
    texts.set(document.id, documentText(document))
  }
  return texts
}

/** One example for every positive of every pair, in order, each with all negatives of its pair. */
export function expandPairs(pairs: readonly TrainingPair[]): TrainingExample[] {
  return pairs.flatMap(({ query, positives, negatives, prompt }) =>
    positives.map(positive => ({ query, positive, negatives, ...(prompt !== undefined && { prompt }) })),
  )
}
