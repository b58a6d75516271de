// How well an encoder finds what was judged relevant.
import { type Collection, loadCollection } from '../data/collection.js'
import { type CollectionScores, evaluateCollection, type Progress, tokenizeCollection } from '../run/evaluate.js'
import { onThreads } from '../text/on-threads.js'
import type { Encoder } from './encoder.js'
import {
  aFunction,
  aSignal,
  aText,
  type Check,
  type Checks,
  checkEncoder,
  checkOptions,
  checkValue,
  oneOf,
  whole,
} from './given.js'
import { checkLocation, type Location, locate } from './location.js'

/** Of `evaluateEncoder`. */
export interface EvaluationSettings {
  /** Of a collection that is read; default `test`. */
  readonly split?: string | undefined
  /** Results kept a query; default 100. */
  readonly k?: number | undefined
  /** Names as `ndcg_at_10`; default: those of BEIR. */
  readonly measures?: readonly string[] | undefined
  /** `beir` (the default): a document whose id is the query's is dropped. */
  readonly protocol?: 'beir' | 'trec' | undefined
  readonly onProgress?: ((done: Progress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

const settingChecks: Checks<EvaluationSettings> = {
  split: aText,
  k: whole(1),
  measures: ['a list of names', value => Array.isArray(value)],
  protocol: oneOf('beir', 'trec'),
  onProgress: aFunction,
  signal: aSignal,
}

/** Texts and judgements by their ids. */
export interface Judged {
  readonly documents: Readonly<Record<string, string>>
  readonly queries: Readonly<Record<string, string>>
  /** Query → document → grade; 0 is not relevant. */
  readonly qrels: Readonly<Record<string, Readonly<Record<string, number>>>>
}

/** Encodes a collection (BEIR's folder, an address of one, its files, or texts and judgements in memory), searches exactly, scores as trec_eval does. */
export async function evaluateEncoder(
  encoder: Encoder,
  collection: Location | Judged,
  settings: EvaluationSettings = {},
): Promise<CollectionScores> {
  checkEncoder('evaluateEncoder', encoder)
  checkOptions('evaluateEncoder settings', settings, settingChecks)
  return encoder.parts.during(() => evaluate(encoder, collection, settings))
}

async function evaluate(
  { parts: { backend, source, loaded } }: Encoder,
  collection: Location | Judged,
  settings: EvaluationSettings,
): Promise<CollectionScores> {
  const { k = 100, protocol = 'beir', measures, split, onProgress, signal } = settings
  const read = isJudged(collection) ? collectionOf(collection) : await readCollection(collection, split, signal)
  const tokenized = await onThreads(source.tokenizer, read.documents.texts, () =>
    tokenizeCollection(source.tokenizer, source.settings, read, source.settings.maxLength),
  )
  return evaluateCollection(
    backend,
    loaded.encoder,
    source.settings.similarity,
    tokenized,
    {
      k,
      protocol,
      maxLength: source.settings.maxLength,
      ...(measures && { measures }),
      ...(loaded.passage && { passage: loaded.passage.encoder }),
    },
    { ...(onProgress && { onProgress }), ...(signal && { signal }) },
  )
}

// Files have names that end in .jsonl and .tsv.
const isJudged = (collection: Location | Judged): collection is Judged =>
  typeof collection === 'object' &&
  collection !== null &&
  ['documents', 'queries', 'qrels'].some(key => key in collection)

async function readCollection(
  location: Location,
  split: string | undefined,
  signal?: AbortSignal,
): Promise<Collection> {
  checkLocation('evaluateEncoder collection', location)
  const located = locate(location, { signal })
  try {
    return await loadCollection(located.path, split === undefined ? {} : { split })
  } finally {
    located.close()
  }
}

const isRecord = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Map)

const record = (each: Check): Check => [
  `an object {id: ${each[0]}}`,
  value => isRecord(value) && Object.values(value).every(each[1]),
]

const aGrade: Check = ['a whole number', Number.isInteger]

function checkJudged({ documents, queries, qrels }: Judged): void {
  checkValue('documents', documents, record(aText))
  checkValue('queries', queries, record(aText))
  checkValue('qrels', qrels, record(record(aGrade)))
  const graded = Object.values(qrels).flatMap(grades => Object.keys(grades))
  if (graded.length > 0 && !graded.some(id => id in documents))
    throw new Error(
      `none of the documents that qrels grades is there: it has "${graded[0]}", documents have ${
        Object.keys(documents)[0] === undefined ? 'nothing' : `"${Object.keys(documents)[0]}"`
      }`,
    )
}

function collectionOf({ documents, queries, qrels }: Judged): Collection {
  checkJudged({ documents, queries, qrels })
  const texts = (record: Readonly<Record<string, string>>) => ({
    ids: Object.keys(record),
    texts: Object.values(record),
  })
  const judged = new Map(Object.entries(qrels).map(([query, grades]) => [query, new Map(Object.entries(grades))]))
  const asked = texts(queries)
  const kept = asked.ids.map((_, i) => i).filter(i => judged.has(asked.ids[i]!))
  if (kept.length === 0) {
    const [asks, grades] = [asked.ids, [...judged.keys()]].map(([first]) =>
      first === undefined ? 'nothing' : `"${first}"`,
    )
    throw new Error(`none of the queries is judged: queries have ${asks}, qrels ${grades}`)
  }
  const grades = [...judged.values()].flatMap(each => [...each.values()])
  const known = new Set(Object.keys(documents))
  return {
    name: 'judged',
    split: 'test',
    documents: texts(documents),
    queries: { ids: kept.map(i => asked.ids[i]!), texts: kept.map(i => asked.texts[i]!) },
    qrels: judged,
    warnings: [],
    counts: {
      emptyDocuments: Object.values(documents).filter(text => text === '').length,
      judgements: grades.length,
      relevant: grades.filter(grade => grade > 0).length,
      unknownDocuments: new Set([...judged.values()].flatMap(each => [...each.keys()].filter(id => !known.has(id))))
        .size,
      unknownQueries: [...judged.keys()].filter(id => !(id in queries)).length,
    },
  }
}
