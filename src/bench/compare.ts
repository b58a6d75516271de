// Two results of `bench --json` beside each other: rows of the same name and shape, and how much faster the second is.
import { type BenchRow, rateText, timeText } from './row.js'

export interface ComparedRow {
  readonly name: string
  readonly shape: string
  readonly first: BenchRow
  readonly second: BenchRow
  /** The first's milliseconds by the second's: above 1 the second is faster. */
  readonly ratio: number
}

export interface Comparison {
  readonly rows: readonly ComparedRow[]
  /** Names of rows that only one of them has. */
  readonly unmatched: readonly string[]
}

const keyOf = (row: BenchRow): string => [row.name, row.shape, row.peer?.replace(/ .*/, '') ?? ''].join('\t')

export function compareResults(first: readonly BenchRow[], second: readonly BenchRow[]): Comparison {
  const others = new Map(second.map(row => [keyOf(row), row]))
  const rows = first.flatMap(row => {
    const other = others.get(keyOf(row))
    if (!other) return []
    const { name, shape } = row
    return [{ name, shape, first: row, second: other, ratio: row.milliseconds / other.milliseconds }]
  })
  const matched = new Set(rows.map(row => keyOf(row.first)))
  const unmatched = [...first, ...second].filter(row => !matched.has(keyOf(row)))
  return { rows, unmatched: unmatched.map(({ name, shape }) => `${name} ${shape}`) }
}

/** Fails where the content is not what `bench --json` prints. */
export function parseResults(text: string, where: string): BenchRow[] {
  const expected = 'expected the output of wgpu-retrieve bench --json'
  let rows: unknown
  try {
    rows = JSON.parse(text)
  } catch (error) {
    throw new Error(`${where} is no JSON (${(error as Error).message}), ${expected}`)
  }
  if (!Array.isArray(rows)) throw new Error(`${where} holds no list of rows, ${expected}`)
  rows.forEach((row, i) => {
    const { name, shape, milliseconds } = (row ?? {}) as Partial<BenchRow>
    if (typeof name !== 'string' || typeof shape !== 'string' || !(Number(milliseconds) > 0))
      throw new Error(`${where}: row ${i} lacks a name, a shape or milliseconds, ${expected}`)
  })
  return rows as BenchRow[]
}

/** A line of the table. */
export function formatComparison({ name, shape, first, second, ratio }: ComparedRow): string {
  const cell = (row: BenchRow) => (rateText(row) || timeText(row)).padStart(18)
  const unsure = first.verified && second.verified ? '' : '  NOT VERIFIED'
  return `${`${name} ${shape}`.padEnd(46)} ${cell(first)} ${cell(second)}   × ${ratio.toFixed(2)}${unsure}`
}
