// Each loss of a recipe trains, and one that cannot is refused with what to do.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { parseConfig } from '../../src/model/config.js'
import { randomSource } from '../../src/model/load.js'
import { plainSettings } from '../../src/model/sentence-transformers.js'
import { completeRecipe } from '../../src/recipe/complete.js'
import { lossSettings } from '../../src/run/loss.js'
import type { ModelSource } from '../../src/run/model.js'
import { checkTraining, tokenizePairs, trainModel } from '../../src/run/train.js'
import { createWordPieceTokenizer } from '../../src/text/tokenizer.js'
import { failure, folderWith } from '../support/temporary.js'
import { tinyJson } from '../support/tiny-bert.js'

const words = ['red', 'blue', 'cat', 'dog', 'old', 'sea']
const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...words]
const source: ModelSource = {
  name: 'random',
  weights: randomSource({ ...parseConfig(tinyJson, 'tiny'), initializerRange: 0.3 }, 1),
  settings: plainSettings(8),
  tokenizer: await createWordPieceTokenizer({ vocabulary, lowerCase: false }),
  hash: '0',
  close: async () => {},
}

/** Query i asks for word i: its positive holds it, its negatives hold others; the teacher knows. */
const lines = words.map((word, i) => ({
  query: word,
  pos: [`${word} ${words[(i + 1) % 6]}`],
  neg: [2, 3, 4].map(by => `${words[(i + by) % 6]} ${words[(i + by + 1) % 6]}`),
  pos_scores: [2],
  neg_scores: [0.5, -1, -2],
}))
const fileOf = (scored: boolean) => {
  const rows = lines.map(({ pos_scores, neg_scores, ...line }) => (scored ? { ...line, pos_scores, neg_scores } : line))
  return join(folderWith({ 'train.jsonl': rows.map(row => `${JSON.stringify(row)}\n`).join('') }), 'train.jsonl')
}
const trainOf = (train: object) =>
  completeRecipe({
    model: { random: { hidden: 6, layers: 1, heads: 2, max_positions: 8 } },
    data: { train: 'pairs.jsonl' },
    train: { method: 'full', steps: 25, batch_size: 3, learning_rate: 1e-2, negatives: { hard: 2 }, ...train },
  }).train!
const problems = (train: object) => failure(Promise.resolve().then(() => trainOf(train)))

const backend = await createWasmBackend({ threads: 1 })
const losses = [
  { loss: 'both_directions' },
  { loss: 'pairwise_softmax' },
  { loss: 'triplet', margin: 0.5 },
  { loss: 'margin_mse', similarity: 'dot' },
  { loss: 'kl', teacher_temperature: 2, temperature: 0.2 },
  { loss: 'infonce', negatives: { hard: 2, in_batch: false } },
  { loss: 'infonce', matryoshka: { dimensions: [6, 3] } },
]
for (const settings of losses)
  for (const chunks of [{}, { chunk_size: 3 }])
    test(`${JSON.stringify({ ...settings, ...chunks })} trains`, async () => {
      const pairs = await tokenizePairs([fileOf(true)], source, 8)
      const train = trainOf({ ...settings, ...chunks })
      checkTraining(source, pairs, train, undefined, 1)
      const course: number[] = []
      const onStep = ({ loss }: { loss: number }) => void course.push(loss)
      const trained = await trainModel(backend, source, pairs, train, undefined, 1, { onStep })
      trained.loaded.release()
      const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length
      assert.ok(mean(course.slice(-4)) < 0.8 * mean(course.slice(0, 4)), course.map(x => x.toFixed(3)).join(' '))
    })

test('a loss without what it needs is refused, with what to do', async () => {
  assert.match(
    await problems({ loss: 'triplet', negatives: { hard: 0 } }),
    /train\.loss: "triplet" compares.*hard to 1/,
  )
  assert.match(await problems({ loss: 'both_directions', negatives: { hard: 1, in_batch: false } }), /in_batch = true/)
  assert.match(await problems({ margin: 1 }), /train\.margin: is for another loss; train\.loss is "infonce"/)
  assert.match(await problems({ loss: 'triplet', teacher_temperature: 2 }), /train\.teacher_temperature/)
  assert.match(await problems({ matryoshka: { dimensions: [4, 2], weights: [1] } }), /1 weights for 2 dimensions/)
  assert.match(await problems({ matryoshka: { dimensions: [4, 4] } }), /twice/)
  assert.match(await problems({ loss: 'margin-mse' }), /did you mean "margin_mse"/)
  const check = async (train: object, scored: boolean) => {
    const pairs = await tokenizePairs([fileOf(scored)], source, 8)
    checkTraining(source, pairs, trainOf(train), undefined, 1)
  }
  assert.match(await failure(check({ loss: 'kl' }, false)), /6 of 6 training pairs have no scores.*pos_scores/)
  assert.match(await failure(check({ matryoshka: { dimensions: [100] } }, true)), /holds 100, but the model's/)
  await check({ loss: 'kl' }, true)
})

test('defaults of a loss', () => {
  const of = (train: object) => lossSettings(trainOf(train))
  assert.equal(of({}), { kind: 'infonce', perQuery: 3, inBatch: true })
  assert.equal(of({ loss: 'triplet' }), { kind: 'triplet', perQuery: 3, inBatch: true, margin: 0.2 })
  assert.is(of({ loss: 'kl' }).teacherTemperature, 1)
  assert.equal(of({ matryoshka: { dimensions: [4, 2] } }).matryoshka, { dimensions: [4, 2], weights: [1, 1] })
  assert.equal(
    ['infonce', 'kl', 'triplet', 'margin_mse'].map(loss => trainOf({ loss }).temperature),
    [0.05, 0.05, 1, 1],
  )
})

test('the scores of a teacher belong to the pairs', async () => {
  const [scored, plain] = await Promise.all([true, false].map(each => tokenizePairs([fileOf(each)], source, 8)))
  assert.equal(scored!.examples[0]!.scores, { positive: 2, negatives: [0.5, -1, -2] })
  assert.not('scores' in plain!.examples[0]!)
  assert.is.not(scored!.hash, plain!.hash)
})
test.run()
