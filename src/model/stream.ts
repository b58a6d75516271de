// From a file into a backend's memory, block by block: beside what the backend holds, one block is on the host, and each byte is read once.
import type { Backend } from '../backend/backend.js'
import { type Dtype, dtypeBytes, toF32 } from '../data/dtype.js'
import type { Tensor } from '../tensor/tensor.js'
import type { WeightSource } from './load.js'

/** A tensor as it lies in a file. */
export interface StoredTensor {
  readonly dtype: Dtype
  /** Whole elements, in order. A block holds until the next is asked for. */
  blocks(): AsyncIterable<Uint8Array<ArrayBuffer>>
}

/** Writes the source's values of a tensor over what its memory holds, as f32. */
export async function writeStored(
  backend: Backend,
  { name, view }: Tensor,
  source: Pick<WeightSource, 'readTensor' | 'stored'>,
): Promise<void> {
  const stored = source.stored?.(name)
  if (!stored) return backend.write(view!, await source.readTensor(name))
  let offset = 0
  for await (const block of stored.blocks()) {
    const values = stored.dtype === 'F32' ? block : widened(block, stored.dtype)
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
