// The loop with a made-up trainer (what is done when, resuming, stopping), and with a tiny encoder (accumulation, evaluation on the way).
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import type { ExampleOrder } from '../../src/data/example-batches.js'
import { encodeSequences } from '../../src/retrieve/encode.js'
import { createTrainable } from '../../src/tensor/parameters.js'
import { type Checkpoint, takeParameters } from '../../src/train/checkpoint.js'
import {
  type ContrastiveBatch,
  type ContrastiveTrainer,
  createContrastiveTrainer,
} from '../../src/train/contrastive.js'
import { type LoopHooks, type LoopSettings, type StepRecord, trainLoop } from '../../src/train/loop.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { backendsPresent } from '../support/present.js'
import { failure } from '../support/temporary.js'
import { parametersOf, tinyEncoder, tinyExamples } from '../support/tiny-training.js'

const backend = await createWasmBackend()

const settingsOf = (more: Partial<LoopSettings> = {}): LoopSettings => ({
  seed: 5,
  steps: 6,
  batchSize: 4,
  accumulation: 1,
  dropLast: true,
  hardNegatives: 0,
  inBatch: true,
  learningRate: 1,
  schedule: { schedule: 'linear', total: 6, warmup: 2 },
  ...more,
})

interface Step {
  readonly batches: readonly ContrastiveBatch[]
  readonly rate: number
  readonly t: number
  readonly counter: number
}

/** Parameters that every batch, rate and counter leaves a mark on; `losses` by step, the step's number where there is none. */
function madeUp(losses: Record<number, number> = {}) {
  const trainable = createTrainable(backend, [{ name: 'w', shape: [3], data: new Float32Array(3), decay: false }])
  const steps: Step[] = []
  const step: ContrastiveTrainer['step'] = async (batches, { rate, t, counter }) => {
    steps.push({ batches, rate, t, counter })
    const [w] = await takeParameters(backend, trainable)
    const mark = batches.flatMap(({ query, passage }) => [...query.ids, ...passage.ids])
    mark.forEach((id, i) => {
      w![i % 3] = w![i % 3]! * 0.9 + rate * (id + 1) + counter
    })
    backend.write(trainable.segments[0]!.parameters.view!, w!)
    const loss = losses[t - 1] ?? t - 1
    return { loss, gradientNorm: 1, finite: Number.isFinite(loss) }
  }
  const trainer: ContrastiveTrainer = {
    step,
    async start(batches, at) {
      const outcome = Promise.resolve(await step(batches, at))
      return { outcome }
    },
    measure: () => Promise.reject(new Error('not asked')),
    gradients: async () => 0,
    peakBytes: () => 0,
    release() {},
  }
  return { trainable, trainer, steps }
}

const set = tinyExamples(10)
const loop = (
  { trainer, trainable }: ReturnType<typeof madeUp>,
  settings: LoopSettings,
  hooks?: LoopHooks,
  resume?: Checkpoint,
  examples = set.examples,
) => trainLoop(backend, trainer, trainable, set.texts, examples, settings, hooks, resume)

/** Ids of the query texts by step and micro-batch. */
const queriesOf = (steps: readonly Step[]) =>
  steps.map(({ batches }) => batches.map(({ query }) => Array.from(query.ids).join()))

test('a step, its evaluation, its record, its checkpoint: in this order, and after the last step in any case', async () => {
  const events: string[] = []
  const made = madeUp()
  const result = await loop(made, settingsOf({ steps: 5, evaluateEvery: 2, checkpointEvery: 3 }), {
    onStep: ({ step, dev_score }) => void events.push(`step ${step}${dev_score === undefined ? '' : ` ${dev_score}`}`),
    evaluate: async () => {
      events.push('evaluate')
      return made.steps.length / 10
    },
    saveCheckpoint: async ({ state }) => void events.push(`save ${(state as { step: number }).step}`),
  })
  assert.equal(events, [
    ...['step 0', 'evaluate', 'step 1 0.2', 'step 2', 'save 3'],
    ...['evaluate', 'step 3 0.4', 'evaluate', 'step 4 0.5', 'save 5'],
  ])
  assert.equal([result.steps, result.bestStep, result.bestScore, result.stoppedEarly], [5, 5, 0.5, false])
})

test('rates follow the schedule, t counts steps and the counter micro-batches', async () => {
  const made = madeUp()
  const records: StepRecord[] = []
  const result = await loop(made, settingsOf({ accumulation: 3 }), { onStep: record => void records.push(record) })
  assert.equal(
    made.steps.map(({ rate }) => rate),
    [0, 0.5, 1, 0.75, 0.5, 0.25],
  )
  assert.equal(
    made.steps.map(({ t, counter }) => [t, counter]),
    [0, 1, 2, 3, 4, 5].map(step => [step + 1, 3 * step]),
  )
  const tokens = made.steps.map(({ batches }) =>
    batches.reduce((sum, { query, passage }) => sum + query.ids.length + passage.ids.length, 0),
  )
  assert.equal(
    records.map(record => record.tokens),
    tokens,
  )
  assert.is(
    result.tokens,
    tokens.reduce((a, b) => a + b),
  )
  // Two whole batches of 4 in 10 examples, three micro-batches a step
  assert.equal(
    records.map(({ epoch }) => epoch),
    [0, 1, 3, 4, 6, 7],
  )
})

test('batches: weights are a mean over the step; an incomplete one is left out or taken', async () => {
  const sizes = async (more: Partial<LoopSettings>) => {
    const made = madeUp()
    await loop(made, settingsOf(more))
    for (const { batches } of made.steps) {
      const sum = batches.flatMap(({ weights }) => [...weights]).reduce((a, b) => a + b)
      assert.ok(Math.abs(sum - 1) < 1e-6, `weights sum to ${sum}`)
    }
    return made.steps.flatMap(({ batches }) => batches.map(({ query }) => query.offsets.length - 1))
  }
  assert.equal(await sizes({}), [4, 4, 4, 4, 4, 4])
  assert.equal(await sizes({ dropLast: false }), [4, 4, 2, 4, 4, 2])
  assert.equal(await sizes({ dropLast: false, accumulation: 2, steps: 3 }), [4, 4, 2, 4, 4, 2])
})

test('passages: the positive, then hard negatives of its own; candidates by the setting', async () => {
  const made = madeUp()
  const few = set.examples.map((example, i) => ({ ...example, negatives: example.negatives.slice(0, 1 + (i % 3)) }))
  // Each text is a single id, its own row.
  const texts = {
    ids: Int32Array.from({ length: 50 }, (_, i) => i),
    offsets: Int32Array.from({ length: 51 }, (_, i) => i),
  }
  const settings = settingsOf({ hardNegatives: 2, inBatch: false, steps: 5, batchSize: 10 })
  const result = await trainLoop(backend, made.trainer, made.trainable, texts, few, settings)
  let repeated = 0
  for (const { batches } of made.steps)
    for (const { query, passage, targets } of batches)
      query.ids.forEach((row, i) => {
        const [positive, first, second] = passage.ids.subarray(3 * i, 3 * i + 3) as unknown as [number, number, number]
        const example = few[row]!
        assert.is(positive, example.positive)
        assert.ok(
          [first, second].every(each => example.negatives.includes(each)),
          `negatives of ${row}`,
        )
        if (example.negatives.length === 1) repeated++
        else assert.is.not(first, second)
        assert.equal(Array.from(targets.subarray(3 * i, 3 * i + 3)), [3 * i, 3 * i, 3 * i + 3])
      })
  assert.is(result.repeatedNegatives, repeated)
  assert.is(repeated, 20, 'four of ten examples have a single one')
  const bare = set.examples.map(example => ({ ...example, negatives: [] }))
  const message = await failure(loop(madeUp(), settingsOf({ hardNegatives: 1 }), {}, undefined, bare))
  assert.match(message, /an example has no hard negatives, but 1 are asked for/)
})

test('early stopping: after so many evaluations without a better score, with the best weights', async () => {
  const scores = [0.3, 0.5, 0.5, 0.4, 0.9]
  const made = madeUp()
  const seen: Float32Array[] = []
  const saved: number[] = []
  const result = await loop(made, settingsOf({ steps: 50, evaluateEvery: 1, patience: 2, checkpointEvery: 100 }), {
    evaluate: async () => {
      seen.push((await takeParameters(backend, made.trainable))[0]!)
      return scores[seen.length - 1]!
    },
    saveCheckpoint: async ({ state }) => void saved.push((state as { step: number }).step),
  })
  assert.equal([result.steps, result.stoppedEarly, result.bestStep, result.bestScore], [4, true, 2, 0.5])
  assert.equal((await takeParameters(backend, made.trainable))[0], seen[1])
  assert.not.equal(seen[1], seen[3])
  assert.equal(saved, [4])
})

test('resumed from any checkpoint, with accumulation, hard negatives and early stopping, nothing is different', async () => {
  const settings = settingsOf({
    ...{ steps: 12, accumulation: 2, batchSize: 3, dropLast: false, hardNegatives: 2 },
    ...{ evaluateEvery: 2, checkpointEvery: 1, patience: 3 },
  })
  const scores: Record<number, number> = { 2: 0.1, 4: 0.6, 6: 0.2, 8: 0.3, 10: 0.4, 12: 0.9 }
  const train = async (resume?: Checkpoint) => {
    const made = madeUp()
    const saved: Checkpoint[] = []
    const before = resume ? (resume.state as { step: number }).step : 0
    // Most at the first step of all.
    const trainer = { ...made.trainer, peakBytes: () => 100 - before - made.steps.length }
    const result = await loop(
      { ...made, trainer },
      settings,
      {
        evaluate: async () => scores[before + made.steps.length]!,
        // As a file would: nothing of it is shared.
        saveCheckpoint: async ({ state, ...rest }) =>
          void saved.push(structuredClone({ ...rest, state: { ...(state as object), seconds: 7 } })),
      },
      resume,
    )
    const { seconds, ...lasting } = result
    assert.ok(resume ? seconds >= 7 : seconds < 7, `${seconds} s, of them 7 before the resume`)
    return { lasting, saved, queries: queriesOf(made.steps), final: await takeParameters(backend, made.trainable) }
  }
  const whole = await train()
  const { tokens, ...lasting } = whole.lasting
  assert.equal(lasting, {
    ...{ steps: 10, stoppedEarly: true, bestStep: 4, bestScore: 0.6, repeatedNegatives: 0 },
    peakBytes: 99,
  })
  assert.ok(tokens > 0)
  assert.is(whole.saved.length, 10)
  for (const [i, checkpoint] of whole.saved.entries()) {
    const rest = await train(checkpoint)
    assert.equal(rest.queries, whole.queries.slice(i + 1), `batches after step ${i + 1}`)
    assert.equal(rest.lasting, whole.lasting, `after step ${i + 1}`)
    assert.equal(rest.final, whole.final, `after step ${i + 1}`)
    assert.equal(rest.saved, whole.saved.slice(i + 1), `checkpoints after step ${i + 1}`)
  }
})

const lengths = set.examples.map(({ query, positive }) =>
  [query, positive].reduce((sum, text) => sum + set.texts.offsets[text + 1]! - set.texts.offsets[text]!, 0),
)
const orders: ExampleOrder[] = [
  { kind: 'by_length', tokens: 3 * Math.max(...lengths), lengths, leastRows: 2 },
  ...(['mixed', 'homogeneous'] as const).map(kind => ({
    kind,
    sets: [
      { name: 'a', weight: 3, examples: [0, 1, 2] },
      { name: 'b', examples: [3, 4, 5, 6, 7, 8, 9] },
    ],
  })),
]
for (const order of orders)
  test(`batches ${order.kind}: as their order says, and the same when resumed from any checkpoint`, async () => {
    const train = async (resume?: Checkpoint) => {
      const made = madeUp()
      const saved: Checkpoint[] = []
      const records: StepRecord[] = []
      const hooks: LoopHooks = {
        saveCheckpoint: async checkpoint => void saved.push(structuredClone(checkpoint)),
        onStep: record => void records.push({ ...record, seconds: 0 }),
      }
      const settings = settingsOf({ steps: 9, checkpointEvery: 1, batchSize: 3, hardNegatives: 1, order })
      await loop(made, settings, hooks, resume)
      return { batches: made.steps.flatMap(({ batches }) => batches), saved, records }
    }
    const whole = await train()
    for (const [i, checkpoint] of whole.saved.entries()) {
      const rest = await train(checkpoint)
      assert.equal(rest.batches, whole.batches.slice(i + 1), `batches after step ${i + 1}`)
      assert.equal(rest.records, whole.records.slice(i + 1))
    }
    const drawn = whole.records.map(record => record.drawn)
    if (order.kind === 'by_length') assert.ok(drawn.every(each => each === undefined))
    else {
      assert.ok(drawn.every(each => each![0]! + each![1]! === 3))
      const pure = drawn.filter(each => each!.includes(0)).length
      if (order.kind === 'homogeneous') assert.is(pure, 9)
      else assert.ok(pure < 9, 'some batches are of both sets')
    }
    for (const { query, passage } of whole.batches) {
      const count = query.offsets.length - 1
      assert.is(passage.offsets.length - 1, 2 * count)
      if (order.kind !== 'by_length') assert.is(count, 3)
      else assert.ok(count >= 2 && query.ids.length <= order.tokens)
    }
  })

test('a step is handed over before the loss of the last one is known, but for what waits for its parameters', async () => {
  const made = madeUp()
  const events: string[] = []
  const trainer: ContrastiveTrainer = {
    ...made.trainer,
    async start(batches, at) {
      events.push(`start ${at.t - 1}`)
      const { outcome } = await made.trainer.start(batches, at)
      // Told late, as by a device.
      return { outcome: new Promise(resolve => setTimeout(resolve, 5)).then(() => outcome) }
    },
  }
  const tokens: number[] = []
  await loop({ ...made, trainer }, settingsOf({ steps: 5, evaluateEvery: 3 }), {
    evaluate: async () => events.push('evaluate'),
    onStep: record => {
      events.push(`told ${record.step} ${record.loss} ${record.learning_rate}`)
      tokens.push(record.tokens)
    },
  })
  assert.equal(events, [
    ...['start 0', 'start 1', 'told 0 0 0', 'start 2', 'told 1 1 0.5', 'evaluate', 'told 2 2 1'],
    ...['start 3', 'start 4', 'told 3 3 0.75', 'evaluate', 'told 4 4 0.5'],
  ])
  const idsOf = ({ batches: [batch] }: Step) => batch!.query.ids.length + batch!.passage.ids.length
  assert.equal(tokens, made.steps.map(idsOf))
})

test('an abort keeps a checkpoint of the steps done; a loss that is no number stops and keeps none of its step', async () => {
  const controller = new AbortController()
  const saved: number[] = []
  const saveCheckpoint: LoopHooks['saveCheckpoint'] = async ({ state }) =>
    void saved.push((state as { step: number }).step)
  const hooks: LoopHooks = {
    saveCheckpoint,
    signal: controller.signal,
    onStep: ({ step }) => {
      if (step === 2) controller.abort(new Error('stopped by hand'))
    },
  }
  const aborted = madeUp()
  assert.match(await failure(loop(aborted, settingsOf(), hooks)), /stopped by hand/)
  // The step behind it was with the device by then: it is done, and saved too.
  assert.equal([saved, aborted.steps.length], [[4], 4])
  saved.length = 0
  const diverged = madeUp({ 4: Number.NaN })
  const message = await failure(loop(diverged, settingsOf({ checkpointEvery: 2 }), { saveCheckpoint }))
  assert.match(message, /step 4: the loss is NaN, expected a finite number; lower the learning rate/)
  assert.equal(saved, [2, 4])
})

for (const present of await backendsPresent()) {
  const { texts, examples } = tinyExamples(12, 2)

  /** Losses and parameters of a tiny encoder after some steps. */
  const trained = async (
    settings: Partial<LoopSettings>,
    dropout: number,
    hooks: (encode: () => Promise<Float32Array>) => LoopHooks = () => ({}),
  ) => {
    const loaded = await tinyEncoder(present, { kind: 'full' })
    const { encoder, trainable } = loaded
    const shared = { query: encoder, passage: encoder, trainable: trainable!, temperature: 0.1 }
    const trainer = createContrastiveTrainer(present, { ...shared, optimizer: defaultOptimizer, dropout })
    const losses: number[] = []
    await trainLoop(present, trainer, trainable!, texts, examples, settingsOf({ learningRate: 1e-3, ...settings }), {
      ...hooks(() => encodeSequences(present, encoder, texts)),
      onStep: ({ loss }) => void losses.push(loss),
    })
    const parameters = await parametersOf(present, trainable!)
    trainer.release()
    loaded.release()
    return { losses, parameters }
  }

  test(`${present.kind}: without in-batch negatives, accumulation is one larger batch`, async () => {
    const common = { steps: 2, hardNegatives: 2, inBatch: false }
    const whole = await trained({ ...common, batchSize: 6, accumulation: 1 }, 0)
    const parts = await trained({ ...common, batchSize: 2, accumulation: 3 }, 0)
    whole.losses.forEach((loss, step) => {
      assert.ok(Math.abs(parts.losses[step]! - loss) < 1e-5 * loss, `step ${step}: ${parts.losses[step]}, ${loss}`)
    })
    for (const [name, data] of whole.parameters) {
      // Its true gradient is 0: Adam makes steps of the rounding.
      if (name.endsWith('self.key.bias')) continue
      const other = parts.parameters.get(name)!
      const far = data.findIndex((x, i) => Math.abs(x - other[i]!) > 1e-4)
      assert.ok(far < 0, `${name}[${far}] is ${other[far]}, expected ${data[far]}`)
    }
    const apart = await trained({ ...common, steps: 1, batchSize: 2, accumulation: 3, inBatch: true }, 0)
    assert.ok(Math.abs(apart.losses[0]! - whole.losses[0]!) > 0.01, 'in-batch negatives make a difference')
  })

  test(`${present.kind}: encoding between steps changes no bit of training`, async () => {
    const settings = { steps: 2, accumulation: 2, batchSize: 5, hardNegatives: 1 }
    const plain = await trained(settings, 0.1)
    let evaluations = 0
    const evaluated = await trained({ ...settings, evaluateEvery: 1 }, 0.1, encode => ({
      evaluate: async () => {
        await encode()
        return ++evaluations
      },
    }))
    assert.is(evaluations, 2)
    assert.equal(evaluated, plain)
  })
}
test.run()
