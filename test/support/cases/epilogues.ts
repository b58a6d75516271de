// Products with an epilogue: every one of them, with every activation, bias and accumulation, at sizes that are no multiples of a tile and in whole vectors.
import { EPILOGUES, type Epilogue } from '../../../src/backend/epilogue-kernels.js'
import { FLOAT_FORMAT, type KernelName } from '../../../src/backend/kernels.js'
import { ACTIVATIONS } from '../../../src/backend/layer-kernels.js'
import { seededValues } from '../values.js'
import { caseOf, type Initial, type KernelCase } from './case.js'
import { halves, quantizedFactor } from './matmul.js'

const random = seededValues(117)
type Product = Extract<KernelName, `matmul${string}_epilogue`>

interface Form {
  readonly size: readonly [M: number, N: number, K: number]
  readonly epilogue: Epilogue
  readonly kind: number
  /** Bit 0 accumulates, bit 1 adds a bias, bit 2 keeps v. */
  readonly flags: number
  readonly transposeB: number
  /** Of b: FLOAT_FORMAT, or one of 16 bits. */
  readonly format: number
  readonly rank?: number
  /** Small whole numbers, exact in f16, so that any order of sums gives the same. */
  readonly whole?: true
}

function product(
  kernel: Product,
  { size: [M, N, K], epilogue, kind, flags, transposeB, format, rank = 4, whole }: Form,
): KernelCase {
  const normal: typeof random.normal = whole
    ? count => Float32Array.from(random.integers(count, 7), x => x - 3)
    : random.normal
  const low = epilogue === 'low_rank'
  const [accumulate, hasBias, hasBeside] = [
    flags & 1,
    (flags >> 1) & 1,
    low || epilogue === 'residual' ? 0 : (flags >> 2) & 1,
  ]
  const form = { M, N, K, transposeA: 0, transposeB, accumulate, hasBias, alpha: flags === 3 ? 0.5 : 1 }
  const more = { epilogue: EPILOGUES.indexOf(epilogue), kind, hasBeside, rank: low ? rank : 0, factor: low ? 1.5 : 0 }
  const floats = normal(K * N)
  const plain = format === FLOAT_FORMAT
  const b: Initial = plain
    ? kernel === 'matmul_epilogue'
      ? floats
      : new Uint32Array(floats.buffer)
    : halves(K * N, format)
  const tensors = {
    a: normal(M * K, K ** -0.5),
    b,
    bias: hasBias ? normal(N, 3) : undefined,
    with0: low ? normal(M * rank) : epilogue === 'activation' ? undefined : normal(M * N, 2),
    with1: low ? normal(N * rank) : epilogue === 'gated_slope' ? normal(M * N) : undefined,
    c: accumulate ? normal(M * N, 2) : M * N,
    beside: hasBeside || epilogue === 'gated_slope' ? M * N : undefined,
  }
  const name = `${[M, N, K].join(' × ')}, ${epilogue}${low ? ` ${rank}` : ` ${ACTIVATIONS[kind]}`}, flags ${flags}, transposed ${transposeB}, format ${format}`
  const params = kernel === 'matmul_epilogue' ? { ...form, ...more } : { ...form, format, ...more }
  // Slopes and products pass on what rounding left of v, and more where they are large.
  return caseOf(kernel, name, params as Parameters<typeof caseOf<Product>>[2], tensors, { terms: K, conditioning: 2 })
}

const sizes = [
  [33, 66, 21],
  [1, 5, 3],
  [66, 33, 40],
  [68, 132, 40],
  [132, 68, 36],
  [5, 300, 64],
] as const

const cases = (kernel: Product, formats: readonly number[]): KernelCase[] => {
  const kinds = EPILOGUES.filter(epilogue => epilogue !== 'low_rank').flatMap(epilogue =>
    ACTIVATIONS.flatMap((_, kind) => (epilogue === 'residual' && kind > 0 ? [] : [{ epilogue, kind }])),
  )
  const all: Omit<Form, 'size' | 'flags' | 'transposeB' | 'format'>[] = [
    ...kinds,
    ...[8, 4, 12].map(rank => ({ epilogue: 'low_rank' as const, kind: 0, rank })),
    ...(kernel === 'matmul_f16_epilogue' ? [] : [{ epilogue: 'low_rank' as const, kind: 0, rank: 3 }]),
  ]
  const made = sizes.flatMap((size, i) =>
    all.map((form, j) => {
      const format = formats[(i + j) % formats.length]!
      return product(kernel, { ...form, size, flags: (i + j) & 7, transposeB: (i + j + 1) & 1, format })
    }),
  )
  const large = { size: [300, 390, 24], kind: 0, transposeB: 1, format: formats[0]! } as const
  return [
    ...made,
    product(kernel, { ...large, epilogue: 'activation', flags: 6 }),
    product(kernel, { ...large, epilogue: 'gated_slope', flags: 0 }),
    product(kernel, { ...large, epilogue: 'low_rank', flags: 2, rank: 8 }),
    product(kernel, { ...large, epilogue: 'residual', flags: 2 }),
    ...EPILOGUES.map((epilogue, i) => product(kernel, { ...large, size: [40, 36, 28], epilogue, flags: i & 7 })),
  ]
}

export const matmulEpilogueCases = () => cases('matmul_epilogue', [FLOAT_FORMAT])
export const matmulHalfEpilogueCases = () => cases('matmul_half_epilogue', [0, 1])
type Quantized = 'matmul_quantized_epilogue' | 'matmul_f16_quantized_epilogue'
/** The same with b in 8 bits, or in 4. */
const quantized = (cases: readonly KernelCase[], kernel: Quantized, whole?: true): KernelCase[] =>
  cases.map(({ params, tensors, name, ...rest }, i) => {
    const { format: _, ...form } = params as Record<string, number>
    const [N, K, bits] = [form.N!, form.K!, i % 2 ? 4 : 8]
    const factor = form.transposeB ? quantizedFactor(N, K, bits, whole) : quantizedFactor(K, N, bits, whole)
    const given = { ...form, bits } as Parameters<typeof caseOf<'matmul_quantized_epilogue'>>[2]
    const all = { ...tensors, ...factor } as Parameters<typeof caseOf<'matmul_quantized_epilogue'>>[3]
    return caseOf<Quantized>(kernel, `${name.replace(/format .*/, '')}${bits} bits`, given, all, rest)
  })
export const matmulQuantizedEpilogueCases = () => quantized(matmulHalfEpilogueCases(), 'matmul_quantized_epilogue')
export const matmulF16QuantizedEpilogueCases = () =>
  quantized(cases('matmul_f16_epilogue', [FLOAT_FORMAT]), 'matmul_f16_quantized_epilogue')
export const matmulF16EpilogueCases = () => cases('matmul_f16_epilogue', [FLOAT_FORMAT, 0, 1])

const RELU = ACTIVATIONS.indexOf('relu')

/** Whole numbers in, whole numbers out: every epilogue with every flag, tiles of 128 that are full and that are not. */
export const wholeEpilogueCases = (): KernelCase[] =>
  EPILOGUES.flatMap((epilogue, i) =>
    (
      [
        [132, 140, 44],
        [36, 68, 20],
        [128, 128, 32],
        [260, 12, 100],
      ] as const
    ).flatMap((size, j) =>
      [0, 1].map(transposeB => {
        const form = { size, epilogue, kind: RELU, flags: (2 * i + j + 3 * transposeB) & 7, transposeB }
        return product('matmul_f16_epilogue', { ...form, format: FLOAT_FORMAT, whole: true })
      }),
    ),
  )

export const wholeQuantizedEpilogueCases = () => quantized(wholeEpilogueCases(), 'matmul_f16_quantized_epilogue', true)
