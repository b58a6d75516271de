// Cosines of the domains' gradients as a step leaves them, against the gradients of each domain's mean loss by a backward pass of its own; and weights
// that are learned from them, which the recorded losses give again.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../../src/backend/backend.js'
import { selectSequences } from '../../../src/model/batch.js'
import { type Method, newAdapter } from '../../../src/model/load.js'
import { readTensor } from '../../../src/tensor/parameters.js'
import { type ContrastiveBatch, candidatesOf, createContrastiveTrainer } from '../../../src/train/contrastive.js'
import { defaultOptimizer } from '../../../src/train/optimizer.js'
import { gradientCosines, productCosines } from '../../../src/train/tdro/weights.js'
import { backendsPresent } from '../../support/present.js'
import { tinyConfig } from '../../support/tiny-bert.js'
import { tinyEncoder, tinyExamples } from '../../support/tiny-training.js'

const { texts, examples } = tinyExamples(16, 4)
const DOMAINS = 4
/** Uneven, unsorted, one domain in the second micro-batch alone, and the last one in none. */
const parts = [
  { first: 0, domains: [0, 2, 0, 0, 2] },
  { first: 5, domains: [2, 1, 0, 1, 1, 0, 1] },
]

function batchOf({ first, domains }: (typeof parts)[number], weightOf: (domain: number) => number): ContrastiveBatch {
  const chosen = examples.slice(first, first + domains.length)
  const passages = chosen.flatMap(({ positive, negatives }) => [positive, negatives[0]!, negatives[2]!])
  return {
    query: selectSequences(
      texts,
      chosen.map(({ query }) => query),
    ),
    passage: selectSequences(texts, passages),
    targets: candidatesOf(domains.length, 3, false).targets,
    weights: Float32Array.from(domains, weightOf),
    domains: Int32Array.from(domains),
  }
}

async function trainerOf(backend: Backend, kind: 'full' | 'lora', two: boolean, chunkSize?: number, domains?: number) {
  const adapter = newAdapter(tinyConfig, { rank: 2, alpha: 4, dropout: 0.2, targets: ['query', 'value'] }, 1)
  for (const { B } of adapter.targets.values())
    B.forEach((_, i) => {
      B[i] = Math.cos(i) / 4
    })
  const method: Method = kind === 'lora' ? { kind, adapter } : { kind }
  const loaded = [await tinyEncoder(backend, method, 1)]
  if (two) loaded.push(await tinyEncoder(backend, method, 2))
  const all = loaded.map(({ trainable }) => trainable!)
  const trainer = createContrastiveTrainer(backend, {
    ...{ query: loaded[0]!.encoder, passage: loaded.at(-1)!.encoder, temperature: 0.1, dropout: 0.1 },
    trainable: { ...all[0]!, segments: all.flatMap(({ segments }) => segments) },
    ...{ optimizer: defaultOptimizer, loss: { kind: 'infonce', perQuery: 3, inBatch: false } },
    ...(chunkSize !== undefined && { chunkSize }),
    ...(domains !== undefined && { domains }),
  })
  const release = () => {
    trainer.release()
    for (const each of loaded) each.release()
  }
  return { trainer, all, release }
}

/** Of one domain's mean loss over the step, with regard to the weights of the last two layers. */
async function gradientOf(backend: Backend, kind: 'full' | 'lora', two: boolean, domain: number): Promise<number[]> {
  const { trainer, all, release } = await trainerOf(backend, kind, two)
  const count = parts.flatMap(({ domains }) => domains).filter(each => each === domain).length
  for (const [i, part] of parts.entries())
    await trainer.gradients(
      batchOf(part, each => (each === domain ? 1 / count : 0)),
      { seed: 7, counter: i },
    )
  const last = [1, 2].map(i => `layer.${tinyConfig.layers - i}.`)
  const values: number[] = []
  for (const { tensors } of all)
    for (const [name, tensor] of tensors)
      if (last.some(layer => name.includes(layer)) && tensor.shape.length === 2)
        values.push(...(await readTensor(backend, tensor.gradient!)))
  release()
  return values
}

for (const backend of await backendsPresent())
  for (const kind of ['full', 'lora'] as const)
    for (const two of backend.kind === 'wasm' ? [false, true] : [false])
      test(`${backend.kind}: ${kind}, ${two ? 'two encoders' : 'one'}: cosines of a step, whole and in chunks`, async () => {
        const gradients: number[][] = []
        for (let g = 0; g < DOMAINS; g++) gradients.push(await gradientOf(backend, kind, two, g))
        assert.ok(gradients[0]!.length > 0 && gradients[3]!.every(value => value === 0))
        const expected = gradientCosines(gradients)
        assert.ok(Math.abs(expected[0]![1]!) < 0.99, 'control: they differ')
        for (const chunkSize of [undefined, 3]) {
          const { trainer, release } = await trainerOf(backend, kind, two, chunkSize, DOMAINS)
          // As the proxy's: a domain's weight, over the sum of those of the micro-batch. Twice: what one step summed is gone in the next.
          const alpha = [0.1, 0.7, 0.15, 0.05]
          const batches = parts.map(part => {
            const total = part.domains.reduce((sum, g) => sum + alpha[g]!, 0)
            return batchOf(part, g => alpha[g]! / total / parts.length)
          })
          for (const round of [1, 2]) {
            const { products } = await trainer.step(batches, { rate: 0, t: round, seed: 7, counter: 0 })
            productCosines(products!).forEach((row, i) => {
              row.forEach((cosine, j) => {
                const what = `round ${round}, chunks of ${chunkSize}: ${i}, ${j}`
                assert.ok(Math.abs(cosine - expected[i]![j]!) < 2e-5, `${what}: ${cosine}, ${expected[i]![j]}`)
              })
              const square = gradients[i]!.reduce((sum, value) => sum + value * value, 0)
              assert.ok(
                Math.abs(products![i]![i]! - square) <= 2e-5 * square,
                `${i}: ${products![i]![i]} for ${square}`,
              )
            })
          }
          release()
        }
      })

test('a batch without domains, and a loss over the whole batch, are refused', async () => {
  const [backend] = await backendsPresent()
  const { trainer, release } = await trainerOf(backend!, 'full', false, undefined, DOMAINS)
  const { domains: _, ...batch } = batchOf(parts[0]!, () => 1)
  await trainer.step([batch], { rate: 0, t: 1, seed: 1, counter: 0 }).then(
    () => assert.unreachable(),
    error => assert.match(String(error), /need the domain of each query/),
  )
  release()
  const { encoder, trainable, release: free } = await tinyEncoder(backend!, { kind: 'full' })
  const shared = { query: encoder, passage: encoder, trainable: trainable!, temperature: 0.1, domains: 2 }
  assert.throws(
    () => createContrastiveTrainer(backend!, { ...shared, optimizer: defaultOptimizer }),
    /candidates are a query's own passages/,
  )
  free()
})
test.run()
