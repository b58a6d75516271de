// Rows that are gathered, scattered, copied and summed, columns that are moved and turned, fill and scale.
import { seededValues } from '../values.js'
import { caseOf, type Initial, type KernelCase } from './case.js'
import { halves } from './matmul.js'

const random = seededValues(102)
/** More rows than one dimension of a dispatch has workgroups (65,535). */
export const MANY_ROWS = 66_001
/** More elements than one dimension of workgroups of 256 covers. */
export const MANY_ELEMENTS = 65_535 * 256 + 1000

export const shapes: readonly (readonly [rows: number, columns: number])[] = [
  [1, 1],
  [1, 7],
  [3, 5],
  [13, 33],
  [33, 65],
  [63, 130],
  [130, 384],
  [257, 100],
  [5, 3000],
]

export const columnSumCases = (): KernelCase[] =>
  [...shapes, [1000, 5] as const, [1030, 12] as const, [MANY_ROWS, 3] as const, [0, 3] as const].map(
    ([rows, columns]) => {
      const tensors = { x: random.normal(Math.max(rows, 1) * columns), out: random.normal(columns) }
      return caseOf('column_sum', `${rows} rows of ${columns}`, { rows, columns }, tensors, { terms: rows })
    },
  )

export const gatherRowsCases = (): KernelCase[] =>
  [...shapes, [MANY_ROWS, 3] as const, [0, 3] as const].flatMap(([rows, columns]) =>
    [0, 1].map(accumulate => {
      const size = Math.max(rows, 1) * columns
      const tensors = {
        table: random.normal(50 * columns),
        index: random.integers(Math.max(rows, 1), 50),
        out: accumulate ? random.normal(size) : size,
      }
      return caseOf(
        'gather_rows',
        `${rows} rows of ${columns}, accumulate ${accumulate}`,
        { rows, columns, accumulate },
        tensors,
      )
    }),
  )

export const gatherRowsHalfCases = (): KernelCase[] =>
  [...shapes, [MANY_ROWS, 3] as const, [0, 3] as const].flatMap(([rows, columns], i) =>
    [0, 1].map(accumulate => {
      const format = (i + accumulate) % 2
      const size = Math.max(rows, 1) * columns
      const tensors = {
        table: halves(50 * columns, format),
        index: random.integers(Math.max(rows, 1), 50),
        out: accumulate ? random.normal(size) : size,
      }
      const name = `${rows} rows of ${columns}, accumulate ${accumulate}, format ${format}`
      return caseOf('gather_rows_half', name, { rows, columns, accumulate, format }, tensors)
    }),
  )

/** The rows of `index` grouped by target, each group in the order of `index`. */
function groups(index: Int32Array) {
  const targets = [...new Set(index)].sort((a, b) => b - a)
  const lists = targets.map(target => Array.from(index.keys()).filter(row => index[row] === target))
  const starts = [0]
  for (const list of lists) starts.push(starts.at(-1)! + list.length)
  return { order: Int32Array.from(lists.flat()), starts: Int32Array.from(starts), targets: Int32Array.from(targets) }
}

export function scatterRowsCases(): KernelCase[] {
  const scatter = (name: string, index: Int32Array, columns: number, tableRows: number) => {
    const { order, starts, targets } = groups(index)
    const tensors = {
      dout: random.normal(index.length * columns),
      order,
      starts,
      targets,
      dtable: random.normal(tableRows * columns),
    }
    return caseOf('scatter_rows', name, { count: targets.length, columns }, tensors, { terms: index.length })
  }
  const empty = {
    dout: random.normal(9),
    order: Int32Array.of(2, 0),
    starts: Int32Array.of(0, 1, 1, 2),
    targets: Int32Array.of(4, 0, 2),
    dtable: random.normal(15),
  }
  const many = Int32Array.from({ length: MANY_ROWS }, (_, row) => MANY_ROWS - 1 - row)
  const each = { order: many, starts: Int32Array.from({ length: MANY_ROWS + 1 }, (_, row) => row), targets: many }
  const all = { dout: random.normal(MANY_ROWS * 2), ...each, dtable: random.normal(MANY_ROWS * 2) }
  return [
    ...shapes.map(([rows, columns]) => scatter(`${rows} rows of ${columns}`, random.integers(rows, 40), columns, 40)),
    scatter('one target of 1000 rows', new Int32Array(1000).fill(3), 5, 7),
    caseOf('scatter_rows', 'a target without rows', { count: 3, columns: 3 }, empty),
    caseOf('scatter_rows', 'no targets', { count: 0, columns: 3 }, empty),
    caseOf('scatter_rows', `${MANY_ROWS} targets`, { count: MANY_ROWS, columns: 2 }, all),
  ]
}

export function copyRowsCases(): KernelCase[] {
  const copy = (rows: number, columns: number, from: number, to: number, accumulate: number) => {
    const size = (to + rows + 2) * columns
    const tensors = {
      x: random.normal((from + rows + 1) * columns),
      y: (accumulate ? random.normal(size) : size) as Initial,
    }
    const name = `${rows} rows of ${columns}, from ${from} to ${to}, accumulate ${accumulate}`
    return caseOf('copy_rows', name, { rows, columns, from, to, accumulate }, tensors)
  }
  return [
    ...shapes.flatMap(([rows, columns]) => [copy(rows, columns, 0, 0, 1), copy(rows, columns, 3, 5, 0)]),
    copy(7, 13, 5, 0, 1),
    copy(0, 3, 1, 1, 0),
    copy(MANY_ROWS, 3, 1, 0, 0),
  ]
}

export function placeColumnsCases(): KernelCase[] {
  const copy = (rows: number, columns: number, from: number, to: number, accumulate: number) => {
    const [xColumns, yColumns] = [from + columns + 2, to + columns + 1]
    const tensors = { x: random.normal(Math.max(rows, 1) * xColumns), y: random.normal(Math.max(rows, 1) * yColumns) }
    const name = `${rows} rows of ${columns}, from ${from} to ${to}, accumulate ${accumulate}`
    return caseOf('place_columns', name, { rows, columns, xColumns, yColumns, from, to, accumulate }, tensors)
  }
  const inVectors = (rows: number, accumulate: number) => {
    const params = { rows, columns: 8, xColumns: 16, yColumns: 24, from: 4, to: 12, accumulate }
    const tensors = { x: random.normal(rows * 16), y: random.normal(rows * 24) }
    return caseOf('place_columns', `${rows} rows in vectors of four, accumulate ${accumulate}`, params, tensors)
  }
  return [
    ...shapes.flatMap(([rows, columns]) => [copy(rows, columns, 0, 0, 1), copy(rows, columns, 3, 5, 0)]),
    copy(7, 13, 5, 0, 1),
    copy(0, 3, 1, 1, 0),
    copy(MANY_ROWS, 3, 1, 0, 0),
    ...[0, 1].map(accumulate => inVectors(9, accumulate)),
    inVectors(300, 1),
  ]
}

export function fillCases(): KernelCase[] {
  const fill = (count: number, value: number, size = count) =>
    caseOf('fill', `${count} of ${value}`, { count, value }, { x: size })
  return [fill(1, 1), fill(257, -2.5), fill(1000, 0, 1003), fill(5, 1e-3, 64), fill(0, 7, 4), fill(MANY_ELEMENTS, 3)]
}

export function multiplyAddsCases(): KernelCase[] {
  const chains = (count: number, rounds: number, factor: number, term: number) =>
    caseOf('multiply_adds', `${count}, ${rounds} rounds`, { count, rounds, factor, term }, { out: Math.max(count, 1) })
  return [chains(1, 0, 0.5, 1), chains(65, 1, -0.75, 0.3), chains(300, 100, 0.9, 0.01), chains(0, 3, 1, 1)]
}

export function scaleCases(): KernelCase[] {
  const scaled = (count: number, factor: number, size = count) =>
    caseOf('scale', `${count} by ${factor}`, { count, factor }, { x: random.normal(size), y: size })
  return [scaled(1, 3), scaled(257, -0.5), scaled(1000, 27.7, 1003), scaled(0, 2, 4), scaled(70_000, 0)]
}

export function ropeCases(): KernelCase[] {
  const turn = (rows: number, heads: number, headSize: number, direction: number) => {
    const columns = heads * headSize
    const size = Math.max(rows, 1) * columns
    const angles = Float64Array.from({ length: 600 * (headSize / 2) }, (_, i) => {
      const [position, d] = [Math.floor(i / (headSize / 2)), i % (headSize / 2)]
      return position * 10000 ** ((-2 * d) / headSize)
    })
    const rowOf = (position: number) => angles.subarray((position * headSize) / 2, ((position + 1) * headSize) / 2)
    const tensors = {
      x: random.normal(size),
      positions: random.integers(Math.max(rows, 1), 600),
      table: Float32Array.from(
        Array.from({ length: 600 }, (_, position) => [
          ...rowOf(position).map(Math.cos),
          ...rowOf(position).map(Math.sin),
        ]).flat(),
      ),
      y: size,
    }
    const name = `${rows} rows, ${heads} heads of ${headSize}, direction ${direction}`
    return caseOf('rope', name, { rows, columns, headSize, direction }, tensors)
  }
  return [
    turn(1, 1, 2, 1),
    turn(3, 2, 10, -1),
    turn(33, 3, 32, 1),
    turn(130, 12, 64, -1),
    turn(7, 1, 256, 1),
    turn(MANY_ROWS, 1, 4, 1),
    turn(0, 2, 8, 1),
  ]
}
