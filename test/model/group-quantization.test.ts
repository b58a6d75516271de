// Frozen weights in 8 and 4 bits: each is half a step of its group off at most, and a model of them is, forward and in the gradients of its adapter,
// the model of the numbers that they stand for.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { QUANTIZED_GROUP } from '../../src/backend/kernels.js'
import { parseConfig } from '../../src/model/config.js'
import {
  emptyQuantized,
  type FrozenBits,
  type Quantized,
  quantizedBytes,
  quantizeRow,
  relativeLoss,
} from '../../src/model/group-quantization.js'
import { type LoadOptions, loadEncoder, newAdapter, type WeightSource } from '../../src/model/load.js'
import { describeMemory, type MemoryPlan } from '../../src/model/placement.js'
import { expectedTensors, linearLayers } from '../../src/model/tensors.js'
import { encodeTokens } from '../../src/retrieve/encode.js'
import { candidatesOf, createContrastiveTrainer } from '../../src/train/contrastive.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { gradientArrays, worstGradient } from '../support/gradients.js'
import { maxDifference } from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { failure } from '../support/temporary.js'
import { tinyTensors } from '../support/tiny-bert.js'
import { offsetsOf, seededValues } from '../support/values.js'

const random = seededValues(12)

/** The numbers that codes and groups stand for, with each one's step. */
function read({ codes, groups }: Quantized, rows: number, columns: number, bits: FrozenBits) {
  const bf16 = (half: number) => new Float32Array(Uint32Array.of(half << 16).buffer)[0]!
  const rowGroups = Math.ceil(columns / QUANTIZED_GROUP)
  const steps = new Float32Array(rows * columns)
  const values = steps.map((_, i) => {
    const group = Math.floor(i / columns) * rowGroups + Math.floor((i % columns) / QUANTIZED_GROUP)
    const at = (i % columns) % QUANTIZED_GROUP
    const code = (codes[group * bits + Math.floor((at * bits) / 32)]! >>> ((at * bits) % 32)) % 2 ** bits
    steps[i] = bf16(groups[group]! & 0xffff)
    return bf16(groups[group]! >>> 16) + steps[i]! * code
  })
  return { values, steps }
}

function quantized(data: Float32Array, rows: number, columns: number, bits: FrozenBits) {
  const made = emptyQuantized([rows, columns], bits)
  const loss = { squared: 0, total: 0 }
  for (let row = 0; row < rows; row++)
    quantizeRow(data.subarray(row * columns, (row + 1) * columns), row, bits, made, loss, 'W')
  return { made, loss, ...read(made, rows, columns, bits) }
}

for (const bits of [8, 4] as const)
  test(`${bits} bits: no number is more than half a step off; what was lost is told`, () => {
    const [rows, columns] = [9, 77]
    const data = random.normal(rows * columns, 0.05)
    data.fill(0.3, 0, columns) // a row of one number
    data.fill(0, columns, 2 * columns)
    data.set([1e-30, -1e-30, 1e30], 2 * columns)
    data.set(
      data.subarray(3 * columns, 4 * columns).map(x => x + 7),
      3 * columns,
    )
    const { loss, values, steps, made } = quantized(data, rows, columns, bits)
    for (const [i, x] of data.entries()) {
      const bound = 0.5 * steps[i]! + 1e-6 * Math.abs(x)
      assert.ok(Math.abs(values[i]! - x) <= (steps[i] ? bound : 2 ** -8 * Math.abs(x)), `${i}: ${values[i]} for ${x}`)
    }
    assert.is(4 * (made.codes.length + made.groups.length), quantizedBytes([rows, columns], bits))
    const plain = quantized(random.normal(64 * 96), 64, 96, bits)
    assert.ok(plain.loss.total > 0 && loss.total > 0)
    const most = bits === 8 ? 0.006 : 0.09
    assert.ok(
      relativeLoss(plain.loss) < most && relativeLoss(plain.loss) > most / 3,
      `${relativeLoss(plain.loss)} lost`,
    )
    assert.throws(() => quantized(Float32Array.of(1, Number.NaN), 1, 2, bits), /W holds NaN in row 0/)
  })

const config = parseConfig(
  {
    ...{ model_type: 'qwen2', hidden_size: 40, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2 },
    ...{ intermediate_size: 72, vocab_size: 23, max_position_embeddings: 32, rope_theta: 1e4 },
  },
  'tiny',
)
const tensors = new Map(tinyTensors(config).map(each => [each.name, each.data.map(x => 0.3 * x)]))
const linear = new Map(linearLayers(config).map(layer => [`${layer.name}.weight`, layer]))
const source: WeightSource = {
  config,
  expected: expectedTensors(config),
  readTensor: async name => tensors.get(name)!,
}
const settings = { pooling: ['lasttoken'], normalize: true } as const
const adapter = newAdapter(config, { rank: 2, alpha: 4, dropout: 0, targets: ['q_proj', 'down_proj'] }, 1)
for (const { B } of adapter.targets.values()) B.set(seededValues(6).normal(B.length, 0.3))

for (const backend of await backendsPresent()) {
  for (const bits of [8, 4] as const)
    test(`${backend.kind}: a decoder in ${bits} bits, its states and its adapter's gradients`, async () => {
      const stands: WeightSource = {
        ...source,
        async readTensor(name) {
          const layer = linear.get(name)
          if (!layer) return tensors.get(name)!
          return quantized(tensors.get(name)!, layer.outputs, layer.inputs, bits).values
        },
      }
      const batch = { ids: random.integers(30, 23), offsets: offsetsOf([7, 1, 14, 8]) }
      const run = async (from: WeightSource, options: LoadOptions) => {
        const loaded = await loadEncoder(backend, from, settings, { kind: 'lora', adapter }, options)
        const { encoder, trainable } = loaded
        const states = await encodeTokens(backend, encoder, batch)
        const shared = { query: encoder, passage: encoder, trainable: trainable!, optimizer: defaultOptimizer }
        const trainer = createContrastiveTrainer(backend, { ...shared, temperature: 0.1, dropout: 0 })
        await trainer.gradients({ query: batch, passage: batch, ...candidatesOf(4, 1, true) }, { seed: 1, counter: 0 })
        const gradients = await gradientArrays(backend, loaded)
        const unread = options.frozenBits ? await failure(loaded.readWeight('layers.0.mlp.up_proj.weight')) : ''
        trainer.release()
        loaded.release()
        return { states, gradients, unread }
      }
      let [lost, plan] = [0, undefined as MemoryPlan | undefined]
      const onQuantized = (loss: number) => {
        lost = loss
      }
      const onPlan = (made: MemoryPlan) => {
        plan = made
      }
      const found = await run(source, { frozenBits: bits, onQuantized, onPlan })
      const expected = await run(stands, {})
      const largest = expected.states.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
      assert.ok(maxDifference(found.states, expected.states) <= 2e-5 * largest)
      const worst = worstGradient(found.gradients, expected.gradients)
      assert.ok(worst.error <= 2e-4, `${worst.name} is ${worst.error} off`)
      assert.ok(lost > (bits === 8 ? 1e-3 : 0.03) && lost < (bits === 8 ? 0.006 : 0.09), `${lost} lost`)
      assert.match(describeMemory(plan!), `weights in ${bits} bits`)
      assert.match(found.unread, `is held in ${bits} bits, from which it cannot be read back`)
    })

  test(`${backend.kind}: what is trained in full is not held in fewer bits`, async () => {
    const load = loadEncoder(backend, source, settings, { kind: 'full' }, { frozenBits: 4 })
    assert.match(await failure(load), /frozen weights in 4 bits are for LoRA, but method full trains them/)
  })
}

test.run()
