// From a file into a backend's memory, block by block: beside what the backend holds, one block is on the host, and each byte is read once.
import type { Backend } from '../backend/backend.js'
import { type Dtype, dtypeBytes, toF32 } from '../data/dtype.js'
import { readTensor } from '../tensor/parameters.js'
import { halfFormat, type Tensor } from '../tensor/tensor.js'
import type { WeightSource } from './load.js'

/** A tensor as it lies in a file. */
export interface StoredTensor {
  readonly dtype: Dtype
  /** Whole elements, in order. A block holds until the next is asked for. */
  blocks(): AsyncIterable<Uint8Array<ArrayBuffer>>
}

/** The values of a tensor, block by block. */
export async function* storedValues(
  name: string,
  source: Pick<WeightSource, 'readTensor' | 'stored'>,
): AsyncGenerator<Float32Array> {
  const stored = source.stored?.(name)
  if (!stored) {
    yield await source.readTensor(name)
    return
  }
  for await (const block of stored.blocks()) yield widened(block, stored.dtype)
}

/** Writes the source's values of a tensor over what its memory holds: as f32, or, where the tensor has 16 bits, as they are stored. */
export async function writeStored(
  backend: Backend,
  { name, view, dtype }: Tensor,
  source: Pick<WeightSource, 'readTensor' | 'stored'>,
): Promise<void> {
  const stored = source.stored?.(name)
  if (!stored) return backend.write(view!, await source.readTensor(name))
  let offset = 0
  for await (const block of stored.blocks()) {
    const values = dtype !== 'f32' ? wholeWords(block) : stored.dtype === 'F32' ? block : widened(block, stored.dtype)
    backend.write({ memory: view!.memory, offset: view!.offset + offset, bytes: values.byteLength }, values)
    offset += values.byteLength
  }
}

function widened(block: Uint8Array<ArrayBuffer>, dtype: Dtype): Float32Array {
  const values = new Float32Array(block.length / dtypeBytes[dtype])
  const convert = toF32[dtype]
  if (!convert) throw new Error(`${dtype} is no floating dtype, expected one of ${Object.keys(toF32).join(', ')}`)
  convert(block, values, 0)
  return values
}

/** An odd number of 16-bit elements ends in half a word, which a backend does not write. */
function wholeWords(block: Uint8Array<ArrayBuffer>): Uint8Array {
  if (block.length % 4 === 0) return block
  const filled = new Uint8Array(block.length + 2)
  filled.set(block)
  return filled
}

/** The values of a tensor with memory of its own, those of 16 bits widened. */
export async function readValues(backend: Backend, tensor: Tensor): Promise<Float32Array> {
  if (halfFormat(tensor) === undefined) return readTensor(backend, tensor)
  const count = (tensor.shape as number[]).reduce((product, n) => product * n, 1)
  const words = await readTensor(backend, { ...tensor, shape: [Math.ceil(count / 2)] })
  const bytes = new Uint8Array(words.buffer, words.byteOffset, 2 * count).slice()
  return widened(bytes, tensor.dtype === 'f16' ? 'F16' : 'BF16')
}
