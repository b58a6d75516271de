// TREC runs: `query Q0 document rank score tag` a line, and the order that trec_eval gives the results: score as
// float32 descending, ties by document id descending bytewise. Ranks in a file are ignored, as trec_eval ignores them.
import { readLineBlocks } from '../runtime/files.js'
import { writeFileWith } from '../runtime/write.js'
import { excerpt } from './jsonl.js'
import { splitFields } from './qrels.js'

/** A document that was found. */
export interface Result {
  /** The document's. */
  readonly id: string
  readonly score: number
}

/** Query id → results, in any order: the scores decide. */
export type Run = Map<string, Result[]>

// UTF-16 code units, moved so that they compare as the code points they stand for: surrogates (U+10000 and above) after
// U+E000 to U+FFFF.
const inCodePointOrder = (unit: number) => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800)

/**
 * Compares two ids by the bytes of their UTF-8 forms, ascending. `<` compares UTF-16 and differs for emoji against
 * U+FF5E.
 */
export function compareIds(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return inCodePointOrder(x) - inCodePointOrder(y)
  }
  return a.length - b.length
}

/**
 * The results best first, as trec_eval ranks them; the given array itself where it is in that order. Fails at a score
 * that is NaN.
 */
export function rankResults(results: Result[]): Result[] {
  const scores = Float32Array.from(results, result => result.score)
  const nan = scores.findIndex(Number.isNaN)
  if (nan >= 0) throw new Error(`the score of document ${excerpt(results[nan]!.id)} is not a number (NaN)`)
  const compare = (i: number, j: number) =>
    scores[i]! > scores[j]! ? -1 : scores[i]! < scores[j]! ? 1 : compareIds(results[j]!.id, results[i]!.id)
  let sorted = true
  for (let i = 1; sorted && i < results.length; i++) sorted = compare(i - 1, i) <= 0
  if (sorted) return results
  const order = Uint32Array.from(results, (_, i) => i).sort(compare)
  return Array.from(order, i => results[i]!)
}

const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/**
 * Reads a run (`.gz` unpacked, `-` is standard input). Fails at a bad line, at a document twice in one query, and at an
 * empty file.
 */
export async function readRun(path: string): Promise<Run> {
  const run: Run = new Map()
  const seen = new Map<string, Set<string>>()
  let line = 0
  for await (const block of readLineBlocks(path)) {
    for (const text of block) {
      line++
      if (text.trim() === '') continue
      const fields = splitFields(text, 6)
      if (fields.length !== 6 || fields.includes(''))
        throw new Error(
          `${path}:${line}: expected 6 fields (query Q0 document rank score tag), found ${fields.length}: ${excerpt(text)}`,
        )
      const [query, , id, , score] = fields as [string, string, string, string, string, string]
      if (!number.test(score))
        throw new Error(`${path}:${line}: expected a number as the score (fifth field), found ${excerpt(score)}`)
      let ids = seen.get(query)
      if (!ids) {
        ids = new Set()
        seen.set(query, ids)
        run.set(query, [])
      }
      if (ids.has(id))
        throw new Error(
          `${path}:${line}: document ${excerpt(id)} is given twice for query ${excerpt(query)}; a run ranks a document once a query`,
        )
      ids.add(id)
      run.get(query)!.push({ id, score: Number(score) })
    }
  }
  if (run.size === 0) throw new Error(`${path} holds no results; expected lines of query Q0 document rank score tag`)
  return run
}

/**
 * The shortest decimal that reads back as the same float32: a reader that keeps float32 sees the same order and the
 * same ties.
 */
export function formatFloat32(value: number): string {
  const score = Math.fround(value)
  let text = score.toPrecision(9)
  // Six digits always survive in a normal float32, so fewer need no try: their zeros fall off at the end.
  for (let digits = 8; digits >= (Math.abs(score) < 2 ** -126 ? 1 : 6); digits--) {
    const shorter = score.toPrecision(digits)
    if (Math.fround(Number(shorter)) !== score) break
    text = shorter
  }
  return String(Number(text))
}

const blank = /[ \t\n\v\f\r]/

/**
 * Writes a run: ranks from 1 in trec_eval's order, scores as float32, at most `depth` results a query. Where an id
 * holds a space the file is separated by tabs, which `readRun` understands and trec_eval does not: a warning says so.
 * Gives back the warnings.
 */
export async function writeRun(
  path: string,
  run: Run,
  { tag = 'wgpu-retrieve', depth = Number.POSITIVE_INFINITY }: { tag?: string; depth?: number } = {},
): Promise<string[]> {
  if (tag === '' || blank.test(tag)) throw new Error(`the tag of a run must be one word, found ${excerpt(tag)}`)
  const spaced = findSpacedId(run)
  const separator = spaced === undefined ? ' ' : '\t'
  await writeFileWith(path, async append => {
    for (const [query, results] of run) {
      let lines = ''
      for (const [i, { id, score }] of rankResults(results).slice(0, depth).entries()) {
        if (!Number.isFinite(Math.fround(score)))
          throw new Error(
            `the score of document ${excerpt(id)} for query ${excerpt(query)} is ${score}, beyond float32; nothing was written to ${path}`,
          )
        lines += `${query}${separator}Q0${separator}${id}${separator}${i + 1}${separator}${formatFloat32(score)}${separator}${tag}\n`
      }
      await append(lines)
    }
  })
  if (spaced === undefined) return []
  return [
    `${path}: the id ${excerpt(spaced)} holds a space, so the fields are separated by tabs; trec_eval itself cannot read such ids`,
  ]
}

/**
 * The first id with a space in it. Fails at an id that no line can hold: an empty one, or one with a tab or a line's
 * end.
 */
function findSpacedId(run: Run): string | undefined {
  let spaced: string | undefined
  const check = (id: string, what: string) => {
    if (id !== '' && !blank.test(id)) return
    if (id === '' || /^[ \v\f]|[ \v\f]$|[\t\n\r]/.test(id))
      throw new Error(
        `the ${what} id ${excerpt(id)} cannot be written to a TREC run: it is empty, begins or ends with a space, or holds a tab or a line break`,
      )
    spaced ??= id
  }
  for (const [query, results] of run) {
    check(query, 'query')
    for (const { id } of results) check(id, 'document')
  }
  return spaced
}
