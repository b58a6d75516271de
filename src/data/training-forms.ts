// Lines of training files as other tools write them, told apart by their keys, as pairs:
//   {query, pos: […], neg: […], pos_scores?, neg_scores?, prompt?}                     FlagEmbedding; ours; also sentence-transformers'
//   {query, positive_passages: [{docid, title?, text}], negative_passages: […]}        Tevatron
//   {query_id, query_text, positive_document_ids: […], negative_document_ids: […]}     Tevatron with a corpus
//   {question, positive_ctxs: [{title, text}], hard_negative_ctxs, negative_ctxs}      DPR
//   {set: [text, …]}, [text, text], [anchor, positive, negative …]                     sentence-transformers' embedding-training-data
//   [qid, pid+, pid− …], [qid, [pid+, score], [pid−, score] …]                         ColBERT's triples and scored examples
// Texts of documents have their title in front where it is not empty.
import { documentText, type TextOf } from './collection.js'
import { describeValue, hasKeys } from './jsonl.js'
import type { TrainingPair } from './pairs.js'

/** A pair whose texts lie elsewhere. */
export interface IdPair extends Omit<TrainingPair, 'query'> {
  /** The text, where the line has it. */
  readonly query?: string
  readonly queryId: string
}

export type FormName = 'flag_embedding' | 'tevatron' | 'tevatron_ids' | 'dpr' | 'set' | 'texts' | 'triples'

export type ReadLine =
  /** undefined: a line that by its form's own rules is left out. */
  | { readonly form: Exclude<FormName, 'tevatron_ids' | 'triples'>; readonly pair: TrainingPair | undefined }
  | { readonly form: 'tevatron_ids' | 'triples'; readonly ids: IdPair }

type Fields = Record<string, unknown>

const KNOWN =
  '"query" and "pos"; "query" and "positive_passages"; "query_text" and "positive_document_ids"; "question" and "positive_ctxs"; or "set"'

export function readTrainingLine(value: unknown, place: string, textOf: TextOf = documentText): ReadLine {
  if (Array.isArray(value)) return readList(value, place)
  if (typeof value !== 'object' || value === null)
    throw new Error(`${place}: expected a JSON object or list, found ${describeValue(value)}`)
  const fields = value as Fields
  if ('positive_passages' in fields) return { form: 'tevatron', pair: readTevatron(fields, place, textOf) }
  if ('positive_document_ids' in fields) return { form: 'tevatron_ids', ids: readTevatronIds(fields, place) }
  if ('positive_ctxs' in fields) return { form: 'dpr', pair: readDpr(fields, place, textOf) }
  if ('set' in fields) return { form: 'set', pair: readSet(readTexts(fields, 'set', place), place) }
  if (!('pos' in fields) && !('query' in fields))
    throw new Error(`${place}: expected the keys of a training pair, which are ${KNOWN}; ${hasKeys(fields)}`)
  return { form: 'flag_embedding', pair: readFlagEmbedding(fields, place) }
}

function readFlagEmbedding(value: Fields, place: string): TrainingPair {
  const { prompt } = value
  const query = readText(value, 'query', place)
  if (prompt !== undefined && prompt !== null && typeof prompt !== 'string')
    throw new Error(`${place}: expected a string as "prompt", found ${describeValue(prompt)}`)
  const positives = readTexts(value, 'pos', place)
  needPositive(positives, 'pos', place)
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

function readTevatron(value: Fields, place: string, textOf: TextOf): TrainingPair {
  const query = readText(value, 'query', place)
  const positives = readPassages(value, 'positive_passages', place, textOf)
  needPositive(positives, 'positive_passages', place)
  return { query, positives, negatives: readPassages(value, 'negative_passages', place, textOf, true) }
}

function readTevatronIds(value: Fields, place: string): IdPair {
  const key = 'query_text' in value ? 'query_text' : 'query'
  const positives = readIds(value.positive_document_ids, 'positive_document_ids', place)
  needPositive(positives, 'positive_document_ids', place)
  const given = value.negative_document_ids ?? []
  return {
    query: readText(value, key, place),
    queryId: typeof value.query_id === 'number' ? String(value.query_id) : String(value.query_id ?? ''),
    positives,
    negatives: readIds(given, 'negative_document_ids', place),
  }
}

/** DPR's own training leaves out questions without positives, and takes other negatives where there are no hard ones. */
function readDpr(value: Fields, place: string, textOf: TextOf): TrainingPair | undefined {
  const query = readText(value, 'question', place)
  const positives = readPassages(value, 'positive_ctxs', place, textOf)
  const hard = readPassages(value, 'hard_negative_ctxs', place, textOf, true)
  const negatives = hard.length > 0 ? hard : readPassages(value, 'negative_ctxs', place, textOf, true)
  return positives.length > 0 ? { query, positives, negatives } : undefined
}

/** Texts that mean the same: the first asks for the others. */
function readSet(texts: readonly string[], place: string): TrainingPair {
  const [query, ...positives] = texts
  if (query === undefined || positives.length === 0)
    throw new Error(`${place}: "set" has ${texts.length} texts, expected two or more`)
  return { query, positives, negatives: [] }
}

function readList(list: readonly unknown[], place: string): ReadLine {
  const texts = list.every(item => typeof item === 'string')
  if (texts && list.length >= 2) {
    const [query, positive, ...negatives] = list as string[]
    return { form: 'texts', pair: { query: query!, positives: [positive!], negatives } }
  }
  const [query, ...passages] = list
  if (Number.isInteger(query) && passages.length > 0) {
    const scored = passages.every(item => Array.isArray(item) && item.length === 2)
    const ids = scored ? (passages as [unknown, unknown][]).map(([id]) => id) : passages
    const [positive, ...negatives] = readIds(ids, 'the list', place)
    const scores = scored ? (passages as [unknown, unknown][]).map(([, score]) => score) : []
    if (scores.every(score => typeof score === 'number'))
      return {
        form: 'triples',
        ids: {
          ...{ queryId: String(query), positives: [positive!], negatives },
          ...(scored && { positiveScores: [scores[0] as number], negativeScores: scores.slice(1) as number[] }),
        },
      }
  }
  throw new Error(
    `${place}: expected a list of texts [anchor, positive, negative …] or of numbers [qid, pid+, pid− …], found ${describeValue(list)}`,
  )
}

function needPositive(positives: readonly unknown[], key: string, place: string): void {
  if (positives.length > 0) return
  throw new Error(
    `${place}: "${key}" is empty, expected at least one positive text; leave the line out if there is none`,
  )
}

function readText(value: Fields, key: string, place: string): string {
  const text = value[key]
  if (typeof text === 'string') return text
  throw new Error(`${place}: expected a string as "${key}", found ${describeValue(text)}; ${hasKeys(value)}`)
}

function readTexts(value: Fields, key: string, place: string): string[] {
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

function readPassages(value: Fields, key: string, place: string, textOf: TextOf, optional = false): string[] {
  const passages = value[key]
  if (optional && (passages === undefined || passages === null)) return []
  if (!Array.isArray(passages))
    throw new Error(`${place}: expected a list of passages as "${key}", found ${describeValue(passages)}`)
  return passages.map((passage: unknown, i) => {
    const { title, text } = (passage ?? {}) as Fields
    if (typeof text !== 'string')
      throw new Error(
        `${place}: expected passages {title?, text} in "${key}", found ${describeValue(typeof passage === 'object' && passage ? text : passage)} as the text of item ${i}`,
      )
    return textOf({ title: typeof title === 'string' ? title : '', text })
  })
}

function readIds(list: unknown, key: string, place: string): string[] {
  if (!Array.isArray(list))
    throw new Error(`${place}: expected a list of ids as "${key}", found ${describeValue(list)}`)
  return list.map((id: unknown, i) => {
    if (typeof id === 'string' || Number.isInteger(id)) return String(id)
    throw new Error(`${place}: expected ids in "${key}", found ${describeValue(id)} as its item ${i}`)
  })
}

function readScores(value: Fields, key: string, count: number, place: string): number[] | undefined {
  const scores = value[key]
  if (scores === undefined || scores === null) return undefined
  if (!Array.isArray(scores) || scores.length !== count || scores.some(score => typeof score !== 'number'))
    throw new Error(
      `${place}: expected a list of ${count} numbers as "${key}", one a text, found ${describeValue(scores)}`,
    )
  return scores as number[]
}
