// Files of training pairs: JSON Lines in any of the forms of training-forms.ts, one JSON array over many lines (DPR's), and tab-separated triples,
// of texts or of ids; ids are looked up in the files beside: queries*.tsv and collection*.tsv (ColBERT, MS MARCO), or corpus.jsonl (Tevatron).
import { basename, dirname, exists, join, listFolder, readLines } from '../runtime/files.js'
import { documentText, type TextOf } from './collection.js'
import { counted } from './counted.js'
import { describeValue, excerpt, readJsonLines } from './jsonl.js'
import type { TrainingPair } from './pairs.js'
import { type FormName, type IdPair, readTrainingLine } from './training-forms.js'

export interface TrainingFile {
  readonly pairs: TrainingPair[]
  /** Where each begins, from 1. (pairs) */
  readonly lines: number[]
  readonly warnings: string[]
  readonly form: FormName
}

interface Item {
  readonly value: unknown
  /** From 1. */
  readonly line: number
}

interface IdItem extends IdPair {
  readonly line: number
}

/** Names that hold training pairs in a folder, best first; each also with .gz. */
export const trainingNames = (split: string): string[] => [
  ...[`${split}.jsonl`, `${split}.json`, `${split}.tsv`],
  ...[`triples.${split}.jsonl`, 'triples.jsonl', 'triples.json', `triples.${split}.tsv`, 'triples.tsv'],
]

/** Fails at a bad line, naming it. Lines of several forms in one file are an error. */
export async function readTrainingFile(path: string, textOf: TextOf = documentText): Promise<TrainingFile> {
  let form: FormName | undefined
  const pairs: TrainingPair[] = []
  const lines: number[] = []
  const ids: IdItem[] = []
  let without = 0
  for await (const { value, line } of itemsOf(path)) {
    const place = `${path}:${line}`
    const read = readTrainingLine(value, place, textOf)
    if (form && read.form !== form)
      throw new Error(
        `${place}: a line of the form "${read.form}", but those before are "${form}"; keep one form a file`,
      )
    form = read.form
    if ('ids' in read) ids.push({ ...read.ids, line })
    else if (!read.pair) without++
    else {
      pairs.push(read.pair)
      lines.push(line)
    }
  }
  if (!form)
    throw new Error(`${path} holds no training pairs: expected a JSON object a line with "query", "pos" and "neg"`)
  const warnings = without > 0 ? [`${path}: ${counted(without, 'line')} without positives left out`] : []
  if (ids.length === 0) return { pairs, lines, warnings, form }
  const merged = form === 'triples' && !ids.some(({ positiveScores }) => positiveScores) ? mergedTriples(ids) : ids
  return { pairs: await lookUp(merged, path, form, textOf), lines: merged.map(({ line }) => line), warnings, form }
}

async function* itemsOf(path: string): AsyncGenerator<Item> {
  if (/\.tsv(\.gz)?$/.test(path)) yield* tabbedItems(path)
  else if (/\.json(\.gz)?$/.test(path) && (await isOneArray(path))) yield* arrayItems(path)
  else if (await beginsWithList(path)) yield* listLines(path)
  else yield* readJsonLines(path)
}

async function firstLine(path: string): Promise<string> {
  for await (const line of readLines(path)) if (line.trim() !== '') return line.trim()
  return ''
}

const beginsWithList = async (path: string) => (await firstLine(path)).startsWith('[')

/** Whether a file is one array of objects rather than a list a line. */
async function isOneArray(path: string): Promise<boolean> {
  const line = await firstLine(path)
  return /^\[\s*(\{|$|\])/.test(line)
}

async function* listLines(path: string): AsyncGenerator<Item> {
  let line = 0
  for await (const text of readLines(path)) {
    line++
    if (text.trim() === '') continue
    yield { value: parsed(text, `${path}:${line}`), line }
  }
}

function parsed(text: string, place: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${place}: expected JSON, found ${excerpt(text)} (${(error as Error).message})`)
  }
}

/** The items of a JSON array, cut out by their brackets: the whole may be larger than a string can be. */
async function* arrayItems(path: string): AsyncGenerator<Item> {
  let [line, depth, inText, escaped, start] = [0, 0, false, false, 0]
  let parts: string[] = []
  for await (const text of readLines(path)) {
    line++
    let from = 0
    for (let at = 0; at < text.length; at++) {
      const character = text[at]!
      if (inText) {
        if (escaped) escaped = false
        else if (character === '\\') escaped = true
        else if (character === '"') inText = false
      } else if (character === '"') inText = true
      else if (character === '{' || character === '[') {
        if (++depth === 2) [from, start] = [at, line]
      } else if (character === '}' || character === ']') {
        if (--depth !== 1) continue
        parts.push(text.slice(from, at + 1))
        yield { value: parsed(parts.join('\n'), `${path}:${start}`), line: start }
        parts = []
      }
    }
    if (depth > 1) parts.push(text.slice(from))
  }
  if (depth !== 0) throw new Error(`${path}: the array is not closed at the end of line ${line}; the file is cut short`)
}

/** query ⇥ positive ⇥ negative …: texts, or ids where all of them are whole numbers and the texts lie beside. */
async function* tabbedItems(path: string): AsyncGenerator<Item> {
  const beside = (await findBeside(path, 'collection')) !== undefined
  let line = 0
  for await (const text of readLines(path)) {
    line++
    if (text.trim() === '') continue
    const fields = text.split('\t')
    if (fields.length < 2)
      throw new Error(
        `${path}:${line}: expected a query, a positive and negatives with tabs between, found ${excerpt(text)}`,
      )
    yield { value: beside && fields.every(field => /^\d+$/.test(field)) ? fields.map(Number) : fields, line }
  }
}

/** A file that belongs to this one: queries.tsv, queries.train.tsv, collection.tsv, …; of several the one with a word of the file's name. */
async function findBeside(path: string, kind: 'queries' | 'collection'): Promise<string | undefined> {
  const folder = dirname(path)
  const names = (await listFolder(folder)).filter(name => new RegExp(`^${kind}.*\\.tsv(\\.gz)?$`).test(name))
  const words = basename(path).split('.')
  const own = names.find(name =>
    name.split('.').some(word => !['gz', 'tsv', kind].includes(word) && words.includes(word)),
  )
  const found = own ?? names.find(name => name.startsWith(`${kind}.tsv`)) ?? names[0]
  return found && join(folder, found)
}

/** Pairs with the texts of their ids. */
async function lookUp(
  merged: readonly IdItem[],
  path: string,
  form: FormName,
  textOfDocument: TextOf,
): Promise<TrainingPair[]> {
  const wanted = new Set(merged.flatMap(({ positives, negatives }) => [...positives, ...negatives]))
  const documents =
    form === 'triples'
      ? await tabbedTexts(path, 'collection', wanted, textOfDocument)
      : await corpusTexts(path, wanted, textOfDocument)
  const missing = merged.some(({ query }) => query === undefined)
  const queries = missing
    ? await tabbedTexts(path, 'queries', new Set(merged.map(({ queryId }) => queryId)), ({ text }) => text)
    : undefined
  const textOf = ({ texts, source }: Texts, id: string, line: number, what: string) => {
    const text = texts.get(id)
    if (text === undefined) throw new Error(`${path}:${line}: there is no ${what} ${id} in ${source}`)
    return text
  }
  return merged.map(({ queryId, query, positives, negatives, line, ...scores }) => ({
    ...scores,
    query: query ?? textOf(queries!, queryId, line, 'query'),
    positives: positives.map(id => textOf(documents, id, line, 'passage')),
    negatives: negatives.map(id => textOf(documents, id, line, 'passage')),
  }))
}

interface Texts {
  readonly texts: ReadonlyMap<string, string>
  readonly source: string
}

/** Triples of one query put together. */
function mergedTriples(ids: readonly IdItem[]): IdItem[] {
  const byQuery = new Map<string, { positives: Set<string>; negatives: Set<string>; line: number }>()
  for (const { queryId, positives, negatives, line } of ids) {
    const own = byQuery.get(queryId) ?? { positives: new Set(), negatives: new Set(), line }
    byQuery.set(queryId, own)
    for (const id of positives) own.positives.add(id)
    for (const id of negatives) own.negatives.add(id)
  }
  return [...byQuery].map(([queryId, { positives, negatives, line }]) => ({
    ...{ queryId, line, positives: [...positives], negatives: [...negatives].filter(id => !positives.has(id)) },
  }))
}

/** Lines id ⇥ text [⇥ title]. */
async function tabbedTexts(
  path: string,
  kind: 'queries' | 'collection',
  wanted: ReadonlySet<string>,
  textOf: TextOf,
): Promise<Texts> {
  const source = await findBeside(path, kind)
  if (!source)
    throw new Error(`${path} has ids, but no ${kind}.tsv lies beside it; expected lines of an id, a tab and the text`)
  const texts = new Map<string, string>()
  let number = 0
  for await (const line of readLines(source)) {
    number++
    if (line.trim() === '') continue
    const [id, text, title = ''] = line.split('\t')
    if (text === undefined)
      throw new Error(`${source}:${number}: expected an id, a tab and a text, found ${excerpt(line)}`)
    if (wanted.has(id!)) texts.set(id!, textOf({ title, text }))
  }
  return { texts, source }
}

/** Of a corpus.jsonl beside a file: lines {docid | _id, title?, text}. */
async function corpusTexts(path: string, wanted: ReadonlySet<string>, textOf: TextOf): Promise<Texts> {
  const names = ['corpus.jsonl', 'corpus.jsonl.gz'].map(name => join(dirname(path), name))
  const source = (await exists(names[0]!)) ? names[0]! : names[1]!
  if (!(await exists(source)))
    throw new Error(
      `${path} has ids of documents, but no corpus.jsonl lies beside it; expected lines {"docid", "text"}`,
    )
  const texts = new Map<string, string>()
  for await (const { line, value } of readJsonLines(source)) {
    const id = value.docid ?? value._id ?? value.document_id
    const { title, text } = value
    if ((typeof id !== 'string' && !Number.isInteger(id)) || typeof text !== 'string')
      throw new Error(
        `${source}:${line}: expected "docid" and "text", found ${describeValue(id)} and ${describeValue(text)}`,
      )
    const own = typeof title === 'string' ? title : ''
    if (wanted.has(String(id))) texts.set(String(id), textOf({ title: own, text }))
  }
  return { texts, source }
}
