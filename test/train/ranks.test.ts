// Training spread over ranks gives the gradient of one rank that has the whole batch. Ranks are simulated here, each with an encoder of its own: it encodes
// its share, is given what the others made, takes the loss over all of it times the number of ranks, and goes back through its own rows; the mean of the
// ranks' gradients is what all of them step with (cross-batch negatives as in Tevatron and FlagEmbedding). Dropout is keyed by a sequence's row in the whole
// batch, so that who encodes it does not matter.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import { batchArrays, type PackedBatch, selectSequences } from '../../src/model/batch.js'
import { encoderWidth } from '../../src/model/encoder.js'
import { type Method, newAdapter } from '../../src/model/load.js'
import { freeTensors, readTensor, stateTensor } from '../../src/tensor/parameters.js'
import { createPlan } from '../../src/tensor/plan.js'
import { createPool, createProgram, releasePool } from '../../src/tensor/program.js'
import { createTrace, type Trace } from '../../src/tensor/trace.js'
import {
  type ContrastiveBatch,
  type ContrastiveSettings,
  candidatesOf,
  createContrastiveTrainer,
} from '../../src/train/contrastive.js'
import { lossInputs, lossShape } from '../../src/train/contrastive-loss.js'
import { recordCachedLoss, recordChunk, recordChunkBackward, sidesOf } from '../../src/train/contrastive-trace.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { norm } from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { tinyConfig } from '../support/tiny-bert.js'
import { tinyEncoder, tinyExamples } from '../support/tiny-training.js'

const QUERIES = 12
const PER_QUERY = 4
const AT = { seed: 3, step: 5, addsToLoss: 0 }
const { texts, examples } = tinyExamples(QUERIES, 4)
const batch: Omit<ContrastiveBatch, 'targets' | 'weights'> = {
  query: selectSequences(
    texts,
    examples.map(({ query }) => query),
  ),
  passage: selectSequences(
    texts,
    examples.flatMap(({ positive, negatives }) => [positive, ...negatives]),
  ),
}

type Kind = 'full' | 'lora'

async function encoderOf(backend: Backend, kind: Kind) {
  const adapter = newAdapter(tinyConfig, { rank: 2, alpha: 4, dropout: 0.2, targets: ['query', 'value'] }, 1)
  for (const { B } of adapter.targets.values())
    B.forEach((_, i) => {
      B[i] = Math.cos(i) / 4
    })
  const method: Method = kind === 'lora' ? { kind, adapter } : { kind }
  const loaded = await tinyEncoder(backend, method, 1)
  const trainable = loaded.trainable!
  const settings: ContrastiveSettings = {
    ...{ query: loaded.encoder, passage: loaded.encoder, trainable, temperature: 0.1 },
    ...{ optimizer: defaultOptimizer, dropout: 0.1 },
  }
  const gradients = async () => {
    const values: number[] = []
    for (const tensor of trainable.tensors.values()) values.push(...(await readTensor(backend, tensor.gradient!)))
    return values
  }
  return { loaded, settings, gradients }
}

async function alone(backend: Backend, kind: Kind, inBatch: boolean): Promise<number[]> {
  const { loaded, settings, gradients } = await encoderOf(backend, kind)
  const trainer = createContrastiveTrainer(backend, settings)
  const whole = { ...batch, ...candidatesOf(QUERIES, PER_QUERY, inBatch) }
  await trainer.gradients(whole, { seed: AT.seed, counter: AT.step })
  const values = await gradients()
  trainer.release()
  loaded.release()
  return values
}

/** A rank's share as parts of the whole: its queries and their passages, each with its first row among all. */
function shareOf(whole: PackedBatch, first: number, count: number, ownRows: boolean) {
  return [
    { first, count },
    { first: QUERIES + first * PER_QUERY, count: count * PER_QUERY },
  ].map(range => {
    const rows = Array.from({ length: range.count }, (_, i) => range.first + i)
    const keyed = ownRows ? rows.map((_, i) => i) : rows
    return { ...range, part: { ...selectSequences(whole, rows), rows: Int32Array.from(keyed) } }
  })
}

interface RankOptions {
  readonly inBatch: boolean
  /** Queries of each rank. */
  readonly shares: readonly number[]
  /** Dropout keyed by a rank's own rows, as it must not be. */
  readonly ownRows?: boolean
}

/** The mean of the ranks' gradients. */
async function spread(
  backend: Backend,
  kind: Kind,
  { inBatch, shares, ownRows = false }: RankOptions,
): Promise<number[]> {
  const world = shares.length
  const pool = createPool(backend)
  const { targets, weights } = candidatesOf(QUERIES, PER_QUERY, inBatch)
  const whole = { ...batch, targets, weights: weights.map(weight => weight * world) }
  const ranks = await Promise.all(
    shares.map(async (count, r) => {
      const own = await encoderOf(backend, kind)
      const [side] = sidesOf(whole, own.settings)
      const shape = [QUERIES * (1 + PER_QUERY), encoderWidth(own.settings.query)] as const
      const [reps, dreps, loss] = [
        stateTensor(backend, 'reps', shape),
        stateTensor(backend, 'dreps', shape),
        stateTensor(backend, 'loss', [1]),
      ]
      const first = shares.slice(0, r).reduce((a, b) => a + b, 0)
      return {
        ...own,
        side: side!,
        reps: reps!,
        dreps: dreps!,
        loss: loss!,
        share: shareOf(side!.batch, first, count, ownRows),
      }
    }),
  )
  const run = async (record: (trace: Trace) => void, training: boolean, values: object, inputs: object) => {
    const trace = createTrace({ training })
    record(trace)
    const program = createProgram(createPlan('rank', trace), pool)
    await program.run({ ...AT, ...values }, { ...inputs })
    await backend.read({ ...ranks[0]!.loss.view!, bytes: 4 })
    program.release()
  }
  for (const { side, settings, reps, share } of ranks)
    for (const { part, first } of share) {
      const { values, inputs } = batchArrays(part, side.prefix, side.encoder)
      await run(trace => void recordChunk(trace, side, settings, reps), false, { ...values, first }, inputs)
    }
  // All that is sent: representations, each rank's rows to everybody.
  const width = ranks[0]!.reps.shape[1] as number
  const gathered = new Float32Array(QUERIES * (1 + PER_QUERY) * width)
  for (const { reps, share } of ranks) {
    const made = await readTensor(backend, reps)
    for (const { first, count } of share)
      gathered.set(made.subarray(first * width, (first + count) * width), first * width)
  }
  const gradients: number[][] = []
  for (const { side, settings, reps, dreps, loss, share, gradients: read } of ranks) {
    backend.write(reps.view!, gathered)
    const { values, tiles } = lossShape(whole)
    await run(t => recordCachedLoss(t, settings, reps, dreps, loss, tiles), true, values, lossInputs(whole, settings))
    for (const { part, first } of share) {
      const arrays = batchArrays(part, side.prefix, side.encoder)
      const record = (trace: Trace) => recordChunkBackward(trace, side, settings, dreps)
      await run(record, true, { ...arrays.values, first }, arrays.inputs)
    }
    gradients.push(await read())
  }
  for (const { loaded, reps, dreps, loss } of ranks) {
    freeTensors(backend, [reps, dreps, loss])
    loaded.release()
  }
  releasePool(pool)
  return gradients[0]!.map((_, i) => gradients.reduce((sum, each) => sum + each[i]!, 0) / world)
}

const offBy = (found: readonly number[], expected: readonly number[]) =>
  norm(found.map((value, i) => value - expected[i]!)) / norm(expected)

for (const backend of await backendsPresent())
  for (const kind of ['full', 'lora'] as const)
    for (const inBatch of [true, false])
      test(`${backend.kind}: ${kind}, ${inBatch ? 'cross-batch negatives' : 'own negatives'}: ranks together are one rank`, async () => {
        const expected = await alone(backend, kind, inBatch)
        assert.ok(norm(expected) > 0.1)
        const spreads =
          backend.kind === 'wasm'
            ? [
                [6, 6],
                [4, 4, 4],
                [1, 8, 2, 1],
              ]
            : [[5, 7]]
        for (const shares of spreads) {
          const off = offBy(await spread(backend, kind, { inBatch, shares }), expected)
          assert.ok(off <= 1e-6, `ranks of ${shares.join(', ')}: ${off} off`)
        }
        const off = offBy(await spread(backend, kind, { inBatch, shares: [6, 6], ownRows: true }), expected)
        assert.ok(off > 1e-2, `control: dropout keyed by a rank's own rows is ${off} off`)
      })
test.run()
