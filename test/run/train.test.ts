// Training as a recipe describes it, before the loop: pairs to sequences, the loop's settings, what is refused early; and what a checkpoint
// belongs to.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OUT_OF_MEMORY } from '../../src/backend/backend.js'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { parseConfig } from '../../src/model/config.js'
import { randomSource } from '../../src/model/load.js'
import { plainSettings, type SentenceSettings } from '../../src/model/sentence-transformers.js'
import { completeRecipe } from '../../src/recipe/complete.js'
import { orderOf } from '../../src/run/batches.js'
import type { ModelSource } from '../../src/run/model.js'
import { checkTraining, loopSettings, tokenizePairs, trainModel } from '../../src/run/train.js'
import { createWordPieceTokenizer } from '../../src/text/tokenizer.js'
import { failure, folderWith, temporaryFolder } from '../support/temporary.js'
import { tinyJson } from '../support/tiny-bert.js'

const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'find', 'ask', 'red', 'blue', 'cat', 'dog']
const tokenizer = await createWordPieceTokenizer({ vocabulary, lowerCase: false })

const sourceWith = (settings: Partial<SentenceSettings> = {}): ModelSource => ({
  name: 'random',
  weights: randomSource(parseConfig(tinyJson, 'tiny'), 1),
  settings: { ...plainSettings(8), ...settings },
  tokenizer,
  hash: '0',
  close: async () => {},
})

const pairsFile = (...lines: object[]) =>
  join(folderWith({ 'train.jsonl': lines.map(line => `${JSON.stringify(line)}\n`).join('') }), 'train.jsonl')

const trainOf = (train: object, sets = 1) =>
  completeRecipe({
    model: { random: { hidden: 6, layers: 1, heads: 2, max_positions: 8 } },
    data: { train: Array.from({ length: sets }, (_, i) => `pairs-${i}.jsonl`) },
    train: { method: 'full', steps: 2, ...train },
  }).train!

test('each distinct text is one sequence a side; an example for every positive', async () => {
  const path = pairsFile(
    { query: 'red cat', pos: ['blue dog', 'red cat'], neg: ['dog'] },
    { query: 'red cat', pos: ['blue dog'], neg: [] },
  )
  const { texts, examples, pairs } = await tokenizePairs([path], sourceWith(), 8)
  assert.is(pairs, 2)
  const sequence = (row: number) =>
    Array.from(texts.ids.subarray(texts.offsets[row]!, texts.offsets[row + 1]!), id => vocabulary[id]).join(' ')
  const spelled = examples.map(({ query, positive, negatives }) => [query, positive, ...negatives].map(sequence))
  const [query, dog, blue] = ['[CLS] red cat [SEP]', '[CLS] dog [SEP]', '[CLS] blue dog [SEP]']
  assert.equal(spelled, [
    [query, blue, dog],
    [query, query, dog],
    [query, blue],
  ])
  assert.is(texts.offsets.length - 1, 4, 'a query and three documents, one with the text of the query')
})

test("a pair's own prompt stands before its query in place of the model's; lower case where the folder asks for it", async () => {
  const path = pairsFile({ query: 'CAT', pos: ['DOG'], prompt: 'ask ' }, { query: 'CAT', pos: ['DOG'] })
  const source = sourceWith({ prompts: { query: 'find ', document: 'red ' }, doLowerCase: true })
  const { texts, examples, hash } = await tokenizePairs([path], source, 8)
  assert.equal(
    Array.from(texts.ids, id => vocabulary[id]).join(' '),
    '[CLS] ask cat [SEP] [CLS] find cat [SEP] [CLS] red dog [SEP]',
  )
  assert.equal(examples, [
    { query: 0, positive: 2, negatives: [] },
    { query: 1, positive: 2, negatives: [] },
  ])
  const plain = await tokenizePairs(
    [pairsFile({ query: 'CAT', pos: ['DOG'] }, { query: 'CAT', pos: ['DOG'] })],
    source,
    8,
  )
  assert.is.not(hash, plain.hash)
})

test('texts beyond the length are cut and counted', async () => {
  const path = pairsFile({ query: 'red blue red blue red', pos: ['cat'] })
  const { texts, truncated } = await tokenizePairs([path], sourceWith(), 5)
  assert.equal([truncated, texts.offsets[1]], [1, 5])
})

test('steps and warm-up follow from epochs, batches and accumulation', () => {
  const steps = (train: object, examples: number) => {
    const settings = loopSettings(trainOf({ steps: undefined, epochs: 3, batch_size: 8, ...train }), examples, 1)
    return [settings.steps, settings.schedule.warmup]
  }
  assert.equal(steps({}, 100), [36, 0], '12 whole batches an epoch')
  assert.equal(steps({ drop_last: false }, 100), [39, 0])
  assert.equal(steps({ accumulation: 5 }, 100), [7, 0])
  assert.equal(steps({ accumulation: 50 }, 100), [1, 0], 'at least one')
  assert.equal(steps({ warmup_ratio: 0.1 }, 100), [36, 4])
  assert.equal(loopSettings(trainOf({ steps: 25 }), 100, 1).checkpointEvery, 3)
})

test('batches that cannot be, or hold one pair without negatives, are refused; hard negatives must be there', async () => {
  const settings = (train: object, examples: number) => () => loopSettings(trainOf(train), examples, 1)
  assert.throws(settings({ batch_size: 8 }, 7), /7 training pairs do not fill one batch of 8/)
  assert.throws(settings({ batch_size: 8, drop_last: false }, 17), /17 training pairs in batches of 8 .*single pair/)
  settings({ batch_size: 8, drop_last: false, negatives: { hard: 1 } }, 17)()
  settings({ batch_size: 8, drop_last: true }, 17)()

  const path = pairsFile({ query: 'cat', pos: ['dog'], neg: ['red'] }, { query: 'dog', pos: ['cat'] })
  const source = sourceWith()
  const pairs = await tokenizePairs([path], source, 8)
  const check = (train: object) => () =>
    checkTraining(source, pairs, trainOf({ batch_size: 2, ...train }), undefined, 1)
  check({})()
  assert.throws(check({ negatives: { hard: 2 } }), /1 of 2 training pairs have no hard negatives, but 2 a pair/)
})

test('of several sets: the one without hard negatives is named, and one with the same pairs as another, in whatever order', async () => {
  const [a, b, c] = [
    { query: 'cat', pos: ['dog'], neg: ['red'] },
    { query: 'dog', pos: ['cat'], neg: ['red'] },
    { query: 'red cat', pos: ['dog'] },
  ]
  const sets = (...files: object[][]) => files.map((lines, i) => ({ name: `set-${i}`, path: pairsFile(...lines) }))
  const source = sourceWith()
  const same = await tokenizePairs(sets([a!, b!], [a!], [b!, a!]), source, 8)
  assert.equal(same.warnings, ['set-2 has the same pairs as set-0: they count twice'])
  const mixed = await tokenizePairs(sets([a!, b!], [c!]), source, 8)
  assert.equal(mixed.warnings, [])
  const train = trainOf({ batch_size: 2, negatives: { hard: 1 } }, 2)
  assert.throws(
    () => checkTraining(source, mixed, train, undefined, 1),
    /1 of 3 training pairs have no hard negatives \(of set-1\), but 1 a pair are asked for; mine some/,
  )
})

const manyPairs = (name: string, count: number, words: number) =>
  pairsFile(
    ...Array.from({ length: count }, (_, i) => ({
      query: `${name} ${i % 2 ? 'red' : 'blue'}`,
      pos: [`${name} ${'cat '.repeat(1 + ((i * 5) % words))}`.trim()],
    })),
  )

test('pairs know their set, sentence queries that of their document; a sample of each set, in its order', async () => {
  const sentence = 'find red cat dog.'
  const paths = [
    pairsFile({ query: 'cat', pos: ['dog', 'red'] }, { query: 'dog', pos: [`${sentence} Blue dog.`] }),
    pairsFile({ query: 'red', pos: [`${sentence} Ask.`] }),
  ]
  const all = await tokenizePairs(paths, sourceWith(), 8, { sentenceQueries: true })
  assert.equal([...all.setOf], [0, 0, 0, 1, 0, 1])
  assert.is(all.examples.length, 6)
  const large = [manyPairs('dog', 30, 5), manyPairs('cat', 4, 3)]
  const sampled = await tokenizePairs(large, sourceWith(), 8, { sample: { size: 10, seed: 1 } })
  assert.equal([sampled.pairs, ...[0, 1].map(set => sampled.setOf.filter(each => each === set).length)], [14, 10, 4])
  const whole = await tokenizePairs(large, sourceWith(), 8)
  assert.is(whole.pairs, 34)
  assert.is.not(sampled.hash, whole.hash)
})

test('batches by length: steps are counted, and a budget that leaves a pair alone is refused', async () => {
  const pairs = await tokenizePairs([manyPairs('dog', 40, 6)], sourceWith(), 8)
  const train = (more: object) =>
    trainOf({ batches: 'by_length', tokens_per_batch: 60, steps: undefined, epochs: 2, ...more })
  const order = orderOf(train({}), pairs)
  if (order.kind !== 'by_length') throw new Error(order.kind)
  const total = Array.from(order.lengths).reduce((a, b) => a + b)
  const { steps } = loopSettings(train({}), 40, 1, order)
  assert.ok(steps >= (2 * total) / 60 && steps < (2 * total) / 40, `${steps} steps for twice ${total} tokens`)
  const longest = Math.max(...Array.from(order.lengths))
  assert.throws(
    () => orderOf(train({ tokens_per_batch: 3 * longest - 1 }), pairs),
    new RegExp(
      `is ${3 * longest - 1}, but the longest training pair has ${longest} tokens, and three have to fit; set it to ${3 * longest} or more`,
    ),
  )
  orderOf(train({ tokens_per_batch: 3 * longest }), pairs)
})

test('a recipe of each kind of batches trains, and the memory said beforehand holds', async () => {
  const backend = await createWasmBackend()
  const pairs = await tokenizePairs([manyPairs('dog', 30, 5), manyPairs('cat', 9, 3)], sourceWith(), 8)
  for (const train of [
    { batches: 'by_length', tokens_per_batch: 60, batch_size: 100 },
    { sets: 'mixed', batch_size: 6 },
    { sets: 'homogeneous', weights: [1, 4], batch_size: 6 },
  ]) {
    const drawn: (readonly number[] | undefined)[] = []
    let bytes = 0
    const trained = await trainModel(backend, sourceWith(), pairs, trainOf({ ...train, steps: 12 }, 2), undefined, 1, {
      onStart: start => {
        bytes = start.bytes
      },
      onStep: record => void drawn.push(record.drawn),
    })
    trained.loaded.release()
    assert.ok(trained.peakBytes <= 1.25 * bytes, `${trained.peakBytes} of ${bytes} bytes, ${JSON.stringify(train)}`)
    assert.is(drawn.length, 12)
    if ('sets' in train) assert.ok(drawn.every(each => each![0]! + each![1]! === 6))
  }
})

test('a checkpoint belongs to the settings of the model too', async () => {
  const backend = await createWasmBackend()
  const checkpoint = join(temporaryFolder(), 'checkpoint.safetensors')
  const pairs = await tokenizePairs(
    [pairsFile({ query: 'cat', pos: ['dog'] }, { query: 'red', pos: ['blue'] })],
    sourceWith(),
    8,
  )
  const train = async (settings: Partial<SentenceSettings>, resume: boolean) => {
    const hooks = { checkpoint, resume }
    const trained = await trainModel(
      backend,
      sourceWith(settings),
      pairs,
      trainOf({ batch_size: 2 }),
      undefined,
      1,
      hooks,
    )
    trained.loaded.release()
    return trained.steps
  }
  assert.is(await train({}, false), 2)
  assert.is(await train({}, true), 2)
  assert.match(await failure(train({ pooling: ['cls'] }, true)), /belongs to a run with other settings or data/)
})
test('memory that cannot be had in a step: what the training holds at most, and what lowers it', async () => {
  const path = pairsFile({ query: 'red', pos: ['cat'] }, { query: 'blue', pos: ['dog'] })
  const source = sourceWith()
  const train = trainOf({ batch_size: 2 })
  const wasm = await createWasmBackend({ threads: 1 })
  const full = { allocates: true }
  const backend = {
    ...wasm,
    allocate: (bytes: number, label: string) => {
      if (full.allocates) return wasm.allocate(bytes, label)
      throw new Error(`cannot allocate ${bytes} for ${label}`, { cause: OUT_OF_MEMORY })
    },
  }
  const pairs = await tokenizePairs([path], source, 8)
  const onStart = () => {
    full.allocates = false
  }
  const message = await failure(trainModel(backend, source, pairs, train, undefined, 1, { onStart }))
  assert.match(
    message,
    /^cannot allocate \d+ for .*\nthis training holds 0\.\d MiB at most, weights and activations together; /,
  )
  assert.match(
    message,
    /lower train\.chunk_size \(now the whole batch\), train\.batch_size \(now 2\), train\.max_length, or set/,
  )
})

test.run()
