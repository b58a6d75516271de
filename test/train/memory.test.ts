// What a step will hold, told from its plan: the heaviest batch, whole and in chunks, against what training then holds; and refusal of what does not fit.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { createContrastiveTrainer } from '../../src/train/contrastive.js'
import { heaviestBatch, stepMemory } from '../../src/train/memory.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { tinyEncoder, tinyExamples } from '../support/tiny-training.js'

const { texts, examples } = tinyExamples(30)
const length = (text: number) => texts.offsets[text + 1]! - texts.offsets[text]!

test('the heaviest batch holds the longest queries and passages, negatives where they are drawn', () => {
  const plain = heaviestBatch(texts, examples, { batchSize: 4, hardNegatives: 0, inBatch: true })
  const longest = (rows: number[], count: number) =>
    rows
      .map(length)
      .sort((a, b) => b - a)
      .slice(0, count)
      .reduce((sum, n) => sum + n, 0)
  assert.is(
    plain.query.ids.length,
    longest(
      examples.map(e => e.query),
      4,
    ),
  )
  assert.is(
    plain.passage.ids.length,
    longest(
      examples.map(e => e.positive),
      4,
    ),
  )
  const hard = heaviestBatch(texts, examples, { batchSize: 4, hardNegatives: 2, inBatch: true })
  assert.is(hard.passage.offsets.length - 1, 12)
  assert.is(
    hard.passage.ids.length,
    longest(
      examples.flatMap(e => [e.positive, ...e.negatives]),
      12,
    ),
  )
  const few = heaviestBatch(texts, examples.slice(0, 2), { batchSize: 4, hardNegatives: 0, inBatch: true })
  assert.is(few.query.offsets.length - 1, 2)
})

test('the figure bounds what training holds, and is not far from it; chunks need less', async () => {
  const backend = await createWasmBackend()
  const loaded = await tinyEncoder(backend, { kind: 'full' })
  const shared = { query: loaded.encoder, passage: loaded.encoder, trainable: loaded.trainable! }
  const batch = heaviestBatch(texts, examples, { batchSize: 16, hardNegatives: 2, inBatch: true })
  const figures: number[] = []
  for (const chunkSize of [undefined, 8]) {
    const settings = {
      ...shared,
      temperature: 0.1,
      optimizer: defaultOptimizer,
      dropout: 0.1,
      ...(chunkSize && { chunkSize }),
    }
    const planned = stepMemory(backend, settings, batch)
    const trainer = createContrastiveTrainer(backend, settings)
    await trainer.step([batch], { rate: 1e-3, t: 1, seed: 1, counter: 0 })
    const held = trainer.peakBytes()
    // Sizes are rounded up to 256 bytes a tensor, a chunk's plans have inputs of their own, and the optimizer's are not in the figure.
    assert.ok(Math.abs(held - planned) <= 0.25 * planned, `planned ${planned}, held ${held} in chunks of ${chunkSize}`)
    figures.push(planned)
    trainer.release()
  }
  assert.ok(figures[1]! < 0.6 * figures[0]!, `in chunks ${figures[1]}, whole ${figures[0]}`)
  const small = { ...backend, limits: { ...backend.limits, binding: 4096 } }
  const settings = { ...shared, temperature: 0.1, optimizer: defaultOptimizer }
  assert.throws(() => stepMemory(small, settings, batch), /plan step: .* needs .*chunk_size/)
})
test.run()
