// Weights in 8 bits for inference: a scale for each output channel (a row of W), made once by the kernel that makes activations' too. Linear layers
// only: embeddings, biases and norms stay in f32.
import { type Backend, type Memory, type View, wholeView } from '../backend/backend.js'
import { INT8_COLUMNS, int8Words } from '../backend/kernels.js'
import type { Tensor } from '../tensor/tensor.js'
import type { ModelConfig } from './config.js'
import type { NamedTensor } from './initialize.js'
import { linearLayers } from './tensors.js'

/** What the linear layers' weights are held and multiplied in; mixed: held as they are, both factors of a product narrowed to f16, sums in f32. */
export type Precision = 'f32' | 'int8' | 'mixed'

/** Fails where a backend cannot compute in a precision. */
export function checkPrecision({ kind, f16 }: Pick<Backend, 'kind' | 'f16'>, precision: Precision): void {
  if (precision !== 'mixed' || f16) return
  throw new Error(
    kind === 'wasm'
      ? 'precision mixed needs a WebGPU adapter with shader-f16, but the wasm backend computes in f32; use precision f32, or --backend webgpu'
      : 'precision mixed needs a WebGPU device with shader-f16, which this one was opened without; open it for mixed precision, or use precision f32',
  )
}

/** A matrix (out, in) in 8 bits in the backend's memory: (out, int8Words(in)), with its scales. */
export async function quantizedTensor(backend: Backend, { name, shape, data }: NamedTensor): Promise<Tensor> {
  const [rows, columns] = shape as readonly [number, number]
  if (columns > INT8_COLUMNS)
    throw new Error(`${name} has ${columns} columns, at most ${INT8_COLUMNS} in 8 bits; use precision f32`)
  const held = [4 * rows * columns, 4 * rows * int8Words(columns), 4 * rows]
  const memories: Memory[] = []
  try {
    for (const bytes of held) memories.push(backend.allocate(Math.max(bytes, 256), name))
    const [x, values, scales] = memories.map(wholeView) as [View, View, View]
    backend.write(x, data)
    const prepared = await backend.prepare([{ kernel: 'quantize_rows', views: [x, values, scales] }])
    backend.run(prepared, [{ rows, columns }])
    await backend.finish()
    prepared.release()
    backend.free(memories.shift()!)
    const frozen = { role: 'external', needsGradient: false } as const
    const rowScales: Tensor = { name: `${name}.scales`, shape: [rows], dtype: 'f32', view: scales, ...frozen }
    return { name, shape: [rows, int8Words(columns)], dtype: 'u32', view: values, scales: rowScales, ...frozen }
  } catch (error) {
    for (const memory of memories) backend.free(memory)
    throw error
  }
}

/** The names of the weights that are held in 8 bits. */
export const quantizedNames = (config: ModelConfig): ReadonlySet<string> =>
  new Set(linearLayers(config).map(({ name }) => `${name}.weight`))
