// Products that share a factor: each by itself, with its update, and what is made of two; the sum of several.
import { ACTIVATIONS } from '../../src/backend/layer-kernels.js'
import { activations } from './activations.js'
import { factorOf } from './factors.js'
import { matmul } from './rows.js'
import type { Reference } from './types.js'

const plain = { transposeA: 0, transposeB: 0, accumulate: 0, hasBias: 0, alpha: 1 }
const group = [0, 1, 2] as const

export const matmul_grouped: Reference<'matmul_grouped'> = ({ a, b, bias, down, up, c0, c1, c2 }, p) => {
  const ranks = p.rank0 + p.rank1 + p.rank2
  const values = factorOf(b, p.format)
  const sums = group.map(i => {
    const [N, rank] = [p[`N${i}`], p[`rank${i}`]]
    const c = new Float64Array(p.M * N)
    const added = p.hasBias ? bias!.subarray(p[`bias${i}`]) : undefined
    const form = { ...plain, M: p.M, N, K: p.K, transposeB: 1, hasBias: p.hasBias }
    matmul({ a, b: values.subarray(p[`b${i}`]), bias: added, c }, form)
    const first = group.slice(0, i).reduce<number>((sum, j) => sum + p[`rank${j}`], 0)
    for (let m = 0; m < p.M; m++)
      for (let n = 0; n < N; n++) {
        let sum = 0
        for (let r = 0; r < rank; r++) sum += down![m * ranks + first + r]! * up![p[`up${i}`] + n * rank + r]!
        c[m * N + n]! += p[`factor${i}`] * sum
      }
    return c
  })
  const act = activations[ACTIVATIONS[p.kind]!]
  const results = [c0, c1, c2]
  group.forEach(i => {
    if (p.gated && (i === 2 || (i === 1 && !p.hasBeside))) return
    if (p[`N${i}`] > 0) results[i]!.set(sums[i]!)
  })
  if (p.gated) for (let i = 0; i < p.M * p.N0; i++) c2![i] = act(sums[0]![i]!) * sums[1]![i]!
}

/** Of the factors as they are: what narrowing them loses is the kernel's error. */
export const matmul_f16_grouped: Reference<'matmul_f16_grouped'> = (tensors, p) => matmul_grouped(tensors, p)

export const matmul_f16_grouped_sum: Reference<'matmul_f16_grouped_sum'> = (tensors, p) =>
  matmul_grouped_sum(tensors, p)

export const matmul_grouped_sum: Reference<'matmul_grouped_sum'> = ({ a0, a1, a2, b, c }, p) => {
  const values = factorOf(b, p.format)
  group.forEach(i => {
    const a = [a0, a1, a2][i]
    const K = p[`K${i}`]
    const form = { ...plain, M: p.M, N: p.N, K, accumulate: i > 0 ? 1 : p.accumulate }
    if (i === 0 || K > 0) matmul({ a: a!, b: values.subarray(p[`b${i}`]), bias: undefined, c }, form)
  })
}
