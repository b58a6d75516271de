// Low-rank updates: one to three products of one x, ranks of every size, masked and not, rows and columns that fill no tile.
import { dropoutParams } from '../../../src/backend/random.js'
import { seededValues } from '../values.js'
import { caseOf, type KernelCase } from './case.js'

const random = seededValues(211)

/** Rows, columns, three ranks, the rate of dropout. */
const shapes = [
  [1, 1, [1, 0, 0], 0.5],
  [5, 3, [2, 1, 0], 0.1],
  [67, 384, [8, 8, 0], 0.1],
  [16, 64, [16, 16, 16], 0],
  [33, 130, [4, 17, 64], 0.5],
  [19, 71, [70, 0, 0], 0.1],
  [130, 36, [8, 8, 8], 0],
  [3, 1100, [8, 1, 3], 0.1],
  [700, 10, [8, 2, 0], 0.25],
  [0, 8, [2, 2, 2], 0.1],
] as const

/** The masks of three products: one rate, keys of their own. */
function masksOf(rate: number) {
  const [first, second, third] = [1, 2, 3].map(site => dropoutParams(rate, 7, 3, site)) as [
    ReturnType<typeof dropoutParams>,
    ReturnType<typeof dropoutParams>,
    ReturnType<typeof dropoutParams>,
  ]
  return { ...first, key2: second.key0, key3: second.key1, key4: third.key0, key5: third.key1 }
}

const keysOf = (rows: number, rate: number) => (rate > 0 ? random.words(Math.max(rows, 1)) : undefined)
const some = (count: number) => Math.max(count, 1)
const nameOf = (rows: number, columns: number, ranks: readonly number[], rate: number) =>
  `${rows} rows of ${columns}, ranks ${ranks}, rate ${rate}`

export function loraDownCases(): KernelCase[] {
  return shapes.map(([rows, columns, ranks, rate], i) => {
    const [rank0, rank1, rank2] = ranks
    const joined = i & 1
    const a = ranks.map(rank => (rank ? random.normal(rank * columns) : undefined))
    const apart = ranks.map(rank => (rank ? some(rows * rank) : undefined))
    const down = joined ? [some(rows * (rank0 + rank1 + rank2))] : apart
    const tensors = {
      ...{ x: random.normal(some(rows * columns)), keys: keysOf(rows, rate), a0: a[0], a1: a[1], a2: a[2] },
      ...{ down0: down[0], down1: down[1], down2: down[2] },
    }
    const params = { rows, columns, rank0, rank1, rank2, joined, ...masksOf(rate) }
    return caseOf('lora_down', `${nameOf(rows, columns, ranks, rate)}, joined ${joined}`, params, tensors, {
      terms: columns,
    })
  })
}

export function loraInputCases(): KernelCase[] {
  return shapes.flatMap(([rows, columns, ranks, rate]) =>
    [0, 1].map(accumulate => {
      const [rank0, rank1, rank2] = ranks
      const a = ranks.map(rank => (rank ? random.normal(rank * columns) : undefined))
      const ddown = ranks.map(rank => (rank ? random.normal(some(rows * rank)) : undefined))
      const tensors = {
        ...{ keys: keysOf(rows, rate), ddown0: ddown[0], ddown1: ddown[1], ddown2: ddown[2] },
        ...{ a0: a[0], a1: a[1], a2: a[2] },
        dx: accumulate ? random.normal(some(rows * columns)) : some(rows * columns),
      }
      const params = { rows, columns, rank0, rank1, rank2, accumulate, ...masksOf(rate) }
      return caseOf('lora_input', `${nameOf(rows, columns, ranks, rate)}, += ${accumulate}`, params, tensors)
    }),
  )
}

export function loraWeightsCases(): KernelCase[] {
  return shapes.map(([rows, columns, ranks, rate], i) => {
    const rank = Math.max(...ranks)
    const outputs = [1, 37, 384, 48][i % 4]!
    const [downColumns, downFirst] = i & 1 ? [rank + 7, 3] : [rank, 0]
    const tensors = {
      ...{ dy: random.normal(some(rows * outputs)), down: random.normal(some(rows * downColumns)) },
      ...{ ddown: random.normal(some(rows * rank)), x: random.normal(some(rows * columns)), keys: keysOf(rows, rate) },
      ...{ dA: random.normal(rank * columns), dB: random.normal(outputs * rank) },
    }
    const params = { rows, columns, outputs, rank, downColumns, downFirst, alpha: 2, ...dropoutParams(rate, 5, 1, i) }
    const name = `${nameOf(rows, columns, [rank], rate)}, ${outputs} outputs`
    return caseOf('lora_weights', name, params, tensors, { terms: rows })
  })
}
