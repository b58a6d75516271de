// Layers run again in the backward pass: the same loss and the same gradients to the bit, dropout included, in less memory.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import { loadEncoder, type Method, newAdapter, randomSource } from '../../src/model/load.js'
import { readTensor } from '../../src/tensor/parameters.js'
import { candidatesOf, createContrastiveTrainer } from '../../src/train/contrastive.js'
import { stepMemory } from '../../src/train/memory.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { backendsPresent } from '../support/present.js'
import { tinyConfig } from '../support/tiny-bert.js'
import { seededValues } from '../support/values.js'

const config = { ...tinyConfig, layers: 6, hidden: 24, intermediate: 96, maxPositions: 40, initializerRange: 0.2 }
const random = seededValues(3)
const sequences = (lengths: readonly number[]) => {
  const offsets = Int32Array.from([0, ...lengths.map((_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b))])
  return { ids: random.integers(offsets.at(-1)!, 11), offsets }
}
const batch = { query: sequences([5, 1, 33]), passage: sequences([12, 40, 9]), ...candidatesOf(3, 1, true) }

async function gradients(backend: Backend, method: Method, recompute: boolean, dropout: number) {
  const settings = { pooling: ['mean'], normalize: true } as const
  const loaded = await loadEncoder(backend, randomSource(config, 3), settings, method, { recompute })
  const { encoder, trainable } = loaded
  const shared = { query: encoder, passage: encoder, trainable: trainable!, optimizer: defaultOptimizer }
  const step = { ...shared, dropout, temperature: 0.1 }
  const trainer = createContrastiveTrainer(backend, step)
  const loss = await trainer.gradients(batch, { seed: 4, counter: 2 })
  const found = new Map<string, Float32Array>()
  for (const [name, tensor] of trainable!.tensors) found.set(name, await readTensor(backend, tensor.gradient!))
  const bytes = stepMemory(backend, step, batch)
  trainer.release()
  loaded.release()
  return { loss, found, bytes }
}

for (const backend of await backendsPresent())
  for (const dropout of [0, 0.1])
    for (const kind of ['full', 'lora'] as const)
      test(`${backend.kind}: ${kind}, dropout ${dropout}: same gradients, less memory`, async () => {
        const fresh = newAdapter(config, { rank: 2, alpha: 4, dropout, targets: ['query', 'output.dense'] }, 8)
        for (const { B } of fresh.targets.values()) B.set(seededValues(6).normal(B.length, 0.3))
        const method: Method = kind === 'full' ? { kind } : { kind, adapter: fresh }
        const kept = await gradients(backend, method, false, dropout)
        const again = await gradients(backend, method, true, dropout)
        assert.is(again.loss, kept.loss)
        assert.ok(kept.found.size > 8)
        for (const [name, gradient] of kept.found) {
          assert.equal(again.found.get(name), gradient, name)
          if (!name.endsWith('key.bias'))
            assert.ok(
              gradient.some(value => value !== 0),
              `${name} has a gradient`,
            )
        }
        assert.ok(again.bytes < 0.6 * kept.bytes, `${again.bytes} bytes, ${kept.bytes} without`)
      })

test.run()
