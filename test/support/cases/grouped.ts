// Products that share a factor: two and three, of equal widths and not, with updates of some, biases, formats and gates, at sizes that fill no tile and in
// whole vectors; matrices in an order of their own in one piece of memory, with gaps.
import { FLOAT_FORMAT } from '../../../src/backend/kernels.js'
import { ACTIVATIONS } from '../../../src/backend/layer-kernels.js'
import { seededValues } from '../values.js'
import { caseOf, type KernelCase } from './case.js'
import { halves } from './matmul.js'

const random = seededValues(131)
type Three = readonly [number, number, number]
const some = (count: number) => Math.max(count, 1)
const roundUp = (count: number) => Math.ceil(count / 64) * 64

/** Where parts of these sizes begin, one after the other in this order, on multiples of 64; and where the last ends. */
function layOut(sizes: Three, order: Three): { readonly places: Three; readonly end: number } {
  const places = [0, 0, 0]
  let end = 0
  for (const i of order) {
    places[i] = end
    end = roundUp(end + sizes[i]!)
  }
  return { places: places as unknown as Three, end }
}

const ORDERS: readonly Three[] = [
  [0, 1, 2],
  [2, 0, 1],
  [1, 2, 0],
]

const factor = (count: number, format: number): Uint32Array =>
  format === FLOAT_FORMAT ? new Uint32Array(random.normal(count).buffer) : halves(count, format)

interface Form {
  readonly M: number
  readonly K: number
  readonly N: Three
  readonly ranks?: Three
  readonly hasBias?: number
  readonly format?: number
  readonly order?: number
  /** Number of an activation. */
  readonly gate?: number
  readonly hasBeside?: number
}

function group({ M, K, N, ranks = [0, 0, 0], hasBias = 0, format = FLOAT_FORMAT, ...more }: Form): KernelCase {
  const { order = 0, gate, hasBeside = 0 } = more
  const times = (by: Three): Three => [N[0] * by[0], N[1] * by[1], N[2] * by[2]]
  const [b, bias, up] = [times([K, K, K]), N, times(ranks)].map(sizes => layOut(sizes, ORDERS[order]!))
  const rank = ranks[0] + ranks[1] + ranks[2]
  const gated = gate === undefined ? 0 : 1
  const params = {
    ...{ M, K, N0: N[0], N1: N[1], N2: N[2], b0: b!.places[0], b1: b!.places[1], b2: b!.places[2], format, hasBias },
    ...{ bias0: bias!.places[0], bias1: bias!.places[1], bias2: bias!.places[2] },
    ...{ rank0: ranks[0], rank1: ranks[1], rank2: ranks[2] },
    ...{ up0: up!.places[0], up1: up!.places[1], up2: up!.places[2], factor0: 1.5, factor1: 0.5, factor2: 2 },
    ...{ gated, kind: gate ?? 0, hasBeside },
  }
  const tensors = {
    a: random.normal(some(M * K), K ** -0.5),
    b: factor(b!.end, format),
    bias: hasBias ? random.normal(bias!.end, 3) : undefined,
    down: rank ? random.normal(some(M * rank)) : undefined,
    up: rank ? random.normal(up!.end) : undefined,
    c0: some(M * N[0]),
    c1: N[1] && !(gated && !hasBeside) ? some(M * N[1]) : undefined,
    c2: gated ? some(M * N[0]) : N[2] ? some(M * N[2]) : undefined,
  }
  const kept = gated ? `, gated by ${ACTIVATIONS[gate!]}, kept ${hasBeside}` : ''
  const name = `${M} × ${K}, widths ${N}, ranks ${ranks}, bias ${hasBias}, format ${format}, order ${order}${kept}`
  return caseOf('matmul_grouped', name, params, tensors, { terms: K, conditioning: gated ? 2 : 1 })
}

export function matmulGroupedCases(): KernelCase[] {
  const gated = ACTIVATIONS.flatMap((_, gate) =>
    [0, 1].map(hasBeside => ({
      ...{ M: [33, 5, 68, 1, 130][gate]!, K: [21, 64, 40, 3, 20][gate]!, gate, hasBeside },
      N: [
        [66, 66, 0],
        [300, 300, 0],
        [132, 132, 0],
        [5, 5, 0],
        [36, 36, 0],
      ][gate]! as unknown as Three,
      ranks: [
        [0, 0, 0],
        [8, 0, 0],
        [4, 8, 0],
        [0, 3, 0],
        [0, 4, 0],
      ][gate]! as unknown as Three,
      ...{ hasBias: (gate + hasBeside) & 1, format: [2, 2, 2, 0, 1][gate]!, order: hasBeside },
    })),
  )
  const forms: Form[] = [
    { M: 1, K: 1, N: [1, 1, 0] },
    { M: 33, K: 21, N: [66, 66, 66], hasBias: 1, ranks: [3, 0, 5], order: 1 },
    { M: 7, K: 63, N: [13, 130, 5], format: 0 },
    { M: 130, K: 100, N: [5, 33, 0], format: 1, hasBias: 1, order: 2 },
    { M: 66, K: 40, N: [64, 16, 16], ranks: [8, 0, 8], hasBias: 1 },
    { M: 68, K: 36, N: [132, 132, 132], ranks: [8, 4, 16], order: 2 },
    { M: 5, K: 64, N: [300, 60, 60], hasBias: 1, ranks: [0, 8, 0], order: 1 },
    { M: 132, K: 44, N: [12, 12, 0], ranks: [4, 4, 0], format: 0 },
    { M: 300, K: 24, N: [128, 128, 128], hasBias: 1, ranks: [8, 0, 8] },
    { M: 68, K: 36, N: [132, 12, 12], ranks: [8, 4, 0], format: 1, hasBias: 1, order: 2 },
    { M: 9, K: 64, N: [68, 68, 68], format: 0, order: 1 },
    { M: 0, K: 4, N: [4, 4, 4] },
    ...gated,
    { M: 300, K: 24, N: [260, 260, 0], gate: 2, hasBeside: 1, ranks: [8, 8, 0] },
    { M: 40, K: 24, N: [72, 72, 0], gate: 2, hasBeside: 0, ranks: [0, 8, 0], format: 1 },
  ]
  return forms.map(group)
}

export function matmulGroupedSumCases(): KernelCase[] {
  const sum = (M: number, N: number, K: Three, format: number, accumulate: number, order = 0): KernelCase => {
    const { places, end } = layOut([K[0] * N, K[1] * N, K[2] * N], ORDERS[order]!)
    const [a0, a1, a2] = K.map(terms => (terms ? random.normal(some(M * terms)) : undefined))
    const params = {
      ...{ M, N, K0: K[0], K1: K[1], K2: K[2], b0: places[0], b1: places[1], b2: places[2], format, accumulate },
    }
    const c = accumulate ? random.normal(some(M * N), 2) : some(M * N)
    const name = `${M} × ${K} × ${N}, format ${format}, += ${accumulate}, order ${order}`
    const terms = K[0] + K[1] + K[2]
    return caseOf('matmul_grouped_sum', name, params, { a0: a0!, a1, a2, b: factor(end, format), c }, { terms })
  }
  return [
    sum(1, 1, [1, 1, 0], 2, 0),
    sum(33, 66, [21, 5, 7], 2, 1, 1),
    sum(7, 130, [13, 63, 0], 0, 0),
    sum(130, 5, [33, 1, 100], 1, 1, 2),
    sum(66, 64, [64, 16, 16], 2, 0, 1),
    sum(68, 132, [132, 36, 4], 2, 1),
    sum(5, 300, [64, 64, 0], 2, 1, 2),
    sum(300, 260, [24, 16, 40], 2, 0, 2),
    sum(132, 12, [384, 128, 128], 0, 1),
    sum(20, 68, [64, 16, 16], 1, 0, 1),
    sum(68, 132, [36, 4, 0], 0, 1),
    sum(260, 20, [8, 8, 8], 1, 1, 2),
    sum(0, 4, [4, 4, 4], 2, 0),
  ]
}
