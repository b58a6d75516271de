// Whole-model gradients against differences of the loss, on small random encoders made here: along the gradient itself the loss must rise by its
// squared norm, along a random direction by the product with it.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import type { PackedBatch } from '../../src/model/batch.js'
import { parseConfig } from '../../src/model/config.js'
import { denseTensors } from '../../src/model/dense.js'
import {
  type EncoderSettings,
  loadEncoder,
  type Method,
  newAdapter,
  randomSource,
  type WeightSource,
} from '../../src/model/load.js'
import { putParameters, takeParameters } from '../../src/train/checkpoint.js'
import { candidatesOf, createContrastiveTrainer } from '../../src/train/contrastive.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { backendsPresent } from '../support/present.js'
import { seededValues } from '../support/values.js'

const config = parseConfig(
  {
    model_type: 'bert',
    hidden_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 3,
    intermediate_size: 40,
    hidden_act: 'gelu',
    vocab_size: 50,
    max_position_embeddings: 40,
    type_vocab_size: 2,
    layer_norm_eps: 1e-12,
    hidden_dropout_prob: 0.1,
    attention_probs_dropout_prob: 0.1,
    pad_token_id: 0,
    initializer_range: 0.3,
  },
  'test',
)
function sequences(lengths: readonly number[]): PackedBatch {
  const offsets = Int32Array.from([0, ...lengths.map((_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b))])
  const ids = Int32Array.from({ length: offsets.at(-1)! }, (_, i) => 1 + ((i * 7919 + 13) % 49))
  return { ids, offsets, typeIds: ids.map(id => id % 2) }
}
const query = sequences([5, 1, 33, 8])
const passage = sequences([12, 3, 40, 2, 9, 31, 1, 17])

interface Head {
  readonly settings: EncoderSettings
  readonly dimensions?: number
  /** Of the finite differences; default 0.004. */
  readonly width?: number
}

/** Two ways of pooling that leave a prompt out, two Dense modules with a Normalize between them, four columns kept of six. */
const longHead: Head = {
  settings: {
    pooling: ['lasttoken', 'mean_sqrt_len_tokens'],
    includePrompt: false,
    dense: [
      { path: '', inputs: 48, outputs: 10, bias: true, activation: 'tanh' },
      { path: '', inputs: 10, outputs: 6, bias: false, activation: 'identity', normalizeFirst: true },
    ],
    normalize: true,
  },
  dimensions: 4,
  width: 0.0005,
}

/** A random model, with random Dense modules where the head has some. */
function sourceFor({ settings: { dense = [] } }: Head): WeightSource {
  const plain = randomSource(config, 3)
  const tensors = denseTensors(dense)
  return {
    ...plain,
    expected: [...plain.expected, ...tensors],
    async readTensor(name) {
      const at = tensors.findIndex(tensor => tensor.name === name)
      if (at < 0) return plain.readTensor(name)
      return seededValues(40 + at)
        .normal(tensors[at]!.shape.reduce((a, b) => a * b, 1))
        .map(value => 0.4 * value)
    },
  }
}

const headOf = (pooling: 'mean' | 'cls'): Head => ({ settings: { pooling: [pooling], normalize: pooling === 'mean' } })

async function slopes(backend: Backend, method: Method, head: Head, dropout: number): Promise<void> {
  const { settings, dimensions, width = 0.004 } = head
  const loaded = await loadEncoder(backend, sourceFor(head), settings, method, { dimensions })
  const trainable = loaded.trainable!
  const shared = { query: loaded.encoder, passage: loaded.encoder, trainable, optimizer: defaultOptimizer, dropout }
  const trainer = createContrastiveTrainer(backend, { ...shared, temperature: settings.normalize ? 0.2 : 10 })
  const starts = settings.includePrompt === false && { starts: Int32Array.of(1, 0, 4, 2) }
  const batch = { query: { ...query, ...starts }, passage, ...candidatesOf(4, 2, true) }
  const lossNow = () => trainer.gradients(batch, { seed: 9, counter: 4 })
  await lossNow()
  const read = async (tensor: { view?: Parameters<Backend['read']>[0] }) =>
    new Float32Array(await backend.read(tensor.view!))
  const gradient: Float32Array[] = []
  for (const segment of trainable.segments) gradient.push(await read(segment.gradients))
  const start = await takeParameters(backend, trainable)
  const dot = (a: readonly Float32Array[], b: readonly Float32Array[]) =>
    a.reduce((sum, array, i) => sum + array.reduce((part, value, j) => part + value * b[i]![j]!, 0), 0)
  const random = seededValues(5)
  const noise = gradient.map(array => array.map(value => (value === 0 ? 0 : random.normal(1)[0]!)))

  for (const direction of [gradient, noise]) {
    const expected = dot(gradient, direction)
    const length = Math.sqrt(dot(direction, direction))
    const at = async (by: number) => {
      putParameters(
        backend,
        trainable,
        start.map((array, i) => array.map((value, j) => value + (by / length) * direction[i]![j]!)),
      )
      return lossNow()
    }
    // Two step widths cancel the third-order term.
    const slope = async (by: number) => (((await at(by)) - (await at(-by))) / (2 * by)) * length
    const found = (4 * (await slope(width)) - (await slope(2 * width))) / 3
    const scale = Math.sqrt(dot(gradient, gradient)) * length
    assert.ok(Math.abs(found - expected) <= 1e-3 * scale, `slope ${found}, expected ${expected} (scale ${scale})`)
  }
  trainer.release()
  loaded.release()
}

for (const backend of await backendsPresent())
  for (const dropout of [0, 0.1])
    for (const pooling of ['mean', 'cls'] as const) {
      const name = `${backend.kind}: slopes of the loss, ${pooling} pooling, dropout ${dropout}`
      test(`${name}, all parameters`, () => slopes(backend, { kind: 'full' }, headOf(pooling), dropout))
      test(`${name}, low-rank updates of every layer`, () => {
        const targets = ['query', 'key', 'value', 'dense']
        const fresh = newAdapter(config, { rank: 3, alpha: 6, dropout, targets }, 8)
        const random = seededValues(6)
        // B is zero in a new adapter, and A would have no gradient.
        const grown = [...fresh.targets].map(
          ([layer, target]) =>
            [layer, { ...target, B: Float32Array.from(random.normal(target.B.length, 0.3)) }] as const,
        )
        return slopes(
          backend,
          { kind: 'lora', adapter: { ...fresh, targets: new Map(grown) } },
          headOf(pooling),
          dropout,
        )
      })
    }
for (const backend of await backendsPresent())
  test(`${backend.kind}: slopes of the loss through a long head, all parameters`, () =>
    slopes(backend, { kind: 'full' }, longHead, 0))
test.run()
