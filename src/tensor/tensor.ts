// A tensor: name, shape and data type, and whose memory it lives in. Sizes are expressions in the batch (T tokens, B sequences, …), so that
// one plan serves every batch.
import type { View } from '../backend/backend.js'
import { type DType, HALF_FORMATS } from '../backend/kernels.js'

/** A size: a number, a symbol of the batch, or `times · symbol + plus`. */
export type Dim = number | string | { readonly symbol: string; readonly times: number; readonly plus: number }

/** The formats of 16 bits, the lower half of a word first. */
export type HalfType = (typeof HALF_FORMATS)[number]

/** 8 or 4 bits in groups of QUANTIZED_GROUP. */
export type QuantizedType = 'q8' | 'q4'

/** What the symbols of a run stand for: sizes (T, B, …) and scalars (seed, step, rate, …). */
export type Values = Readonly<Record<string, number>>

export interface Tensor {
  readonly name: string
  readonly shape: readonly Dim[]
  /** Those of 16 bits, two numbers a word, are frozen weights: `linear` and `embed` take them, nothing else does; those in groups only `linear`. */
  readonly dtype: DType | HalfType | QuantizedType
  /** external: memory of its own that outlives a run (`view`); input: written before a run; temporary: lives within a run. */
  readonly role: 'external' | 'input' | 'temporary'
  readonly needsGradient: boolean
  /** Of external tensors. */
  readonly view?: View
  /** Of weights in 8 bits (dtype u32, four numbers a word): what each row is multiplied by. */
  readonly scales?: Tensor
  /** Of weights of linear layers: their products, gradients' too, narrow both factors to f16. */
  readonly narrow?: true
  /** Of weights in groups (q8, q4): a word for each, its step and least value. */
  readonly groups?: Tensor
  /** Of trained parameters: where their gradient is accumulated. */
  readonly gradient?: Tensor
}

export const plus = (symbol: string, by: number): Dim => ({ symbol, times: 1, plus: by })

/** The value of a size; fails where a symbol has none. */
export function sizeOf(dim: Dim, values: Values): number {
  if (typeof dim === 'number') return dim
  const symbol = typeof dim === 'string' ? dim : dim.symbol
  const value = values[symbol]
  if (value === undefined)
    throw new Error(`size ${symbol} has no value; given: ${Object.keys(values).join(', ') || 'none'}`)
  return typeof dim === 'string' ? value : dim.times * value + dim.plus
}

export const elementsOf = (tensor: Tensor, values: Values): number =>
  tensor.shape.reduce<number>((product, dim) => product * sizeOf(dim, values), 1)

/** The number of a tensor's format of 16 bits in the kernels that take them; undefined where it has 32. */
export function halfFormat(tensor: Tensor): number | undefined {
  const format = (HALF_FORMATS as readonly string[]).indexOf(tensor.dtype)
  return format < 0 ? undefined : format
}

/** Bits of a number of a tensor in groups; undefined where it is not. */
export const quantizedBits = ({ dtype }: Tensor): 8 | 4 | undefined =>
  dtype === 'q8' ? 8 : dtype === 'q4' ? 4 : undefined

/** Every data type of the table has four bytes; two numbers of 16 bits share them. A tensor in groups has the bytes of its memory. */
export const bytesOf = (tensor: Tensor, values: Values): number =>
  quantizedBits(tensor)
    ? tensor.view!.bytes
    : 4 * Math.ceil(elementsOf(tensor, values) / (halfFormat(tensor) === undefined ? 1 : 2))

const dimText = (dim: Dim): string =>
  typeof dim === 'object'
    ? `${dim.times === 1 ? '' : dim.times}${dim.symbol}${dim.plus ? `+${dim.plus}` : ''}`
    : String(dim)
export const shapeText = (shape: readonly Dim[]): string => `(${shape.map(dimText).join(', ')})`
export const sameDim = (a: Dim, b: Dim): boolean => dimText(a) === dimText(b)

/** Fails unless the tensor's shape is as expected; undefined dimensions may be anything. */
export function expectShape(tensor: Tensor, expected: readonly (Dim | undefined)[], what: string): void {
  const fits =
    tensor.shape.length === expected.length &&
    expected.every((dim, i) => dim === undefined || sameDim(dim, tensor.shape[i]!))
  if (fits) return
  const wanted = `(${expected.map(dim => (dim === undefined ? 'any' : dimText(dim))).join(', ')})`
  throw new Error(`${what}: ${tensor.name} has shape ${shapeText(tensor.shape)}, expected ${wanted}`)
}

/** The last dimension, which is a number in every matrix of a model. */
export function columnsOf(tensor: Tensor): number {
  const last = tensor.shape.at(-1)
  if (typeof last !== 'number')
    throw new Error(`${tensor.name} ${shapeText(tensor.shape)}: expected a fixed last dimension`)
  return last
}
