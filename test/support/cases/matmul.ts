// Products at sizes that are no multiples of a tile, single rows and columns, skinny ones as LoRA has them, and exact tiles.
import { FLOAT_FORMAT, QUANTIZED_GROUP } from '../../../src/backend/kernels.js'
import { seededValues } from '../values.js'
import { caseOf, type KernelCase } from './case.js'

const random = seededValues(101)
type Size = readonly [M: number, N: number, K: number]

const sizes: readonly Size[] = [
  [1, 1, 1],
  [1, 5, 3],
  [3, 1, 7],
  [5, 130, 13],
  [13, 7, 63],
  [33, 65, 100],
  [63, 33, 127],
  [127, 257, 8],
  [130, 100, 1],
  [257, 3, 65],
  [65, 63, 257],
  [1, 3000, 5],
  [3000, 1, 8],
  [100, 8, 385],
  [8, 127, 385],
  [8, 8, 1030],
  [64, 64, 64],
  [128, 128, 32],
]

/** Large enough for every variant that a backend may hold. */
const largeSizes: readonly Size[] = [
  [300, 300, 100],
  [520, 390, 40],
  [650, 660, 21],
]

export function matmulCases(): KernelCase[] {
  const cases: KernelCase[] = []
  for (const [index, size] of sizes.entries())
    for (const transposes of [0, 1, 2, 3]) cases.push(product(size, transposes, index + transposes))
  // Every transpose with every epilogue, at one size
  for (let form = 0; form < 16; form++) cases.push(product([33, 66, 21], form & 3, form >> 2))
  for (const [index, size] of largeSizes.entries())
    for (const form of [0, 1, 2, 3]) cases.push(product(size, form, index))
  const nothing = { N: 3, K: 2, transposeA: 0, transposeB: 0, accumulate: 0, hasBias: 0, alpha: 1 }
  const tensors = { a: random.normal(2), b: random.normal(6), bias: undefined, c: 3 }
  cases.push(caseOf('matmul', 'no rows', { M: 0, ...nothing }, tensors))
  return cases
}

/** Bit 0 of `transposes` is transposeA, bit 1 transposeB; of `epilogue` bit 0 accumulates, bit 1 adds a bias. */
function product([M, N, K]: Size, transposes: number, epilogue: number): KernelCase {
  const [transposeA, transposeB] = [transposes & 1, transposes >> 1]
  const [accumulate, hasBias] = [epilogue & 1, (epilogue >> 1) & 1]
  const alpha = epilogue % 3 === 0 ? 1 : 0.375
  const name = `M ${M}, N ${N}, K ${K}, transposes ${transposeA}${transposeB}, accumulate ${accumulate}, bias ${hasBias}`
  const params = { M, N, K, transposeA, transposeB, accumulate, hasBias, alpha }
  const tensors = {
    a: random.normal(M * K),
    b: random.normal(K * N),
    bias: hasBias ? random.normal(N, 3) : undefined,
    c: accumulate ? random.normal(M * N, 2) : M * N,
  }
  return caseOf('matmul', name, params, tensors, { terms: K })
}

const vectors: readonly Size[] = [
  [4, 4, 4],
  [36, 68, 20],
  [132, 140, 44],
  [8, 384, 1100],
  [384, 8, 1100],
  [260, 12, 2052],
  [64, 128, 32],
]

/** Rows of whole vectors of four, with ragged tiles, few rows or columns, and few or many terms. */
export function vectorMatmulCases(): KernelCase[] {
  const all = vectors.flatMap((size, index) => [0, 1, 2, 3].map(form => product(size, form, index + form)))
  // Terms of a weight's gradient are tokens: any number of them.
  const tokens: readonly Size[] = [
    [8, 384, 1030],
    [132, 64, 77],
    [64, 132, 1],
  ]
  return [...all, ...tokens.map((size, index) => product(size, 1, index + 1))]
}

/** Random numbers of 16 bits, of either sign: normal ones from 2⁻⁴ to 4, and of every 16 one that is subnormal or 0 in f16 (small in bf16). */
export function halves(count: number, format: number): Uint32Array {
  const words = random.words(Math.ceil(count / 2))
  const [fraction, bias] = format === 1 ? [7, 127] : [10, 15]
  const numberOf = (bits: number) => {
    const exponent = bits % 16 === 0 ? 0 : bias - 4 + ((bits >> 4) % 6)
    return (bits & 0x8000) | (exponent << fraction) | ((bits >> 3) & (2 ** fraction - 1))
  }
  return words.map(word => (numberOf(word & 0xffff) | (numberOf(word >>> 16) << 16)) >>> 0)
}

function halfProduct([M, N, K]: Size, transposeB: number, format: number, epilogue: number): KernelCase {
  const [accumulate, hasBias] = [epilogue & 1, (epilogue >> 1) & 1]
  const name = `M ${M}, N ${N}, K ${K}, transposed ${transposeB}, format ${format}, accumulate ${accumulate}, bias ${hasBias}`
  const alpha = epilogue === 3 ? 0.375 : 1
  const params = { M, N, K, transposeA: 0, transposeB, accumulate, hasBias, alpha, format }
  const tensors = {
    a: random.normal(M * K),
    b: halves(N * K, format),
    bias: hasBias ? random.normal(N, 3) : undefined,
    c: accumulate ? random.normal(M * N, 2) : M * N,
  }
  return caseOf('matmul_half', name, params, tensors, { terms: K })
}

/** Rows of whole vectors of four, b in 16 bits. */
export const vectorMatmulHalfCases = (): KernelCase[] =>
  vectors.flatMap((size, i) => [0, 1, 2, 3].map(form => halfProduct(size, form & 1, form >> 1, (i + form) & 3)))

/** What a frozen layer needs: x Wᵀ forward, dy W backward; both formats at every size, odd ones too. */
export function matmulHalfCases(): KernelCase[] {
  const nothing = { M: 0, N: 3, K: 2, transposeA: 0, transposeB: 1, accumulate: 0, hasBias: 0, alpha: 1, format: 0 }
  const none = { a: random.normal(2), b: halves(6, 0), bias: undefined, c: 3 }
  const few: Size[] = [
    [12, 401, 66],
    [2, 6, 4096],
    [1, 133, 64],
    [2, 40, 24],
  ]
  return [
    ...[...sizes, ...largeSizes, ...few].flatMap((size, i) =>
      [0, 1, 2, 3].map(form => halfProduct(size, form & 1, form >> 1, (i + form) & 3)),
    ),
    caseOf('matmul_half', 'no rows', nothing, none),
  ]
}

/** f32 or 16 bits a number in b, all transposes and epilogues; with whole vectors of four and without; `whole`: small whole numbers, exact in f16. */
export function matmulF16Cases(whole = false): KernelCase[] {
  const product = ([M, N, K]: Size, form: number, format: number, epilogue: number): KernelCase => {
    const [transposeA, transposeB] = [form & 1, form >> 1]
    const [accumulate, hasBias] = [epilogue & 1, (epilogue >> 1) & 1]
    const name = `M ${M}, N ${N}, K ${K}, transposes ${transposeA}${transposeB}, format ${format}, accumulate ${accumulate}, bias ${hasBias}`
    const alpha = epilogue === 3 ? 0.375 : 1
    const params = { M, N, K, transposeA, transposeB, accumulate, hasBias, alpha, format }
    const numbers = (count: number) => (whole ? random.integers(count, 13).map(x => x - 6) : random.normal(count))
    const floats = (count: number) => Float32Array.from(numbers(count))
    const b = format === FLOAT_FORMAT ? new Uint32Array(floats(K * N).buffer) : halves(K * N, format)
    const tensors = {
      a: floats(M * K),
      b,
      bias: hasBias ? floats(N) : undefined,
      c: accumulate ? floats(M * N) : M * N,
    }
    return caseOf('matmul_f16', name, params, tensors, { terms: K })
  }
  const formats = whole ? [FLOAT_FORMAT] : [FLOAT_FORMAT, 0, 1]
  const large: readonly Size[] = [
    [4, 4, 4],
    [36, 68, 20],
    [132, 140, 44],
    [260, 12, 100],
    [64, 128, 32],
    [5, 33, 19],
  ]
  const terms: readonly Size[] = [
    [132, 64, 77],
    [64, 132, 1],
  ]
  return [
    ...large.flatMap((size, i) =>
      [0, 1, 2, 3].flatMap(form => formats.map((format, j) => product(size, form, format, (i + form + j) & 3))),
    ),
    // Terms of a weight's gradient are tokens: any number of them.
    ...terms.map((size, i) => product(size, 1, FLOAT_FORMAT, i)),
  ]
}

/** Random codes, steps and least values of (rows, columns) in 8 or 4 bits; numbers of both signs near 1. `whole`: whole ones, exact in f16. */
export function quantizedFactor(
  rows: number,
  columns: number,
  bits: number,
  whole?: boolean,
): { b: Uint32Array; groups: Uint32Array } {
  const groups = rows * Math.ceil(columns / QUANTIZED_GROUP)
  const bf16 = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16
  const words = Uint32Array.from(random.uniform(groups, 0.5, 2), size => {
    const [least, step] = whole ? [-(2 ** (bits - 1)), size > 1 ? 1 : 2] : [-size, (2 * size) / (2 ** bits - 1)]
    return ((bf16(least) << 16) | bf16(step)) >>> 0
  })
  return { b: random.words(groups * bits), groups: words }
}

function quantizedProduct(
  [M, N, K]: Size,
  form: number,
  bits: number,
  epilogue: number,
  f16?: 'narrowed' | 'whole',
): KernelCase {
  const [transposeA, transposeB] = [form >> 1, form & 1]
  const [accumulate, hasBias] = [epilogue & 1, (epilogue >> 1) & 1]
  const name = `M ${M}, N ${N}, K ${K}, transposes ${transposeA}${transposeB}, bits ${bits}, accumulate ${accumulate}, bias ${hasBias}`
  const alpha = epilogue === 3 ? 0.375 : 1
  const params = { M, N, K, transposeA, transposeB, accumulate, hasBias, alpha, bits }
  const whole = f16 === 'whole'
  const normal: typeof random.normal = whole
    ? count => Float32Array.from(random.integers(count, 13), x => x - 6)
    : random.normal
  const tensors = {
    a: normal(M * K),
    ...(transposeB ? quantizedFactor(N, K, bits, whole) : quantizedFactor(K, N, bits, whole)),
    bias: hasBias ? normal(N, 3) : undefined,
    c: accumulate ? normal(M * N, 2) : M * N,
  }
  return caseOf(f16 ? 'matmul_f16_quantized' : 'matmul_quantized', name, params, tensors, { terms: K })
}

/** Rows of whole vectors of four, b in 8 and 4 bits. */
export const vectorMatmulQuantizedCases = (): KernelCase[] =>
  vectors.flatMap((size, i) =>
    [0, 1, 2, 3].map(form => quantizedProduct(size, form & 1, form < 2 ? 8 : 4, (i + form) & 3)),
  )

/** What a frozen layer needs, as for 16 bits: rows of whole groups and others. */
export function matmulQuantizedCases(): KernelCase[] {
  const few: Size[] = [
    [12, 401, 66],
    [2, 6, 4096],
    [1, 37, 64],
    [40, 416, 800],
    [4, 70, 100],
    [3, 21, 96],
    [4, 9, 32],
  ]
  return [...sizes, ...largeSizes, ...few].flatMap((size, i) =>
    [0, 1].flatMap(form =>
      [8, 4].map((bits, j) => quantizedProduct(size, form + (i % 5 === 4 ? 2 : 0), bits, (i + form + j) & 3)),
    ),
  )
}

/** Both products of a frozen layer, x Wᵀ and dy W, in 8 and 4 bits, with whole vectors of four and without, and the transposed ones; `whole` as above. */
export function matmulF16QuantizedCases(whole = false): KernelCase[] {
  const some: readonly Size[] = [
    [4, 4, 4],
    [36, 68, 20],
    [132, 140, 44],
    [260, 12, 100],
    [64, 128, 32],
    [130, 96, 160],
    [5, 33, 19],
  ]
  const f16 = whole ? 'whole' : 'narrowed'
  return some.flatMap((size, i) =>
    [0, 1, 2, 3].flatMap(form => [8, 4].map((bits, j) => quantizedProduct(size, form, bits, (i + form + j) & 3, f16))),
  )
}
