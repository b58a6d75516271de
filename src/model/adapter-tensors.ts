// A low-rank adapter's matrices as tensors of a backend, and back.
import type { Backend } from '../backend/backend.js'
import { readTensor } from '../tensor/parameters.js'
import type { Tensor } from '../tensor/tensor.js'
import type { ModelConfig } from './config.js'
import type { NamedTensor } from './initialize.js'
import type { Adapter } from './peft.js'
import { linearLayers } from './tensors.js'
import type { AdapterTensors } from './transformer.js'

/** A and B of every layer of an adapter. */
export function adapterMatrices({ targets }: Adapter, config: ModelConfig): NamedTensor[] {
  const layers = new Map(linearLayers(config).map(layer => [layer.name, layer]))
  return [...targets].flatMap(([name, { rank, A, B }]) => {
    const { inputs, outputs } = layers.get(name)!
    return [
      { name: `${name}.lora_A.weight`, shape: [rank, inputs], data: A },
      { name: `${name}.lora_B.weight`, shape: [outputs, rank], data: B },
    ]
  })
}

/** The updates as the forward pass takes them. */
export const adapterTensors = (adapter: Adapter, weights: (name: string) => Tensor): AdapterTensors => ({
  dropout: adapter.dropout,
  updates: new Map(
    [...adapter.targets].map(([name, { scale }]) => [
      name,
      { A: weights(`${name}.lora_A.weight`), B: weights(`${name}.lora_B.weight`), scale },
    ]),
  ),
})

/** The adapter with the values that its matrices have now. */
export async function readBack(
  backend: Backend,
  adapter: Adapter,
  weights: (name: string) => Tensor,
): Promise<Adapter> {
  const targets = new Map<string, Adapter['targets'] extends ReadonlyMap<string, infer T> ? T : never>()
  for (const [name, target] of adapter.targets) {
    const A = await readTensor(backend, weights(`${name}.lora_A.weight`))
    const B = await readTensor(backend, weights(`${name}.lora_B.weight`))
    targets.set(name, { ...target, A, B })
  }
  return { ...adapter, targets }
}
