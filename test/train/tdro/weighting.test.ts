// tDRO in the loop: each query's loss as it is read back, the weights of the proxy's loss, and resuming with the same bits.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../../src/backend/backend.js'
import { createWasmBackend } from '../../../src/backend/wasm/backend.js'
import { selectSequences } from '../../../src/model/batch.js'
import { encodeSequences } from '../../../src/retrieve/encode.js'
import type { Checkpoint } from '../../../src/train/checkpoint.js'
import { type ContrastiveBatch, candidatesOf, createContrastiveTrainer } from '../../../src/train/contrastive.js'
import { type LoopSettings, type StepRecord, trainLoop } from '../../../src/train/loop.js'
import { defaultOptimizer } from '../../../src/train/optimizer.js'
import type { MicroBatch } from '../../../src/train/tdro/measure.js'
import { createTdroWeighting, type TdroRecord } from '../../../src/train/tdro/weighting.js'
import { startWeights, updateWeights } from '../../../src/train/tdro/weights.js'
import { fixedWeighting, type Weighting } from '../../../src/train/weighting.js'
import { backendsPresent } from '../../support/present.js'
import { parametersOf, tinyEncoder, tinyExamples } from '../../support/tiny-training.js'

const { texts, examples } = tinyExamples(16, 4)
const perQuery = 3
const TEMPERATURE = 0.1

function batchOf(first: number, count: number): ContrastiveBatch {
  const chosen = examples.slice(first, first + count)
  const passages = chosen.flatMap(({ positive, negatives }) => [positive, negatives[0]!, negatives[2]!])
  return {
    query: selectSequences(
      texts,
      chosen.map(({ query }) => query),
    ),
    passage: selectSequences(texts, passages),
    ...candidatesOf(count, perQuery, false),
  }
}

async function trainerOf(backend: Backend, chunkSize?: number) {
  const loaded = await tinyEncoder(backend, { kind: 'full' })
  const trainer = createContrastiveTrainer(backend, {
    ...{ query: loaded.encoder, passage: loaded.encoder, trainable: loaded.trainable!, temperature: TEMPERATURE },
    ...{ optimizer: defaultOptimizer, dropout: 0, keepLosses: true },
    loss: { kind: 'infonce', perQuery, inBatch: false },
    ...(chunkSize !== undefined && { chunkSize }),
  })
  return { loaded, trainer }
}

for (const backend of await backendsPresent())
  for (const chunkSize of [undefined, 3])
    test(`${backend.kind}: the losses of single queries, whole and in chunks of ${chunkSize ?? 'all'}`, async () => {
      const { loaded, trainer } = await trainerOf(backend, chunkSize)
      const batches = [batchOf(0, 5), batchOf(5, 3)]
      const expected: number[][] = []
      for (const { query, passage } of batches) {
        const [q, p] = [query, passage].map(side => encodeSequences(backend, loaded.encoder, side))
        const [queries, passages] = [await q!, await p!]
        const width = queries.length / (query.offsets.length - 1)
        expected.push(
          Array.from({ length: query.offsets.length - 1 }, (_, i) => {
            const scores = Array.from({ length: perQuery }, (_, j) => {
              let sum = 0
              for (let c = 0; c < width; c++) sum += queries[i * width + c]! * passages[(i * perQuery + j) * width + c]!
              return sum / TEMPERATURE
            })
            return Math.log(scores.reduce((sum, score) => sum + Math.exp(score - scores[0]!), 0))
          }),
        )
      }
      const near = (found: Float32Array, wanted: readonly number[]) =>
        found.forEach((value, i) => {
          assert.ok(Math.abs(value - wanted[i]!) < 2e-5 * Math.max(1, wanted[i]!), `${value} for ${wanted[i]}`)
        })
      near(await trainer.measure(batches[0]!, { seed: 1, counter: 0 }), expected[0]!)
      const { losses, loss } = await trainer.step(batches, { rate: 0, t: 1, seed: 1, counter: 0 })
      losses!.forEach((each, i) => void near(each, expected[i]!))
      const means = expected.map(each => each.reduce((a, b) => a + b) / each.length)
      assert.ok(Math.abs(loss - means[0]! - means[1]!) < 1e-4, 'the loss of the step is the weighted sum')
      trainer.release()
      loaded.release()
    })

const backend = await createWasmBackend()
const sets = [
  { name: 'even', examples: examples.map((_, i) => i).filter(i => i % 2 === 0) },
  { name: 'odd', examples: examples.map((_, i) => i).filter(i => i % 2 === 1) },
]
const settings: LoopSettings = {
  ...{ seed: 5, steps: 6, batchSize: 5, accumulation: 2, dropLast: false, hardNegatives: 2, inBatch: false },
  ...{ learningRate: 0.01, checkpointEvery: 1, order: { kind: 'mixed', sets } },
  schedule: { schedule: 'constant', total: 6, warmup: 0 },
}
const reference = async (step: number) =>
  [0, 1].map(part => Array.from({ length: 5 }, (_, i) => 0.3 + 0.1 * ((step + part + i) % 4)))

async function run(weighting: Weighting, resume?: Checkpoint) {
  const { loaded, trainer } = await trainerOf(backend)
  const records: StepRecord[] = []
  const saved: Checkpoint[] = []
  const hooks = {
    onStep: (record: StepRecord) => void records.push({ ...record, seconds: 0 }),
    saveCheckpoint: async (checkpoint: Checkpoint) => void saved.push(structuredClone(checkpoint)),
  }
  await trainLoop(backend, trainer, loaded.trainable!, texts, examples, { ...settings, weighting }, hooks, resume)
  const parameters = await parametersOf(backend, loaded.trainable!)
  trainer.release()
  loaded.release()
  return { records, saved, parameters }
}

function tdro(update: 'before' | 'after', rate = 0.5) {
  const recorded: { step: number; batch: MicroBatch }[] = []
  const warnings: string[] = []
  const weighting = createTdroWeighting(
    { mode: 'reference', count: 2, domains: ['even', 'odd'], update, rate, reference },
    {
      record: async (step, batch) => void recorded.push({ step, batch: structuredClone(batch) }),
      warn: line => void warnings.push(line),
      collapsed: (step, domain) => `${step} ${domain}`,
    },
  )
  return { weighting, recorded, warnings }
}

for (const update of ['after', 'before'] as const)
  test(`update ${update}: the logged weights are those of the recorded losses, and weigh the loss`, async () => {
    const { weighting, recorded } = tdro(update)
    const { records } = await run(weighting)
    let state = startWeights({ mode: 'reference', count: 2 })
    for (const { step, loss, weighting: said } of records) {
      const batches = recorded.filter(each => each.step === step).map(({ batch }) => batch)
      assert.is(batches.length, 2)
      const before = state.alpha
      state = updateWeights(state, batches, { mode: 'reference', count: 2, rate: 0.5 }).state
      const { alpha, proxy_loss } = said as unknown as TdroRecord
      assert.equal(alpha, state.alpha)
      const used = update === 'before' ? alpha : before
      const losses = batches.map(({ domains, loss: each }) => {
        const weights = Array.from(domains, g => used[g]!)
        const total = weights.reduce((a, b) => a + b)
        return weights.reduce((sum, weight, i) => sum + (weight * each[i]!) / total, 0)
      })
      losses.forEach((each, i) => void assert.ok(Math.abs(each - proxy_loss[i]!) < 1e-12))
      assert.ok(Math.abs(loss - (losses[0]! + losses[1]!) / 2) < 1e-5, `step ${step}: ${loss}`)
    }
    assert.ok(Math.abs(state.alpha[0]! - 0.5) > 0.01, 'control: the weights have moved')
  })

test('resumed from any checkpoint: the same bits, weights included', async () => {
  const whole = await run(tdro('after').weighting)
  for (const [i, checkpoint] of whole.saved.entries()) {
    if (i % 2 === 1) continue
    const state = JSON.parse(JSON.stringify(checkpoint.state))
    const rest = await run(tdro('after').weighting, { ...checkpoint, state })
    assert.equal(rest.records, whole.records.slice(i + 1))
    assert.equal(rest.parameters, whole.parameters)
  }
})

test('fixed factors: equal ones change nothing, others multiply the losses of their set', async () => {
  const plain = await run(fixedWeighting([1, 1]))
  const first = plain.records[0]!
  const { weighting, recorded } = tdro('after')
  await run(weighting)
  const factors = [2, 0.5]
  const other = await run(fixedWeighting(factors))
  const expected = recorded
    .filter(({ step }) => step === 0)
    .map(({ batch: { domains, loss } }) =>
      Array.from(loss, (l, i) => (factors[domains[i]!]! * l) / 10).reduce((a, b) => a + b),
    )
  assert.ok(Math.abs(other.records[0]!.loss - expected[0]! - expected[1]!) < 1e-5)
  assert.ok(Math.abs(other.records[0]!.loss - first.loss) > 1e-3)
})

test('collapse is said once, and a loss that is no number names its domain', async () => {
  const { weighting, warnings } = tdro('after', 40)
  await run(weighting)
  assert.is(warnings.length, 1)
  const broken = createTdroWeighting(
    { mode: 'direct', count: 2, domains: ['even', 'odd'], update: 'after' },
    { collapsed: () => '' },
  )
  let message = ''
  await broken
    .end(0, [Int32Array.of(0, 1)], [Float32Array.of(1, Number.NaN)])
    .catch((error: Error) => (message = error.message))
  assert.match(message, /step 0: a loss of the domain odd is NaN/)
})

test.run()
