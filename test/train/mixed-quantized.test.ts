// LoRA in mixed precision over frozen weights in 8 and 4 bits: the losses of a short training beside those in f32 over the same weights, with f16 factors in
// elements and by (emulated) matrix units.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import type { KernelName } from '../../src/backend/kernels.js'
import { createWebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { parseConfig } from '../../src/model/config.js'
import type { FrozenBits } from '../../src/model/group-quantization.js'
import { loadEncoder, newAdapter, randomSource } from '../../src/model/load.js'
import type { Precision } from '../../src/model/quantize.js'
import { candidatesOf, createContrastiveTrainer } from '../../src/train/contrastive.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { webgpuBackend } from '../support/adapter.js'
import { tinyConfig } from '../support/tiny-bert.js'
import { offsetsOf, seededValues } from '../support/values.js'

const PLAIN = 'matmul_f16_32x32'
const UNITS = 'matmul_subgroup_64x64'
const STEPS = 12
/** Of a loss, as in mixed.test.ts: Adam makes much of what rounding leaves of small gradients. */
const F16 = 5e-3

const present = await webgpuBackend()
let chosen = PLAIN
const mixed =
  present &&
  (await createWebGpuBackend({
    ...{ adapter: present.adapterInfo.name, mixed: true, variants: [PLAIN, UNITS], choose: () => chosen },
  }).catch((error: Error) => {
    if (!/no shader-f16/.test(error.message)) throw error
    console.log(`skipped: ${error.message}`)
    return undefined
  }))
const onF16 = mixed ? test : test.skip

const bert = { ...tinyConfig, hidden: 32, heads: 2, intermediate: 72, initializerRange: 0.3 }
const shape = { hidden_size: 36, num_hidden_layers: 2, num_attention_heads: 6, num_key_value_heads: 2 }
const rest = { intermediate_size: 76, vocab_size: bert.vocabulary, max_position_embeddings: 32, rope_theta: 1e4 }
const qwen2 = { ...parseConfig({ model_type: 'qwen2', ...shape, ...rest }, 'tiny'), initializerRange: 0.3 }
const models = { bert, qwen2 }
const targets = { bert: ['query', 'value'], qwen2: ['q_proj', 'v_proj', 'up_proj', 'down_proj'] }

/** The backend, which notes the products that it is asked for. */
function noting(backend: Backend, kernels: Set<KernelName>): Backend {
  const prepare: Backend['prepare'] = calls => {
    for (const { kernel } of calls) if (kernel.startsWith('matmul')) kernels.add(kernel)
    return backend.prepare(calls)
  }
  return { ...backend, prepare }
}

/** Losses, and the products that were called. */
async function training(model: keyof typeof models, precision: Precision, frozenBits: FrozenBits) {
  const kernels = new Set<KernelName>()
  const backend = noting(mixed!, kernels)
  const config = models[model]
  const adapter = newAdapter(config, { rank: 4, alpha: 8, dropout: 0, targets: targets[model] }, 1)
  const settings = { pooling: ['mean'], normalize: true } as const
  const options = { precision, frozenBits }
  const loaded = await loadEncoder(backend, randomSource(config, 1), settings, { kind: 'lora', adapter }, options)
  const trainer = createContrastiveTrainer(backend, {
    ...{ query: loaded.encoder, passage: loaded.encoder, trainable: loaded.trainable! },
    ...{ optimizer: defaultOptimizer, temperature: 0.1, dropout: 0 },
  })
  const random = seededValues(3)
  const texts = () => ({ ids: random.integers(24, config.vocabulary), offsets: offsetsOf([5, 7, 4, 8]) })
  const batch = { query: texts(), passage: texts(), ...candidatesOf(4, 1, true) }
  const losses: number[] = []
  for (let t = 1; t <= STEPS; t++) {
    const scaled = precision === 'mixed' ? { lossScale: 2 ** 10 } : {}
    const { loss, finite } = await trainer.step([batch], { rate: 1e-2, t, seed: 1, counter: t, ...scaled })
    assert.ok(finite, `step ${t} was skipped`)
    losses.push(loss)
  }
  trainer.release()
  loaded.release()
  return { losses, kernels: [...kernels].filter(kernel => kernel.includes('quantized')).sort() }
}

for (const [model, bits] of [
  ['bert', 8],
  ['bert', 4],
  ['qwen2', 4],
] as const)
  onF16(`${model} over ${bits} bits: losses near those in f32, by products of f16 alone`, async () => {
    const expected = await training(model, 'f32', bits)
    assert.equal(expected.kernels, ['matmul_quantized', 'matmul_quantized_epilogue'])
    assert.ok(expected.losses.at(-1)! < 0.9 * expected.losses[0]!, `${expected.losses}`)
    for (const name of [PLAIN, UNITS]) {
      chosen = name
      const found = await training(model, 'mixed', bits)
      assert.equal(found.kernels, ['matmul_f16_quantized', 'matmul_f16_quantized_epilogue'])
      const apart = found.losses.map((loss, i) => Math.abs(loss - expected.losses[i]!) / expected.losses[i]!)
      const most = Math.max(...apart)
      console.log(`${model}, ${bits} bits, ${name}: ${most.toExponential(1)} of a loss at most`)
      assert.ok(most < F16 && most > 1e-7, `${name}: ${apart}`)
    }
  })

test.run()
