// Products that share a factor: query, key and value with low-rank updates of two; gate and up; the gradient of what they read. Cases to time, and their
// checks in f64 at sampled entries.
import { FLOAT_FORMAT, type Params } from '../backend/kernels.js'
import { comparison } from './checks.js'
import { integersBelow, uniformValues } from './host.js'
import type { KernelCase } from './kernel-cases.js'

type Check = KernelCase['check']

const SAMPLES = 128
/** SiLU, of ACTIVATIONS. */
const SILU = 2
const at = (p: Params, name: string): number => p[name] ?? 0

export function groupCases(tokens: number, width: number, wide: number, rank: number): KernelCase[] {
  const plain = {
    ...{ M: tokens, K: width, format: FLOAT_FORMAT, hasBias: 0, bias0: 0, bias1: 0, bias2: 0 },
    ...{ rank0: 0, rank1: 0, rank2: 0, up0: 0, up1: 0, up2: 0, factor0: 0, factor1: 0, factor2: 0 },
    ...{ gated: 0, kind: 0, hasBeside: 0 },
  }
  const square = width * width
  const b = (count: number) => new Uint32Array(uniformValues(count, 21).buffer)
  const none = { bias: undefined, down: undefined, up: undefined }
  const places = { b0: 0, b1: square, b2: 2 * square }
  const updated = { rank0: rank, rank2: rank, up2: rank * width, factor0: 2, factor2: 2 }
  return [
    {
      ...{ name: 'matmul grouped', kernel: 'matmul_grouped', check: checkGroup },
      shape: `${tokens}×${width}×(${width}, ${width}, ${width}), ranks ${rank}, 0, ${rank}`,
      params: { ...plain, N0: width, N1: width, N2: width, ...places, ...updated },
      tensors: () => ({ b: b(3 * square), bias: undefined }),
    },
    {
      ...{ name: 'matmul grouped, gated', kernel: 'matmul_grouped', check: checkGated },
      shape: `${tokens}×${width}×(${wide}, ${wide})`,
      params: { ...plain, N0: wide, N1: wide, N2: 0, b0: 0, b1: width * wide, b2: 0, gated: 1, kind: SILU },
      tensors: () => ({ ...none, b: b(2 * width * wide), c1: undefined }),
    },
    {
      ...{ name: 'matmul grouped, sum', kernel: 'matmul_grouped_sum', check: checkSum },
      shape: `${tokens}×(${width}, ${width}, ${width})×${width}`,
      params: {
        ...{ M: tokens, N: width, K0: width, K1: width, K2: width, ...places },
        ...{ format: FLOAT_FORMAT, accumulate: 0 },
      },
      tensors: () => ({ b: b(3 * square) }),
    },
  ]
}

const floats = (words: { readonly buffer: ArrayBufferLike }) => new Float32Array(words.buffer)
const sum = (count: number, term: (i: number) => number): number => {
  let total = 0
  for (let i = 0; i < count; i++) total += term(i)
  return total
}
/** Entries of (rows, columns), the first and the last among them. */
function entries(rows: number, columns: number): readonly (readonly [number, number])[] {
  const n = [0, columns - 1, ...integersBelow(SAMPLES, columns, 12)]
  return [0, rows - 1, ...integersBelow(SAMPLES, rows, 11)].map((m, i) => [m, n[i]!])
}

const checkGroup: Check = (before, after, p) => {
  const all = comparison()
  const [K, b] = [at(p, 'K'), floats(before.b!)]
  const ranks = at(p, 'rank0') + at(p, 'rank1') + at(p, 'rank2')
  const firsts = [0, at(p, 'rank0'), at(p, 'rank0') + at(p, 'rank1')]
  for (const i of [0, 1, 2]) {
    const [N, rank] = [at(p, `N${i}`), at(p, `rank${i}`)]
    for (const [m, n] of entries(at(p, 'M'), N)) {
      const product = sum(K, k => before.a![m * K + k]! * b[at(p, `b${i}`) + n * K + k]!)
      const update = sum(
        rank,
        r => before.down![m * ranks + firsts[i]! + r]! * before.up![at(p, `up${i}`) + n * rank + r]!,
      )
      all.add(after[`c${i}`]![m * N + n]!, product + at(p, `factor${i}`) * update)
    }
  }
  return all.error()
}

const checkGated: Check = (before, after, p) => {
  const all = comparison()
  const [K, N, b] = [at(p, 'K'), at(p, 'N0'), floats(before.b!)]
  for (const [m, n] of entries(at(p, 'M'), N)) {
    const [gate, up] = [0, 1].map(i => sum(K, k => before.a![m * K + k]! * b[at(p, `b${i}`) + n * K + k]!)) as [
      number,
      number,
    ]
    all.add(after.c2![m * N + n]!, (gate / (1 + Math.exp(-gate))) * up)
  }
  return all.error()
}

const checkSum: Check = (before, after, p) => {
  const all = comparison()
  const [N, b] = [at(p, 'N'), floats(before.b!)]
  for (const [m, n] of entries(at(p, 'M'), N)) {
    const terms = [0, 1, 2].map(i => {
      const K = at(p, `K${i}`)
      return sum(K, k => before[`a${i}`]![m * K + k]! * b[at(p, `b${i}`) + k * N + n]!)
    })
    all.add(
      after.c![m * N + n]!,
      terms.reduce((total, term) => total + term),
    )
  }
  return all.error()
}
