// The checks of encoding, search, tokenizing and training accept right results and notice wrong ones.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { encodingError, largestAngle, largestDistance } from '../../src/bench/encode.js'
import { randomDocuments, randomModel } from '../../src/bench/inputs.js'
import { searchError, unitVectors } from '../../src/bench/search.js'
import { wrongTexts } from '../../src/bench/tokenize-checks.js'
import { checkStep, infoNce } from '../../src/bench/train.js'
import { selectSequences } from '../../src/model/batch.js'
import { newAdapter } from '../../src/model/load.js'
import { searchExact } from '../../src/retrieve/search.js'
import { placeModel } from '../../src/run/model.js'
import { createWordPieceTokenizer } from '../../src/text/tokenizer.js'
import { candidatesOf } from '../../src/train/contrastive.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { bpe, tokenizerOf } from '../support/tokenizers.js'

const backend = await createWasmBackend({ threads: 1 })
const source = randomModel('small')

test('encoding: BERT in f64 agrees; another pooling does not', async () => {
  const loaded = await placeModel(backend, source)
  const documents = randomDocuments(4)
  const error = await encodingError(backend, loaded.encoder, source, documents)
  assert.ok(error < 1e-5, `error ${error}`)
  const wrong = { ...source, settings: { ...source.settings, pooling: ['cls' as const] } }
  assert.ok((await encodingError(backend, loaded.encoder, wrong, documents)) > 1e-2)
  loaded.release()
})

test('angles and distances: the largest, and none is good where vectors are missing', () => {
  assert.is(largestAngle([1, 0, 0, 2], [3, 0, 1, 0], 2), 1)
  assert.ok(Number.isNaN(largestAngle([1, 0], [1, 0, 0, 1], 2)))
  assert.ok(Number.isNaN(largestAngle([], [], 2)))
  assert.ok(Number.isNaN(largestAngle([1, 0, 1, 0], [Number.NaN, 0, 1, 0], 2)))
  assert.is(largestDistance([3, 4, 1, 2], [3, 4, 1, 0], 2), 2)
  assert.ok(Number.isNaN(largestDistance([Number.NaN, 4, 1, 2], [3, 4, 1, 0], 2)))
})

test('search: what is found is the best; anything else is noticed', async () => {
  const [query, corpus] = [unitVectors(1, 16, 1), unitVectors(50, 16, 2)]
  const { scores, rows } = await searchExact(backend, query, corpus, 16, { k: 5 })
  assert.ok(searchError(query, corpus, { scores, rows }) < 1e-6)
  const worse = Int32Array.from(rows).map((row, i) => (i === 4 ? (row + 1) % 50 : row))
  assert.not.ok(searchError(query, corpus, { scores, rows: worse }) < 1e-6)
  const twice = Int32Array.from(rows).fill(rows[0]!, 1, 2)
  assert.not.ok(searchError(query, corpus, { scores, rows: twice }) < 1e-6)
  assert.not.ok(searchError(query, corpus, { scores: scores.map(x => x + 1e-3), rows }) < 1e-6)
  assert.not.ok(searchError(query, corpus, { scores, rows: Int32Array.of(...rows.subarray(0, 4), 99) }) < 1e-6)
})

test('tokenizing: the longest tokens; other ids are noticed', async () => {
  const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'un', 'under', '##stand', '##s', '##ing', '.']
  const texts = ['Understanding.', 'un under', 'x', 'understands unstands']
  const tokenizer = await createWordPieceTokenizer({ vocabulary })
  assert.is(wrongTexts(tokenizer, texts), 0)
  const other = await createWordPieceTokenizer({ vocabulary: vocabulary.map(token => (token === 'un' ? 'nu' : token)) })
  const wrong = { ...tokenizer, encode: other.encode }
  assert.ok(wrongTexts(wrong, texts) > 0)
})

test('ids of other models are checked by what they decode to', async () => {
  const pre_tokenizer = { type: 'ByteLevel', add_prefix_space: false, use_regex: true }
  const model = bpe('Ġabc', [['a', 'b']])
  const decoder = { type: 'ByteLevel' }
  const texts = ['ab cab', 'CAB ba']
  assert.is(wrongTexts(await tokenizerOf({ pre_tokenizer, model, decoder }), texts), 0)
  assert.is(wrongTexts(await tokenizerOf({ pre_tokenizer, model, decoder }), ['ab', 'abx']), 0.5)
})

test('InfoNCE in f64', () => {
  // Scores 1/0.5 and 0: log(1 + e^−2) for both rows.
  const same = Float32Array.of(1, 0, 0, 1)
  assert.ok(Math.abs(infoNce(same, same, 2, 0.5) - Math.log(1 + Math.exp(-2))) < 1e-12)
})

for (const kind of ['lora', 'full'] as const)
  test(`training, ${kind}: loss and slope agree; dropout left on is noticed`, async () => {
    const lora = { rank: 2, alpha: 4, dropout: 0.1, targets: ['query', 'value'] }
    const method = kind === 'full' ? { kind } : { kind, adapter: newAdapter(source.weights.config, lora, 1) }
    const loaded = await placeModel(backend, source, method)
    const texts = randomDocuments(8)
    const query = selectSequences(texts, [0, 1, 2, 3])
    const batch = { query, passage: selectSequences(texts, [4, 5, 6, 7]), ...candidatesOf(4, 1, true) }
    const settings = {
      query: loaded.encoder,
      passage: loaded.encoder,
      trainable: loaded.trainable!,
      temperature: 0.05,
      optimizer: defaultOptimizer,
      dropout: 0,
    }
    const before = await loaded.readWeight('encoder.layer.0.attention.self.query.weight')
    const { lossError, slopeError, gradientNorm } = await checkStep(backend, loaded, settings, batch)
    assert.ok(lossError < 1e-5, `loss ${lossError}`)
    assert.ok(slopeError < 0.02, `slope ${slopeError}`)
    assert.ok(gradientNorm > 0)
    assert.equal(await loaded.readWeight('encoder.layer.0.attention.self.query.weight'), before, 'left as it was')
    // With dropout the loss is not that of the encoder's vectors.
    const dropped = await checkStep(backend, loaded, { ...settings, dropout: 0.5 }, batch)
    assert.ok(dropped.lossError > 1e-3, `loss with dropout ${dropped.lossError}`)
    loaded.release()
  })

test.after(() => backend.close())
test.run()
