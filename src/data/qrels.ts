// Relevance judgements: BEIR's `query<tab>document<tab>grade` with a first line that is skipped, and TREC's `query 0
// document grade`. A grade above 0 is relevant, 0 is judged not relevant, below 0 counts as not judged (trec_eval).
import { readLineBlocks } from '../runtime/files.js'
import { excerpt } from './jsonl.js'

/** Query id → document id → grade (an integer). */
export type Qrels = Map<string, Map<string, number>>

export type QrelsFormat = 'beir' | 'trec'

/** Judgements and where they came from. */
export interface QrelsFile {
  readonly qrels: Qrels
  readonly format: QrelsFormat
  /** Distinct (query, document) pairs. */
  readonly judgements: number
  readonly warnings: string[]
}

/**
 * The fields of a line of a TREC or BEIR file. Where tabs alone give the expected number of fields they separate, so
 * that ids may hold spaces; else any ASCII white space does, as in trec_eval. JavaScript's \s would also cut ids at
 * U+00A0 or U+3000.
 */
export function splitFields(line: string, count: number): string[] {
  const byTab = line.includes('\t') ? line.split('\t') : []
  if (byTab.length === count) return byTab.map(field => field.replace(/^[ \v\f\r]+|[ \v\f\r]+$/g, ''))
  return line.match(/[^ \t\v\f\r]+/g) ?? []
}

const integer = /^[+-]?\d+(\.0*)?$/
const columns = { beir: ['query-id', 'corpus-id', 'score'], trec: ['query', '0', 'document', 'relevance'] } as const

/**
 * Reads judgements from a file (`.gz` unpacked). Without `format` the first line decides: four fields are TREC's, three
 * are BEIR's header. A pair judged twice keeps its last grade, with a warning. Fails at a bad line, naming it, and
 * where there is no judgement at all.
 */
export async function readQrels(path: string, { format }: { format?: QrelsFormat } = {}): Promise<QrelsFile> {
  const qrels: Qrels = new Map()
  const warnings: string[] = []
  let judgements = 0
  let twice = 0
  let firstTwice = ''
  let line = 0
  let first = true
  for await (const block of readLineBlocks(path)) {
    for (const text of block) {
      line++
      if (text.trim() === '') continue
      format ??= guessFormat(text, `${path}:${line}`)
      const header = first && format === 'beir'
      first = false
      if (header) {
        if (looksJudged(text)) warnings.push(headerWarning(path, text))
        continue
      }
      const { query, document, grade } = parseJudgement(text, format, `${path}:${line}`)
      let judged = qrels.get(query)
      if (!judged) {
        judged = new Map()
        qrels.set(query, judged)
      }
      if (!judged.has(document)) judgements++
      else if (twice++ === 0) firstTwice = `line ${line}: query ${excerpt(query)}, document ${excerpt(document)}`
      judged.set(document, grade)
    }
  }
  if (judgements === 0)
    throw new Error(`${path} holds no judgements; expected lines of ${columns[format ?? 'beir'].join(', ')}`)
  if (twice) warnings.push(`${path}: ${twice} judged again, the last grade counts (first at ${firstTwice})`)
  return { qrels, format: format!, judgements, warnings }
}

function guessFormat(text: string, place: string): QrelsFormat {
  if (splitFields(text, 3).length === 3) return 'beir'
  if (splitFields(text, 4).length === 4) return 'trec'
  throw new Error(
    `${place}: expected judgements, either TREC's "query 0 document relevance" or BEIR's header "query-id<tab>corpus-id<tab>score", found ${excerpt(text)}`,
  )
}

const looksJudged = (text: string) => integer.test(splitFields(text, 3)[2] ?? '')

const headerWarning = (path: string, text: string) =>
  `${path}: the first line ${excerpt(text)} is skipped as the header, as BEIR does, though it looks like a judgement; ` +
  `put "query-id<tab>corpus-id<tab>score" above it if it is one`

function parseJudgement(text: string, format: QrelsFormat, place: string) {
  const names = columns[format]
  const fields = splitFields(text, names.length)
  if (fields.length !== names.length || fields.includes(''))
    throw new Error(
      `${place}: expected ${names.length} fields (${names.join(', ')}) separated by ${format === 'beir' ? 'tabs' : 'white space'}, found ${fields.length}: ${excerpt(text)}`,
    )
  const [query, document, grade] = format === 'beir' ? fields : [fields[0], fields[2], fields[3]]
  if (!integer.test(grade!))
    throw new Error(`${place}: expected an integer grade as the last field, found ${excerpt(grade!)}`)
  return { query: query!, document: document!, grade: Number(grade) }
}
