// GradCache: whatever the chunks, the loss and the gradient are those of the whole batch to 1e-6; for one encoder and for two, in full and under an
// adapter, with dropout, over batches that shrink and grow.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import { selectSequences } from '../../src/model/batch.js'
import { type LoadedEncoder, type Method, newAdapter } from '../../src/model/load.js'
import { readTensor } from '../../src/tensor/parameters.js'
import { type ContrastiveBatch, candidatesOf, createContrastiveTrainer } from '../../src/train/contrastive.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { counted } from '../support/counted.js'
import { norm } from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { tinyConfig } from '../support/tiny-bert.js'
import { tinyEncoder, tinyExamples } from '../support/tiny-training.js'

const { texts, examples } = tinyExamples(16, 4)

/** Some of the examples with two hard negatives each; their weights are those of one of several micro-batches. */
function batchOf(first: number, count: number, inBatch: boolean, parts: number): ContrastiveBatch {
  const chosen = examples.slice(first, first + count)
  const passages = chosen.flatMap(({ positive, negatives }) => [positive, negatives[0]!, negatives[2]!])
  const { targets, weights } = candidatesOf(count, 3, inBatch)
  return {
    query: selectSequences(
      texts,
      chosen.map(({ query }) => query),
    ),
    passage: selectSequences(texts, passages),
    targets,
    weights: weights.map(weight => weight / parts),
  }
}

interface Found {
  readonly losses: readonly number[]
  readonly gradients: ReadonlyMap<string, Float32Array>
  readonly step: { readonly loss: number; readonly gradientNorm: number }
}

/** Losses and summed gradients of batches of several sizes, then a step over two micro-batches. */
async function train(
  present: Backend,
  kind: 'full' | 'lora',
  two: boolean,
  inBatch: boolean,
  chunkSize?: number,
): Promise<Found> {
  const { backend, held } = counted(present)
  const adapter = newAdapter(tinyConfig, { rank: 2, alpha: 4, dropout: 0.2, targets: ['query', 'value'] }, 1)
  for (const { B } of adapter.targets.values())
    B.forEach((_, i) => {
      B[i] = Math.cos(i) / 4
    })
  const method: Method = kind === 'lora' ? { kind, adapter } : { kind }
  const loaded: LoadedEncoder[] = [await tinyEncoder(backend, method, 1)]
  if (two) loaded.push(await tinyEncoder(backend, method, 2))
  const all = loaded.map(({ trainable }) => trainable!)
  const trainable = { ...all[0]!, segments: all.flatMap(({ segments }) => segments) }
  const encoders = { query: loaded[0]!.encoder, passage: loaded.at(-1)!.encoder }
  const chunks = chunkSize === undefined ? {} : { chunkSize }
  const settings = { ...encoders, trainable, temperature: 0.1, optimizer: defaultOptimizer, dropout: 0.1, ...chunks }
  const trainer = createContrastiveTrainer(backend, settings)

  const losses: number[] = []
  for (const [counter, count] of [5, 1, 7, 2].entries())
    losses.push(await trainer.gradients(batchOf(counter, count, inBatch, 1), { seed: 3, counter }))
  const gradients = new Map<string, Float32Array>()
  for (const [i, { tensors }] of all.entries())
    for (const [name, tensor] of tensors) gradients.set(`${i}.${name}`, await readTensor(backend, tensor.gradient!))
  const parts = [batchOf(0, 6, inBatch, 2), batchOf(6, 4, inBatch, 2)]
  const { loss, gradientNorm } = await trainer.step(parts, { rate: 1e-3, t: 1, seed: 3, counter: 9 })
  const bytes = [...held].reduce((sum, memory) => sum + memory.bytes, 0)
  assert.is(trainer.peakBytes() + loaded.reduce((sum, each) => sum + each.bytes, 0), bytes, 'every byte is counted')
  trainer.release()
  for (const each of loaded) each.release()
  assert.is(held.size, 0, 'all memory is given back')
  return { losses, gradients, step: { loss, gradientNorm } }
}

function expectSame(found: Found, whole: Found, what: string): void {
  const near = (actual: number, expected: number, name: string) =>
    assert.ok(Math.abs(actual - expected) <= 1e-6 * Math.abs(expected), `${what}: ${name} ${actual}, ${expected}`)
  found.losses.forEach((loss, i) => {
    near(loss, whole.losses[i]!, `loss ${i}`)
  })
  near(found.step.loss, whole.step.loss, 'loss of the step')
  near(found.step.gradientNorm, whole.step.gradientNorm, 'gradient norm')
  const differences = [...whole.gradients].map(([name, expected]) => ({
    name,
    expected: norm(expected),
    difference: norm(expected.map((x, i) => x - found.gradients.get(name)![i]!)),
  }))
  const all = norm(differences.map(({ expected }) => expected))
  const off = norm(differences.map(({ difference }) => difference))
  assert.ok(off <= 1e-6 * all, `${what}: the gradient is ${off / all} off`)
  // By itself a small tensor has less to round with.
  for (const { name, expected, difference } of differences)
    assert.ok(difference <= 3e-6 * Math.max(expected, 1e-3 * all), `${what}: ${name} is ${difference} off`)
}

for (const backend of await backendsPresent())
  for (const kind of ['full', 'lora'] as const)
    for (const two of [false, true])
      test(`${backend.kind}: ${kind}, ${two ? 'two encoders' : 'one encoder'}: any chunks give the same gradient`, async () => {
        for (const inBatch of backend.kind === 'wasm' ? [true, false] : [two]) {
          const whole = await train(backend, kind, two, inBatch)
          assert.ok([...whole.gradients.values()].some(gradient => norm(gradient) > 0.1))
          for (const chunkSize of backend.kind === 'wasm' ? [1, 3, 8, 1000] : [3]) {
            const found = await train(backend, kind, two, inBatch, chunkSize)
            expectSame(found, whole, `in batch ${inBatch}, chunks of ${chunkSize}`)
          }
        }
      })
test.run()
