// How many dispatches a step is on a GPU: LoRA on query and value of MiniLM's shape, recorded without computing. A layer, forward and backward together, has
// 30 at most.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend, BoundCall, Prepared } from '../../src/backend/backend.js'
import type { Params } from '../../src/backend/kernels.js'
import { pickVariant } from '../../src/backend/webgpu/pipelines.js'
import { isWanted, type Target, variants } from '../../src/backend/webgpu/variants.js'
import { parseConfig } from '../../src/model/config.js'
import { loadEncoder, newAdapter, randomSource } from '../../src/model/load.js'
import { candidatesOf, createContrastiveTrainer } from '../../src/train/contrastive.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { offsetsOf, seededValues } from '../support/values.js'

const card: Target = { software: false, features: ['subgroups'], matrices: false, workgroupMemory: 32768 }

/** The dispatches of a call with the variants that a card is given where nothing was measured. */
function dispatches({ kernel }: BoundCall, params: Params): number {
  const list = variants[kernel].filter(variant => isWanted(variant, card, false))
  const compiled = list.map(variant => ({ variant, pipeline: undefined as unknown as GPUComputePipeline }))
  const pipelines = { kernel, target: card, variants: compiled, scratch: true, choose: () => undefined }
  const layout = undefined as unknown as GPUBindGroupLayout
  return pickVariant({ ...pipelines, layout }, params).variant.second ? 2 : 1
}

/** Hands out memory that holds nothing, and keeps what it is told to run. */
function recorder(): {
  readonly backend: Backend
  readonly runs: { calls: readonly BoundCall[]; params: readonly Params[] }[]
} {
  const runs: { calls: readonly BoundCall[]; params: readonly Params[] }[] = []
  const most = 2 ** 40
  const backend: Backend = {
    ...{ kind: 'webgpu', description: 'nothing', numerics: 'none' },
    limits: { binding: most, memory: most, alignment: 256 },
    allocate: (bytes, label) => ({ bytes, label }),
    ...{ free() {}, write() {}, close() {} },
    read: async view => new ArrayBuffer(view.bytes),
    prepare: async (calls): Promise<Prepared> => ({ calls, release() {} }),
    run: ({ calls }, params) => void runs.push({ calls, params }),
    finish: async () => {},
  }
  return { backend, runs }
}

const LORA = { rank: 8, alpha: 16, dropout: 0.1, targets: ['query', 'value'] }
const values = seededValues(5)

async function dispatchesOfStep(layers: number): Promise<number> {
  const { backend, runs } = recorder()
  const sizes = { hidden_size: 384, num_hidden_layers: layers, num_attention_heads: 12, intermediate_size: 1536 }
  const config = parseConfig({ model_type: 'bert', ...sizes, vocab_size: 100, max_position_embeddings: 256 }, 'shape')
  const method = { kind: 'lora', adapter: newAdapter(config, LORA, 1) } as const
  const loaded = await loadEncoder(backend, randomSource(config, 1), { pooling: ['mean'], normalize: true }, method)
  const [query, passage] = [32, 256].map(length => {
    const offsets = offsetsOf(new Array<number>(32).fill(length))
    return { offsets, ids: values.integers(32 * length, 100) }
  })
  const trainer = createContrastiveTrainer(backend, {
    ...{ query: loaded.encoder, passage: loaded.encoder, trainable: loaded.trainable! },
    ...{ temperature: 0.05, optimizer: defaultOptimizer },
  })
  const batch = { query: query!, passage: passage!, ...candidatesOf(32, 1, true) }
  runs.length = 0
  await trainer.step([batch], { rate: 1e-3, t: 1, seed: 1, counter: 0 })
  return runs.reduce(
    (sum, { calls, params }) => calls.reduce((total, call, i) => total + dispatches(call, params[i]!), sum),
    0,
  )
}

test('a layer of a LoRA step is at most 30 dispatches, forward and backward', async () => {
  const [one, three] = [await dispatchesOfStep(1), await dispatchesOfStep(3)]
  const layer = (three - one) / 2
  console.log(`${layer} dispatches a layer, ${one - layer} beside them`)
  assert.ok(layer >= 10 && layer <= 30, `${layer} dispatches a layer`)
})

test.run()
