// Files of 16 bits: frozen weights stay in them, in half the memory; states, low-rank gradients and what is read back are those of the widened weights.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openModelFolder } from '../../src/model/folder.js'
import { type LoadOptions, loadEncoder, newAdapter } from '../../src/model/load.js'
import type { MemoryPlan } from '../../src/model/placement.js'
import { encodeTokens } from '../../src/retrieve/encode.js'
import { candidatesOf, createContrastiveTrainer } from '../../src/train/contrastive.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { gradientArrays, readCase, worstGradient } from '../support/gradients.js'
import { maxDifference, readArrays, readPacked } from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { needs } from '../support/shared.js'
import { seededValues } from '../support/values.js'

const settings = { pooling: ['lasttoken'], normalize: true } as const

for (const backend of await backendsPresent())
  for (const [name, dtype] of [
    ['llama-f16', 'f16'],
    ['qwen3-bf16', 'bf16'],
  ] as const) {
    const path = needs(`oracles/decoders/${name}`)
    ;(path ? test : test.skip)(`${backend.kind}: ${name} in its file's 16 bits`, async () => {
      const folder = await openModelFolder(path!)
      const batch = await readPacked(`${path}/golden.safetensors`)
      const { last_hidden_state: golden } = await readArrays(`${path}/golden.safetensors`)
      const limit = 1e-4 * readCase(`${path}/golden.json`).largest_value
      const targets = ['q_proj', 'v_proj', 'down_proj']
      const adapter = newAdapter(folder.config, { rank: 2, alpha: 4, dropout: 0, targets }, 1)
      for (const { B } of adapter.targets.values()) B.set(seededValues(6).normal(B.length, 0.3))

      const load = async (options: LoadOptions) => {
        let plan: MemoryPlan | undefined
        const onPlan = (made: MemoryPlan) => {
          plan = made
        }
        const loaded = await loadEncoder(backend, folder, settings, { kind: 'lora', adapter }, { ...options, onPlan })
        const { encoder, trainable } = loaded
        const states = await encodeTokens(backend, { ...encoder, adapter: { dropout: 0, updates: new Map() } }, batch)
        const shared = { query: encoder, passage: encoder, trainable: trainable!, optimizer: defaultOptimizer }
        const trainer = createContrastiveTrainer(backend, { ...shared, temperature: 0.1, dropout: 0 })
        const all = { query: batch, passage: batch, ...candidatesOf(batch.offsets.length - 1, 1, true) }
        await trainer.gradients(all, { seed: 1, counter: 0 })
        const gradients = await gradientArrays(backend, loaded)
        for (const { name: weight } of folder.expected)
          assert.equal(await loaded.readWeight(weight), await folder.readTensor(weight), weight)
        const { dtype: kept } = encoder.weights('layers.0.mlp.up_proj.weight')
        trainer.release()
        loaded.release()
        return { states, gradients, kept, bytes: plan!.backend - plan!.adapter }
      }
      const half = await load({})
      const wide = await load({ widen: true })
      assert.equal([half.kept, wide.kept], [dtype, 'f32'])
      assert.ok(half.bytes < 0.52 * wide.bytes, `${half.bytes} bytes, ${wide.bytes} widened`)
      for (const { states } of [half, wide])
        assert.ok(maxDifference(states, golden!) <= limit, `${maxDifference(states, golden!)} off`)
      const worst = worstGradient(half.gradients, wide.gradients)
      assert.ok(worst.error <= (backend.kind === 'wasm' ? 5e-5 : 2e-4), `${worst.name} is ${worst.error} off`)
      await folder.close()
    })
  }

test.run()
