// Shapes of products on which wasm kernels are split: each transpose, whole rows and columns, with each epilogue, and in 8 bits.
import { EPILOGUES } from '../../../src/backend/epilogue-kernels.js'
import { int8Words, type Params } from '../../../src/backend/kernels.js'
import { ACTIVATIONS } from '../../../src/backend/layer-kernels.js'
import type { ReferenceArray } from '../../reference/types.js'
import { seededValues } from '../values.js'
import type { KernelCase } from './case.js'

export type Data = Float32Array | Int32Array | Uint32Array
export interface Case {
  readonly params: Params
  /** Those that are not normally distributed numbers of the size that the parameters tell; undefined is absent. */
  readonly tensors?: Readonly<Record<string, Data | undefined>>
}

/** The arrays that the reference runs on. */
export const inF64 = (tensors: Record<string, Data | undefined>): Record<string, ReferenceArray | undefined> =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, data]) => [
      name,
      data instanceof Float32Array ? Float64Array.from(data) : data?.slice(),
    ]),
  )

const random = seededValues(17)

export const matmuls = [0, 1].flatMap(transposeA =>
  [0, 1].flatMap(transposeB =>
    [
      [23, 19, 37],
      [70, 393, 401],
      [5, 8, 64],
      [3, 50, 30],
      [1, 33, 100],
      [2, 3, 0],
    ].map(([M, N, K], i): Case => {
      const params = {
        M: M!,
        N: N!,
        K: K!,
        transposeA,
        transposeB,
        accumulate: i % 2,
        hasBias: 1 - (i % 2),
        alpha: 0.7,
      }
      return { params, tensors: i % 2 ? { bias: undefined } : {} }
    }),
  ),
)

/** Each epilogue on whole rows and on columns. */
export const epilogues = matmuls
  .filter(({ params }) => !params.transposeA && params.K! > 0)
  .flatMap(({ params, tensors }, i) =>
    EPILOGUES.map((_, epilogue): Case => {
      const more = { epilogue, kind: (i + epilogue) % ACTIVATIONS.length, hasBeside: i % 2, rank: 5, factor: 0.5 }
      return { params: { ...params, ...more }, ...(tensors && { tensors }) }
    }),
  )

/** The cases of the conformance suite, numbers where nothing of worth is. */
export const filled = (cases: readonly KernelCase[]): Case[] =>
  cases.map(({ params, tensors }) => ({
    params,
    tensors: Object.fromEntries(
      Object.entries(tensors).map(([name, data]) => [name, typeof data === 'number' ? random.normal(data) : data]),
    ),
  }))

export const int8Products = [
  [23, 19, 37],
  [70, 390, 400],
  [401, 7, 1600],
  [3, 50, 30],
].map(([M, N, K], i): Case => {
  const bytes = (rows: number) => random.words(rows * int8Words(K!)).map(word => word & 0x7f7f7f7f)
  const tensors = { a: bytes(M!), b: bytes(N!), ...(i % 2 && { bias: undefined }) }
  return { params: { M: M!, N: N!, K: K!, hasBias: 1 - (i % 2) }, tensors }
})
