// The kernels of low-rank updates: two products that read one x (query and value), rank 8, with and without a dropout of their own; cases to time, and
// their checks in f64 at sampled rows and columns.
import type { Params } from '../backend/kernels.js'
import { dropoutParams } from '../backend/random.js'
import { comparison, dropoutFactor, sampled } from './checks.js'
import type { Data, HostTensors } from './host.js'
import type { KernelCase } from './kernel-cases.js'

const PRODUCTS = 2

/** `keys`: (rows), of the tokens' dropout. */
export function loraCases(rows: number, width: number, rank: number, keys: () => Uint32Array): KernelCase[] {
  const ranks = { rank0: rank, rank1: rank, rank2: 0 }
  const absent = { a2: undefined, down2: undefined, ddown2: undefined }
  const name = (kernel: string, rate: number) => `${kernel}${rate > 0 ? ' dropout' : ''}`
  return [0, 0.1].flatMap(rate => {
    const [one, two, three] = [1, 2, 3].map(site => dropoutParams(rate, 1, 2, site))
    const masks = { ...one, key2: two!.key0, key3: two!.key1, key4: three!.key0, key5: three!.key1 }
    const shape = `${rows}×${width}, ranks ${rank}, ${rank}`
    const tensors = () => ({ ...absent, keys: rate > 0 ? keys() : undefined })
    const params = { rows, columns: width, ...ranks, ...masks }
    const apart = { downColumns: rank, downFirst: 0 }
    const outputs = width
    return [
      {
        name: name('lora_down', rate),
        shape,
        kernel: 'lora_down',
        params: { ...params, joined: 0 },
        tensors,
        check: checkDown,
      },
      {
        ...{ name: name('lora_input', rate), shape, kernel: 'lora_input', tensors, check: checkInput },
        params: { ...params, accumulate: 1 },
      },
      {
        ...{ name: name('lora_weights', rate), shape: `${rows}×${width}×${outputs}, rank ${rank}`, tensors },
        ...{ kernel: 'lora_weights', check: checkWeights },
        params: { rows, columns: width, outputs, rank, ...apart, alpha: 2, ...one },
      },
    ] satisfies KernelCase[]
  })
}

type Check = KernelCase['check']

const at = (p: Params, name: string): number => p[name] ?? 0

/** What a channel of a row counts for in one product: `scale`, or 0 where it is dropped. */
function factorOf(p: Params, product: number, keys: Data | undefined, row: number, c: number): number {
  if (!keys) return at(p, 'scale')
  const mask = { ...p, key0: at(p, `key${2 * product}`), key1: at(p, `key${2 * product + 1}`) }
  return dropoutFactor(mask, keys[row]!, c >> 1, (c & 1) as 0 | 1)
}

const sum = (count: number, term: (i: number) => number): number => {
  let total = 0
  for (let i = 0; i < count; i++) total += term(i)
  return total
}

const checkDown: Check = (before, after, p) => {
  const all = comparison()
  const [columns, rank] = [at(p, 'columns'), at(p, 'rank0')]
  for (const row of sampled(at(p, 'rows'), 6))
    for (let product = 0; product < PRODUCTS; product++) {
      const masked = Array.from(
        { length: columns },
        (_, c) => before.x![row * columns + c]! * factorOf(p, product, before.keys, row, c),
      )
      for (let r = 0; r < rank; r++) {
        const expected = sum(columns, c => masked[c]! * before[`a${product}`]![r * columns + c]!)
        all.add(after[`down${product}`]![row * rank + r]!, expected)
      }
    }
  return all.error()
}

const checkInput: Check = (before, after, p) => {
  const all = comparison()
  const [columns, rank] = [at(p, 'columns'), at(p, 'rank0')]
  const update = (product: number, row: number, c: number): number =>
    factorOf(p, product, before.keys, row, c) *
    sum(rank, r => before[`ddown${product}`]![row * rank + r]! * before[`a${product}`]![r * columns + c]!)
  for (const row of sampled(at(p, 'rows'), 6))
    for (let c = 0; c < columns; c++) {
      const i = row * columns + c
      all.add(after.dx![i]!, before.dx![i]! + sum(PRODUCTS, product => update(product, row, c)))
    }
  return all.error()
}

const checkWeights: Check = (before, after, p) => {
  const [ofA, ofB] = [comparison(), comparison()]
  const [rows, columns, outputs, rank] = ['rows', 'columns', 'outputs', 'rank'].map(name => at(p, name)) as [
    number,
    number,
    number,
    number,
  ]
  const { x, dy, down, ddown, keys } = before as Required<HostTensors>
  for (const c of sampled(columns, 6)) {
    const masked = Array.from({ length: rows }, (_, row) => x![row * columns + c]! * factorOf(p, 0, keys, row, c))
    for (const r of sampled(rank, 2)) {
      const expected = sum(rows, row => ddown![row * rank + r]! * masked[row]!)
      ofA.add(after.dA![r * columns + c]!, before.dA![r * columns + c]! + expected)
    }
  }
  for (const o of sampled(outputs, 6))
    for (const r of sampled(rank, 2)) {
      const expected = sum(rows, row => at(p, 'alpha') * dy![row * outputs + o]! * down![row * rank + r]!)
      ofB.add(after.dB![o * rank + r]!, before.dB![o * rank + r]! + expected)
    }
  return Math.max(ofA.error(), ofB.error())
}
