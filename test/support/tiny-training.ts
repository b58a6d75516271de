// A training set small enough for a test: texts of random ids, examples with hard negatives, and a tiny encoder to be trained on them.
import type { Backend } from '../../src/backend/backend.js'
import type { PackedBatch } from '../../src/model/batch.js'
import { type LoadedEncoder, loadEncoder, type Method, randomSource } from '../../src/model/load.js'
import { readTensor, type Trainable } from '../../src/tensor/parameters.js'
import type { Example } from '../../src/train/loop.js'
import { tinyConfig } from './tiny-bert.js'
import { offsetsOf, seededValues } from './values.js'

/** Query i is text i; its positive and three hard negatives follow after all queries. Texts of 1 to 8 tokens. */
export function tinyExamples(count: number, seed = 1): { texts: PackedBatch; examples: Example[] } {
  const values = seededValues(seed)
  const lengths = Array.from(values.integers(count * 5, 8), length => length + 1)
  const offsets = offsetsOf(lengths)
  const ids = values.integers(offsets.at(-1)!, tinyConfig.vocabulary)
  const examples = Array.from({ length: count }, (_, i) => {
    const passage = count + 4 * i
    return { query: i, positive: passage, negatives: [passage + 1, passage + 2, passage + 3] }
  })
  return { texts: { ids, offsets }, examples }
}

/** With weights large enough that texts differ. */
export const tinyEncoder = (backend: Backend, method: Method, seed = 1): Promise<LoadedEncoder> =>
  loadEncoder(
    backend,
    randomSource({ ...tinyConfig, initializerRange: 0.3 }, seed),
    { pooling: ['mean'], normalize: true },
    method,
  )

/** Every trained parameter by its name. */
export async function parametersOf(backend: Backend, { tensors }: Trainable): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>()
  for (const [name, tensor] of tensors) values.set(name, await readTensor(backend, tensor))
  return values
}
