// Collections in BEIR's layout: corpus.jsonl {_id, title, text}, queries.jsonl {_id, text}, qrels/<split>.tsv, each
// `.gz` or not. Documents stream, so that a corpus larger than memory can be encoded; `loadCollection` holds all of one
// split.
import { baseName, exists, isFolder, listFolder } from '../runtime/files.js'
import { counted } from './counted.js'
import { describeValue, excerpt, hasKeys, type JsonLine, readJsonLines } from './jsonl.js'
import { nearest } from './nearest.js'
import { type Qrels, readQrels } from './qrels.js'

export interface Document {
  readonly id: string
  /** Empty where the document has none. */
  readonly title: string
  readonly text: string
  /** Where it stands in its file, from 1. */
  readonly line: number
}

export type Query = Omit<Document, 'title'>

/** Ids and texts side by side, in the order of the file. */
export interface Texts {
  readonly ids: string[]
  readonly texts: string[]
}

/** A split of a collection, in memory. */
export interface Collection {
  /** The folder's. */
  readonly name: string
  readonly split: string
  /** All documents; a text is what an encoder reads: see `documentText`. */
  readonly documents: Texts
  /** The queries that the split judges. */
  readonly queries: Texts
  /** The split's judgements, unknown documents and queries included: as in trec_eval, the former count as not found, the latter not at all. */
  readonly qrels: Qrels
  readonly warnings: string[]
  readonly counts: {
    /** Documents whose title and text are both empty. */
    readonly emptyDocuments: number
    /** (query, document) pairs, and those of them with a grade above 0. */
    readonly judgements: number
    readonly relevant: number
    /** Distinct documents and queries of the judgements that the collection does not hold. */
    readonly unknownDocuments: number
    readonly unknownQueries: number
  }
}

/** How a document becomes the text that an encoder reads. */
export type TextOf = (document: { readonly title: string; readonly text: string }) => string

/**
 * Title, what stands between, text; the text alone where there is no title. The tokenizer's separator ("[SEP]") between them makes the pair that DPR's
 * encoder of passages reads (Karpukhin et al. 2020).
 */
export const textWith =
  (separator: string): TextOf =>
  ({ title, text }) =>
    title === '' ? text : `${title}${separator}${text}`

/** With a space between. */
export const documentText: TextOf = textWith(' ')

/**
 * The documents of a BEIR folder (or of one corpus file), one after another. Ids are not checked to be distinct: that
 * needs them all.
 */
export async function* readDocuments(folder: string): AsyncGenerator<Document> {
  const path = await findTexts(folder, 'corpus.jsonl')
  for await (const record of readJsonLines(path)) {
    const title = record.value.title ?? ''
    if (typeof title !== 'string')
      throw new Error(`${path}:${record.line}: expected a string as "title", found ${describeValue(title)}`)
    yield { ...readText(record, path), title }
  }
}

/** The queries of a BEIR folder (or of one queries file), judged or not. */
export async function* readQueries(folder: string): AsyncGenerator<Query> {
  const path = await findTexts(folder, 'queries.jsonl')
  for await (const record of readJsonLines(path)) yield readText(record, path)
}

function readText({ line, value }: JsonLine, path: string): Query {
  return { id: readId(value, `${path}:${line}`), text: readField(value, `${path}:${line}`), line }
}

function readId(value: Record<string, unknown>, place: string): string {
  const id = value._id
  if (typeof id === 'string' && id !== '') return id
  if (typeof id === 'number' && Number.isSafeInteger(id)) return String(id)
  // JSON.parse has already rounded a larger number, and two ids may have become one.
  if (typeof id === 'number') throw new Error(`${place}: the number ${id} as "_id" is not exact; write it as a string`)
  throw new Error(
    `${place}: expected a string that is not empty as "_id", found ${describeValue(id)}; ${hasKeys(value)}`,
  )
}

function readField(value: Record<string, unknown>, place: string): string {
  if (typeof value.text === 'string') return value.text
  throw new Error(`${place}: expected a string as "text", found ${describeValue(value.text)}; ${hasKeys(value)}`)
}

/**
 * All documents of a folder or corpus file. Fails at a line that is none, at an id given twice and at an empty corpus.
 */
export async function loadDocuments(folder: string, textOf: TextOf = documentText): Promise<Texts> {
  const path = await findTexts(folder, 'corpus.jsonl')
  return gather(path, readDocuments(path), textOf)
}

/** The queries of a folder or queries file that `keep` takes (all without it). Fails as `loadDocuments` does. */
export async function loadQueries(folder: string, keep: (id: string) => boolean = () => true): Promise<Texts> {
  const path = await findTexts(folder, 'queries.jsonl')
  return gather(path, readQueries(path), query => query.text, keep)
}

async function gather<T extends Query>(
  path: string,
  records: AsyncIterable<T>,
  textOf: (record: T) => string,
  keep: (id: string) => boolean = () => true,
): Promise<Texts> {
  const lines = new Map<string, number>()
  const ids: string[] = []
  const texts: string[] = []
  for await (const record of records) {
    const { id, line } = record
    const before = lines.get(id)
    if (before !== undefined)
      throw new Error(
        `${path}: the id ${excerpt(id)} is given twice, on lines ${before} and ${line}; ids must be distinct`,
      )
    lines.set(id, line)
    if (!keep(id)) continue
    ids.push(id)
    texts.push(textOf(record))
  }
  if (lines.size === 0) throw new Error(`${path} is empty: expected a JSON object a line with "_id" and "text"`)
  return { ids, texts }
}

/**
 * A split of a BEIR folder. `queries`: another folder whose queries, of the same ids, ask in their place, such as those of another language. Fails where a file or the split is missing (naming what is there), at a bad line, at an id
 * given twice, at an empty collection and where the split judges no query that exists; judgements of unknown documents
 * and queries are warned of.
 */
export async function loadCollection(
  folder: string,
  { split = 'test', queries: asked = folder, textOf }: { split?: string; queries?: string; textOf?: TextOf } = {},
): Promise<Collection> {
  if ((await exists(folder)) && !(await isFolder(folder)))
    throw new Error(
      `${folder} is a file; expected the folder of a BEIR collection with corpus.jsonl, queries.jsonl and qrels/`,
    )
  // Every file is looked for before the first is read: a corpus may take minutes.
  await findTexts(folder, 'corpus.jsonl')
  await findTexts(asked, 'queries.jsonl')
  const qrelsPath = await findQrels(folder, split)
  const { qrels, judgements, warnings } = await readQrels(qrelsPath, { format: 'beir' })
  const queries = await loadQueries(asked, id => qrels.has(id))
  const documents = await loadDocuments(folder, textOf)

  const unknownQueries = missingFrom(qrels.keys(), queries.ids)
  const judged = new Set([...qrels.values()].flatMap(grades => [...grades.keys()]))
  const unknownDocuments = missingFrom(judged, documents.ids)
  if (queries.ids.length === 0)
    throw new Error(
      `none of the ${qrels.size} queries of ${qrelsPath} is in ${asked}/queries.jsonl (the first is ${excerpt(unknownQueries[0]!)}): the two files do not belong together`,
    )
  const warn = (unknown: string[], what: string, file: string, effect: string) => {
    if (unknown.length)
      warnings.push(
        `${qrelsPath} judges ${what} that ${file} does not hold (the first is ${excerpt(unknown[0]!)}): ${effect}`,
      )
  }
  warn(unknownDocuments, counted(unknownDocuments.length, 'document'), 'the corpus', 'counted as not found')
  warn(unknownQueries, counted(unknownQueries.length, 'query', 'queries'), 'queries.jsonl', 'left out of the means')
  const relevant = [...qrels.values()].reduce((sum, grades) => sum + [...grades.values()].filter(g => g > 0).length, 0)
  if (relevant === 0) warnings.push(`${qrelsPath} has no grade above 0: every measure will be 0`)
  const counts = {
    emptyDocuments: documents.texts.filter(text => text === '').length,
    judgements,
    relevant,
    unknownDocuments: unknownDocuments.length,
    unknownQueries: unknownQueries.length,
  }
  return { name: baseName(folder), split, documents, queries, qrels, warnings, counts }
}

function missingFrom(wanted: Iterable<string>, ids: string[]): string[] {
  const missing = new Set(wanted)
  for (const id of ids) missing.delete(id)
  return [...missing]
}

/** The path of one of a folder's files, plain or gzipped; a path that is a file is taken as it is. */
async function findTexts(folder: string, name: string): Promise<string> {
  if (folder === '-' || ((await exists(folder)) && !(await isFolder(folder)))) return folder
  if (!(await exists(folder)))
    throw new Error(
      `no such folder: ${folder}; expected a BEIR collection with corpus.jsonl, queries.jsonl and qrels/<split>.tsv`,
    )
  for (const file of [name, `${name}.gz`]) if (await exists(`${folder}/${file}`)) return `${folder}/${file}`
  const names = await listFolder(folder)
  const parts = []
  for (const part of names) if (await holdsCorpus(`${folder}/${part}`)) parts.push(part)
  const hint = parts.length
    ? `; its folders ${parts.join(', ')} are collections: name one, as in ${folder}/${parts[0]}`
    : `; it holds ${names.slice(0, 20).join(', ') || 'nothing'}`
  throw new Error(`${folder} has no ${name} (or ${name}.gz), which a BEIR collection must have${hint}`)
}

/** Whether a folder has documents: corpus.jsonl, plain or gzipped. */
export const holdsCorpus = async (folder: string) =>
  (await exists(`${folder}/corpus.jsonl`)) || (await exists(`${folder}/corpus.jsonl.gz`))

/** The splits of a BEIR folder: the names of its qrels/*.tsv. */
export async function listSplits(folder: string): Promise<string[]> {
  if (!(await isFolder(`${folder}/qrels`))) return []
  const names = (await listFolder(`${folder}/qrels`)).map(name => name.match(/^(.+)\.tsv(\.gz)?$/)?.[1])
  return [...new Set(names.filter(name => name !== undefined))]
}

/** The path of a split's judgements; fails where there is none, listing the splits that exist. */
export async function findQrels(folder: string, split: string): Promise<string> {
  const path = `${folder}/qrels/${split}.tsv`
  for (const file of [path, `${path}.gz`]) if (await exists(file)) return file
  const splits = await listSplits(folder)
  if (splits.length === 0) throw new Error(`${folder} has no judgements: expected ${path} (or .gz)`)
  const meant = splits.length === 1 ? splits[0] : nearest(split, splits)
  throw new Error(
    `${folder} has no split ${excerpt(split)} (${path} does not exist); it has ${splits.join(', ')}${meant ? `: did you mean ${meant}?` : ''}`,
  )
}
