// Training pairs: a JSON object a line, {query, pos: […], neg: […], pos_scores?, neg_scores?, prompt?} (FlagEmbedding's
// form), or in one of the forms of training-forms.ts, or, where a collection has no such file, the pairs that its
// training judgements state.
import { exists, isFolder, listFolder } from '../runtime/files.js'
import { documentText, findQrels, loadQueries, readDocuments, type TextOf } from './collection.js'
import { excerpt } from './jsonl.js'
import { readQrels } from './qrels.js'
import { readTrainingFile, trainingNames } from './training-files.js'

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
  /** A teacher's, where the pair has one for each of these texts. */
  readonly scores?: { readonly positive: number; readonly negatives: readonly number[] }
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
  { split = 'train', textOf = documentText }: { split?: string; textOf?: TextOf } = {},
): Promise<TrainingPairs> {
  if (!(await isFolder(folderOrFile))) return loadPairsFile(folderOrFile, textOf)
  for (const name of trainingNames(split))
    for (const file of [name, `${name}.gz`])
      if (await exists(`${folderOrFile}/${file}`)) return loadPairsFile(`${folderOrFile}/${file}`, textOf)
  if (await isFolder(`${folderOrFile}/qrels`)) return pairsFromJudgements(folderOrFile, split, textOf)
  const names = (await listFolder(folderOrFile)).slice(0, 20).join(', ')
  throw new Error(
    `${folderOrFile} has no training pairs: expected ${split}.jsonl (or .gz), or qrels/${split}.tsv with corpus.jsonl and queries.jsonl; it holds ${names || 'nothing'}`,
  )
}

async function loadPairsFile(path: string, textOf: TextOf): Promise<TrainingPairs> {
  const { pairs, lines, warnings } = await readTrainingFile(path, textOf)
  if (pairs.length === 0) throw new Error(`${path} holds no training pairs; ${warnings.join('; ')}`)
  const contradicting = pairs.filter(({ positives, negatives }) => negatives.some(text => positives.includes(text)))
  if (contradicting.length > 0)
    warnings.push(
      `${path}: ${contradicting.length} lines give a text as positive and as negative (the first is line ${lines[pairs.indexOf(contradicting[0]!)]}); both are kept`,
    )
  return { pairs, warnings, source: path }
}

/** Every query of a split with its relevant documents as positives and those judged 0 as hard negatives. */
async function pairsFromJudgements(folder: string, split: string, textOf: TextOf): Promise<TrainingPairs> {
  const source = await findQrels(folder, split)
  const { qrels, warnings } = await readQrels(source, { format: 'beir' })
  const queries = await loadQueries(folder, id => qrels.has(id))
  const judged = new Set([...qrels.values()].flatMap(grades => [...grades.keys()]))
  const texts = await judgedTexts(folder, judged, textOf)
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
async function judgedTexts(folder: string, wanted: Set<string>, textOf: TextOf): Promise<Map<string, string>> {
  const texts = new Map<string, string>()
  for await (const document of readDocuments(folder)) {
    if (!wanted.has(document.id)) continue
    if (texts.has(document.id))
      throw new Error(
        `${folder}: the document id ${excerpt(document.id)} is given twice, the second time on line ${document.line}`,
      )
    texts.set(document.id, textOf(document))
  }
  return texts
}

/** One example for every positive of every pair, in order, each with all negatives of its pair. */
export function expandPairs(pairs: readonly TrainingPair[]): TrainingExample[] {
  return pairs.flatMap(({ query, positives, negatives, positiveScores, negativeScores, prompt }) => {
    const scored = positiveScores && (negativeScores ?? (negatives.length === 0 ? [] : undefined))
    return positives.map((positive, i) => ({
      ...{ query, positive, negatives },
      ...(scored && { scores: { positive: positiveScores[i]!, negatives: scored } }),
      ...(prompt !== undefined && { prompt }),
    }))
  })
}
