// Frozen weights in 8 or 4 bits under a low-rank adapter (as in QLoRA, Dettmers et al. 2023, but in evenly spaced steps): groups of 32 neighbours of a
// row share a step and a least value, both bf16, so that a weight takes 9 or 5 bits in all. Products compute with least + step · code in f32.
import { type Backend, wholeView } from '../backend/backend.js'
import { QUANTIZED_GROUP } from '../backend/kernels.js'
import type { Tensor } from '../tensor/tensor.js'
import type { WeightSource } from './load.js'
import { storedValues } from './stream.js'

/** Of a frozen weight. */
export type FrozenBits = 8 | 4

/** What has been lost so far: Σ (x − value)² and Σ x². */
export interface QuantizationLoss {
  squared: number
  total: number
}

/** The root of the mean square error over that of the weights. */
export const relativeLoss = ({ squared, total }: QuantizationLoss): number =>
  total > 0 ? Math.sqrt(squared / total) : 0

/** Of a matrix: a word for its group, and codes. */
export const quantizedBytes = ([rows, columns]: readonly number[], bits: FrozenBits): number =>
  4 * rows! * Math.ceil(columns! / QUANTIZED_GROUP) * (bits + 1)

export interface Quantized {
  readonly codes: Uint32Array<ArrayBuffer>
  readonly groups: Uint32Array<ArrayBuffer>
}

export function emptyQuantized([rows, columns]: readonly number[], bits: FrozenBits): Quantized {
  const groups = rows! * Math.ceil(columns! / QUANTIZED_GROUP)
  return { codes: new Uint32Array(groups * bits), groups: new Uint32Array(groups) }
}

const float = new Float32Array(1)
const word = new Uint32Array(float.buffer)

/** The bits of the nearest bf16 that is not above x (`up` 0) or not below it (`up` 1), in the upper half of a word. */
function bf16Towards(x: number, up: 0 | 1): number {
  float[0] = x
  const bits = word[0]!
  const away = (bits & 0xffff) !== 0 && bits >>> 31 !== up
  return ((bits & 0xffff0000) + (away ? 0x10000 : 0)) >>> 0
}

function floatOf(bits: number): number {
  word[0] = bits
  return float[0]!
}

/**
 * Quantises one row, number `row` of the matrix. The least value is rounded down and the step up, so that every weight lies between two codes: it is
 * half a step off at most.
 */
export function quantizeRow(
  values: Float32Array,
  row: number,
  bits: FrozenBits,
  { codes, groups }: Quantized,
  loss: QuantizationLoss,
  name: string,
): void {
  const top = 2 ** bits - 1
  const rowGroups = Math.ceil(values.length / QUANTIZED_GROUP)
  for (let g = 0; g < rowGroups; g++) {
    const [first, last] = [g * QUANTIZED_GROUP, Math.min((g + 1) * QUANTIZED_GROUP, values.length)]
    let [low, high] = [values[first]!, values[first]!]
    for (let i = first; i < last; i++) {
      const x = values[i]!
      if (!(Math.abs(x) < 1e37))
        throw new Error(`${name} holds ${x} in row ${row}; weights in ${bits} bits are below 1e37`)
      if (x < low) low = x
      if (x > high) high = x
    }
    const leastBits = bf16Towards(low, 0)
    const least = floatOf(leastBits)
    const stepBits = bf16Towards((high - least) / top, 1)
    const step = floatOf(stepBits)
    const group = row * rowGroups + g
    groups[group] = (leastBits | (stepBits >>> 16)) >>> 0
    for (let i = first; i < last; i++) {
      const code = step > 0 ? Math.min(Math.round((values[i]! - least) / step), top) : 0
      const bit = (i - first) * bits
      codes[group * bits + (bit >>> 5)]! |= code << (bit & 31)
      loss.squared += (values[i]! - least - step * code) ** 2
      loss.total += values[i]! ** 2
    }
  }
}

/** The numbers that a matrix (out, in) in so many bits stands for. */
export function standIns(values: Float32Array, shape: readonly number[], bits: FrozenBits): Float32Array {
  const columns = shape[1]!
  const rowGroups = Math.ceil(columns / QUANTIZED_GROUP)
  const made = emptyQuantized(shape, bits)
  for (let row = 0; row < shape[0]!; row++)
    quantizeRow(values.subarray(row * columns, (row + 1) * columns), row, bits, made, { squared: 0, total: 0 }, '')
  return values.map((_, i) => {
    const group = Math.floor(i / columns) * rowGroups + Math.floor((i % columns) / QUANTIZED_GROUP)
    const bit = ((i % columns) % QUANTIZED_GROUP) * bits
    const code = (made.codes[group * bits + (bit >>> 5)]! >>> (bit & 31)) & (2 ** bits - 1)
    const pair = made.groups[group]!
    return floatOf((pair & 0xffff0000) >>> 0) + floatOf((pair << 16) >>> 0) * code
  })
}

/** Reads a matrix (out, in) block by block and holds it in so many bits; adds what was lost to `loss`. */
export async function quantizedGroups(
  backend: Backend,
  name: string,
  shape: readonly number[],
  bits: FrozenBits,
  source: Pick<WeightSource, 'readTensor' | 'stored'>,
  loss: QuantizationLoss,
): Promise<Tensor> {
  const made = emptyQuantized(shape, bits)
  const values = new Float32Array(shape[1]!)
  let [row, filled] = [0, 0]
  for await (const block of storedValues(name, source))
    for (let at = 0; at < block.length; ) {
      const part = block.subarray(at, at + values.length - filled)
      values.set(part, filled)
      at += part.length
      filled += part.length
      if (filled < values.length) break
      quantizeRow(values, row++, bits, made, loss, name)
      filled = 0
    }
  if (row !== shape[0]) throw new Error(`${name}: ${row} rows were read, expected ${shape[0]}`)
  const place = (label: string, data: Uint32Array<ArrayBuffer>) => {
    const view = wholeView(backend.allocate(Math.max(data.byteLength, 256), label))
    backend.write(view, data)
    return view
  }
  const frozen = { role: 'external', needsGradient: false } as const
  const view = place(name, made.codes)
  try {
    const label = `${name}.groups`
    const words: Tensor = {
      name: label,
      shape: [made.groups.length],
      dtype: 'u32',
      view: place(label, made.groups),
      ...frozen,
    }
    return { name, shape, dtype: bits === 8 ? 'q8' : 'q4', view, groups: words, ...frozen }
  } catch (error) {
    backend.free(view.memory)
    throw error
  }
}
