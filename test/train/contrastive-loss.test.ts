// Every loss of a recipe through `recordLoss`: against PyTorch in f64 where there is an oracle, else against f64 and its central differences; scores
// stored whole and gone through by tiles.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import { selectSequences } from '../../src/model/batch.js'
import { pairwiseSoftmax } from '../../src/ops/pairwise-softmax.js'
import { l2Normalize } from '../../src/ops/pooling.js'
import { frozenTensor, readTensor, stateTensor } from '../../src/tensor/parameters.js'
import { createPlan, memoryFigure } from '../../src/tensor/plan.js'
import { createPool, createProgram, type HostArray, releasePool } from '../../src/tensor/program.js'
import type { Tensor } from '../../src/tensor/tensor.js'
import { createTrace, input, output, runTape } from '../../src/tensor/trace.js'
import { type ContrastiveBatch, candidatesOf, createContrastiveTrainer } from '../../src/train/contrastive.js'
import {
  type LossOptions,
  type LossSettings,
  lossInputs,
  lossShape,
  recordLoss,
} from '../../src/train/contrastive-loss.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import {
  type Arrays,
  differenceNorm,
  largest,
  maxDifference,
  norm,
  readArrays,
  readIntegers,
} from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { needs } from '../support/shared.js'
import { tinyEncoder, tinyExamples } from '../support/tiny-training.js'
import { seededValues } from '../support/values.js'

interface Vectors {
  readonly query: Float32Array
  readonly passage: Float32Array
  readonly width: number
}
type Given = Pick<ContrastiveBatch, 'targets' | 'weights' | 'labels' | 'teacher'>
type Options = LossOptions & { readonly unit: boolean }

/** One-token texts: the loss looks at nothing but how many there are. */
const texts = (count: number) => ({
  ids: new Int32Array(count),
  offsets: Int32Array.from({ length: count + 1 }, (_, i) => i),
})

async function lossAndGradients(backend: Backend, { query, passage, width }: Vectors, given: Given, options: Options) {
  const batch = { query: texts(query.length / width), passage: texts(passage.length / width), ...given }
  const { values, tiles } = lossShape(batch, options)
  const trace = createTrace({ training: true })
  const table = (name: string, data: Float32Array): Tensor => {
    const shape = [data.length / width, width]
    const gradient = stateTensor(backend, `d${name}`, shape)
    return { ...frozenTensor(backend, name, shape, data), needsGradient: true, gradient }
  }
  const raw = [table('query', query), table('passage', passage)] as const
  // The sizes of a step are symbols
  const sides = raw.map((tensor, i) => ({ ...tensor, shape: [['Q', 'P'][i]!, width], gradient: undefined }))
  const unit = sides.map((tensor, i) => {
    const placed = { ...tensor, gradient: { ...raw[i]!.gradient!, shape: tensor.shape } } as Tensor
    return options.unit ? l2Normalize(trace, placed, `${placed.name}.unit`) : placed
  })
  const loss = stateTensor(backend, 'loss', [1])
  recordLoss(trace, unit[0]!, unit[1]!, { ...options, tiles }, loss)
  runTape(trace)
  const plan = createPlan('loss', trace)
  const pool = createPool(backend)
  const program = createProgram(plan, pool)
  await program.run({ ...values, addsToLoss: 0 }, lossInputs(batch, options))
  const found = {
    loss: (await readTensor(backend, loss))[0]!,
    query: await readTensor(backend, raw[0].gradient!),
    passage: await readTensor(backend, raw[1].gradient!),
    bytes: memoryFigure(plan, { ...values, addsToLoss: 0 }).temporaries,
    tiles,
  }
  program.release()
  releasePool(pool)
  return found
}

const folder = needs('oracles/losses')
const cases: Record<
  string,
  { file: string; similarity: string; temperature: number; passages_per_query: number; loss: number }
> = folder ? JSON.parse(readFileSync(`${folder}/cases.json`, 'utf8')) : {}
const backends = await backendsPresent()

interface Oracle {
  readonly name: string
  readonly kind?: LossSettings['kind']
  /** Of InfoNCE over own passages: by ranges of candidates (false), or scores of own passages alone. */
  readonly own?: boolean
}

const oracles: Oracle[] = [
  ...[
    'infonce-in-batch',
    'infonce-in-batch-dot',
    'infonce-hard-negatives',
    'infonce-large-scale',
    'infonce-weighted',
  ].map(name => ({ name })),
  { name: 'infonce-bidirectional', kind: 'both_directions' },
  { name: 'tdro-proxy' },
  { name: 'tdro-proxy', own: true },
  { name: 'tdro-proxy-large-scale' },
  { name: 'tdro-proxy-large-scale', own: true },
  { name: 'margin-mse', kind: 'margin_mse' },
  { name: 'distillation-kl', kind: 'kl' },
]

async function weightsOf(name: string, arrays: Arrays, queries: number): Promise<Float32Array> {
  const raw = name.startsWith('tdro')
    ? Float32Array.from(await readIntegers(`${folder}/${cases[name]!.file}`, 'groups'), group => arrays.alpha![group]!)
    : (arrays.weights ?? new Float32Array(queries).fill(1))
  const total = raw.reduce((sum, weight) => sum + weight, 0)
  return raw.map(weight => weight / total)
}

for (const backend of backends)
  for (const { name, kind = 'infonce', own } of oracles)
    for (const scoresAtOnce of [undefined, 100])
      (folder ? test : test.skip)(
        `${backend.kind}: ${name}${own ? ', own passages alone' : ''}${scoresAtOnce ? ', by tiles' : ''}`,
        async () => {
          const { file, similarity, temperature = 1, loss: expected } = cases[name]!
          const arrays = await readArrays(`${folder}/${file}`)
          const { query, passage } = arrays as { query: Float32Array; passage: Float32Array }
          const [queries, perQuery] = [query.length / 32, passage.length / query.length]
          const inBatch = !name.startsWith('tdro')
          const options: Options = {
            temperature,
            unit: similarity === 'cosine',
            ...(scoresAtOnce && { scoresAtOnce }),
            ...((kind !== 'infonce' || own) && { loss: { kind, perQuery, inBatch } }),
          }
          const given = {
            ...candidatesOf(queries, perQuery, inBatch),
            weights: await weightsOf(name, arrays, queries),
            ...(arrays.teacher && { teacher: arrays.teacher }),
          }
          const found = await lossAndGradients(backend, { query, passage, width: 32 }, given, options)
          assert.is(found.tiles > 1, scoresAtOnce !== undefined && queries * queries * perQuery > scoresAtOnce)
          assert.ok(
            Math.abs(found.loss - expected) <= 1e-5 * Math.abs(expected),
            `loss ${found.loss}, expected ${expected}`,
          )
          const tolerance = name.endsWith('large-scale') ? 2e-4 : 1e-5
          for (const side of ['query', 'passage'] as const) {
            const gradient = arrays[`grad.${side}`]!
            const error = maxDifference(found[side], gradient) / largest(gradient)
            assert.ok(error <= tolerance, `gradient of ${side} is ${error} off`)
          }
        },
      )

for (const backend of backends)
  (folder ? test : test.skip)(`${backend.kind}: pairwise-softmax`, async () => {
    const arrays = await readArrays(`${folder}/${cases['pairwise-softmax']!.file}`)
    const rows = arrays.scores!.length / 2
    const trace = createTrace({ training: true })
    const scores = { ...frozenTensor(backend, 'scores', [rows, 2], arrays.scores!), needsGradient: true }
    const weights = input(trace, 'weights', [rows], 'f32')
    const loss = stateTensor(backend, 'loss', [1])
    output(trace, 'losses', pairwiseSoftmax(trace, scores, { weights, loss, accumulate: 0 }))
    runTape(trace)
    output(trace, 'dscores', trace.gradients.get(scores)!)
    const program = createProgram(createPlan('loss', trace), createPool(backend))
    await program.run({}, { weights: new Float32Array(rows).fill(1 / rows) })
    assert.ok(maxDifference(await program.read('losses'), arrays.losses!) <= 1e-5 * largest(arrays.losses!))
    const expected = arrays['grad.scores']!
    assert.ok(maxDifference(await program.read('dscores'), expected) <= 1e-5 * largest(expected))
    assert.ok(Math.abs((await readTensor(backend, loss))[0]! / cases['pairwise-softmax']!.loss - 1) <= 1e-5)
  })

// What has no oracle: in f64, written for reading.
type Rows = readonly (readonly number[])[]
const rowsOf = (data: ArrayLike<number>, width: number): Rows =>
  Array.from({ length: data.length / width }, (_, i) => Array.from({ length: width }, (_, c) => data[i * width + c]!))
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
const unitRows = (rows: Rows): Rows => rows.map(row => row.map(value => value / Math.sqrt(dot(row, row))))
const crossEntropyOf = (scores: readonly number[], target: number) =>
  Math.log(scores.reduce((sum, score) => sum + Math.exp(score - scores[target]!), 0))

function lossInF64(q: Rows, p: Rows, given: Given, { loss, temperature, unit, maskDuplicates }: Options): number {
  const { kind, perQuery, matryoshka, margin, teacherTemperature = 1 } = loss!
  const each = (dimension: number): number => {
    const cut = (rows: Rows) => {
      const prefix = rows.map(row => row.slice(0, dimension))
      return unit ? unitRows(prefix) : prefix
    }
    const [queries, passages] = [cut(q), cut(p)]
    const score = (i: number, j: number) => dot(queries[i]!, passages[j]!) / temperature
    const labels = maskDuplicates ? given.labels! : Int32Array.from(passages, (_, j) => j)
    return queries.reduce((sum, _, i) => {
      const own = i * perQuery
      const s = Array.from({ length: perQuery }, (_, j) => score(i, own + j))
      const negatives = s.slice(1)
      const over = passages.flatMap((_, j) => (j === own || labels[j] !== labels[own] ? [j] : []))
      const back = queries.flatMap((_, k) => (k === i || labels[k * perQuery] !== labels[own] ? [k] : []))
      const powers = Array.from({ length: perQuery }, (_, j) => Math.exp(given.teacher![own + j]! / teacherTemperature))
      const t = powers.map(power => power / powers.reduce((a, b) => a + b, 0))
      const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length
      const value = {
        infonce: () =>
          crossEntropyOf(
            over.map(j => score(i, j)),
            over.indexOf(own),
          ),
        both_directions: () =>
          (crossEntropyOf(
            over.map(j => score(i, j)),
            over.indexOf(own),
          ) +
            crossEntropyOf(
              back.map(k => score(k, own)),
              back.indexOf(i),
            )) /
          2,
        pairwise_softmax: () => mean(negatives.map(negative => Math.log1p(Math.exp(negative - s[0]!)))),
        triplet: () => mean(negatives.map(negative => Math.max(0, margin! + negative - s[0]!))),
        margin_mse: () =>
          mean(
            negatives.map(
              (negative, j) => (s[0]! - negative - (given.teacher![own]! - given.teacher![own + j + 1]!)) ** 2,
            ),
          ),
        kl: () => t.reduce((total, each, j) => total + each * (Math.log(each) + crossEntropyOf(s, j)), 0),
      }[kind]()
      return sum + given.weights[i]! * value
    }, 0)
  }
  const dimensions = matryoshka?.dimensions ?? [q[0]!.length]
  return dimensions.reduce((sum, dimension, i) => sum + (matryoshka?.weights[i] ?? 1) * each(dimension), 0)
}

function differences(vectors: Vectors, given: Given, options: Options, side: 'query' | 'passage'): Float64Array {
  const base = { query: Float64Array.from(vectors.query), passage: Float64Array.from(vectors.passage) }
  const at = () => lossInF64(rowsOf(base.query, vectors.width), rowsOf(base.passage, vectors.width), given, options)
  return base[side].map((value, i) => {
    const step = 1e-5
    base[side][i] = value + step
    const above = at()
    base[side][i] = value - step
    const below = at()
    base[side][i] = value
    return (above - below) / (2 * step)
  })
}

const [queries, perQuery, width] = [5, 3, 8]
const random = seededValues(31)
const vectors: Vectors = {
  query: random.normal(queries * width),
  passage: random.normal(queries * perQuery * width),
  width,
}
const matryoshka = { dimensions: [8, 4, 3], weights: [1, 0.5, 2] }
const own: Given = {
  ...candidatesOf(queries, perQuery, true),
  weights: random.uniform(queries, 0.1, 0.4),
  labels: Int32Array.from({ length: queries * perQuery }, (_, i) => [0, 1, 2, 0, 4, 1, 6, 7, 8, 1, 3][i % 11]!),
  teacher: random.uniform(queries * perQuery, -2, 2),
}
const further: {
  readonly name: string
  readonly loss: Partial<LossSettings>
  readonly masked?: boolean
  readonly dot?: boolean
}[] = [
  { name: 'both directions with hard negatives', loss: { kind: 'both_directions' } },
  { name: 'both directions, duplicates masked', loss: { kind: 'both_directions' }, masked: true },
  { name: 'InfoNCE, duplicates masked, Matryoshka', loss: { kind: 'infonce', matryoshka }, masked: true },
  { name: 'triplet', loss: { kind: 'triplet', margin: 0.3 } },
  { name: 'pairwise softmax over several negatives', loss: { kind: 'pairwise_softmax' }, dot: true },
  { name: 'margin-MSE, Matryoshka', loss: { kind: 'margin_mse', matryoshka }, dot: true },
  { name: 'KL, a teacher of temperature 2', loss: { kind: 'kl', teacherTemperature: 2 } },
  { name: 'both directions, Matryoshka', loss: { kind: 'both_directions', matryoshka } },
]

for (const backend of backends)
  for (const { name, loss, masked, dot: raw } of further)
    for (const scoresAtOnce of [undefined, 20])
      test(`${backend.kind}: ${name}${scoresAtOnce ? ', by tiles' : ''}`, async () => {
        const options: Options = {
          loss: { kind: 'infonce', perQuery, inBatch: true, ...loss },
          temperature: 0.5,
          unit: !raw,
          ...(masked && { maskDuplicates: true }),
          ...(scoresAtOnce && { scoresAtOnce }),
        }
        const found = await lossAndGradients(backend, vectors, own, options)
        const expected = lossInF64(rowsOf(vectors.query, width), rowsOf(vectors.passage, width), own, options)
        assert.ok(
          Math.abs(found.loss - expected) <= 1e-5 * Math.abs(expected),
          `loss ${found.loss}, expected ${expected}`,
        )
        for (const side of ['query', 'passage'] as const) {
          const gradient = differences(vectors, own, options, side)
          const error = maxDifference(found[side], gradient) / largest(gradient)
          assert.ok(error <= 1e-5, `gradient of ${side} is ${error} off`)
        }
      })

test('tiles bound the room that scores take', async () => {
  const many = { query: random.normal(200 * 8), passage: random.normal(3000 * 8), width: 8 }
  const given = candidatesOf(200, 15, true)
  const options = { temperature: 0.05, unit: true }
  const backend = backends[0]!
  const whole = await lossAndGradients(backend, many, given, options)
  const tiled = await lossAndGradients(backend, many, given, { ...options, scoresAtOnce: 30_000 })
  assert.is(whole.tiles, 1)
  assert.is(tiled.tiles, 128)
  assert.ok(whole.bytes - tiled.bytes > 0.9 * 200 * 3000 * 4, `${whole.bytes} and ${tiled.bytes} bytes`)
  assert.ok(Math.abs(whole.loss - tiled.loss) <= 1e-6 * whole.loss)
  for (const side of ['query', 'passage'] as const)
    assert.ok(maxDifference(tiled[side], whole[side]) <= 2e-6 * largest(whole[side]), side)
})

for (const backend of backends)
  test(`${backend.kind}: a step's gradient is the same by tiles and chunks`, async () => {
    const { texts: store, examples } = tinyExamples(12, 6)
    const loaded = await tinyEncoder(backend, { kind: 'full' })
    const trainable = loaded.trainable!
    const passages = examples.flatMap(({ positive, negatives }) => [positive, negatives[0]!])
    const batch = {
      query: selectSequences(
        store,
        examples.map(({ query }) => query),
      ),
      passage: selectSequences(store, passages),
      ...candidatesOf(12, 2, true),
      labels: Int32Array.from(passages, (_, i) => i % 9),
    }
    const gradientsWith = async (more: { scoresAtOnce?: number; chunkSize?: number }) => {
      for (const { gradients } of trainable.segments)
        backend.write(gradients.view!, new Float32Array(gradients.shape[0] as number))
      const encoders = { query: loaded.encoder, passage: loaded.encoder, trainable, optimizer: defaultOptimizer }
      const settings = { ...encoders, temperature: 0.1, dropout: 0, maskDuplicates: true, ...more }
      const trainer = createContrastiveTrainer(backend, settings)
      const loss = await trainer.gradients(batch, { seed: 1, counter: 0 })
      trainer.release()
      const segments = await Promise.all(trainable.segments.map(({ gradients }) => readTensor(backend, gradients)))
      return { loss, values: segments.flatMap(values => Array.from(values)) }
    }
    const whole = await gradientsWith({})
    for (const more of [{ scoresAtOnce: 50 }, { scoresAtOnce: 50, chunkSize: 5 }, { chunkSize: 5 }]) {
      const { loss, values } = await gradientsWith(more)
      assert.ok(Math.abs(loss - whole.loss) <= 1e-6 * whole.loss, `loss ${loss}, expected ${whole.loss}`)
      const error = differenceNorm(values, whole.values) / norm(whole.values)
      assert.ok(error <= 5e-6, `gradients are ${error} off with ${JSON.stringify(more)}`)
    }
    loaded.release()
  })

test('a loss without what it needs says so', () => {
  const batch = { query: texts(2), passage: texts(4), ...candidatesOf(2, 2, true) }
  const kl = { temperature: 1, loss: { kind: 'kl', perQuery: 2, inBatch: true } } as const
  assert.throws(() => lossInputs(batch, kl), /kl needs a teacher's scores/)
  const inputs: Record<string, HostArray> = lossInputs({ ...batch, teacher: new Float32Array(4) }, kl)
  assert.equal(Object.keys(inputs).sort(), ['teacher', 'weights.0'])
})
test.run()
