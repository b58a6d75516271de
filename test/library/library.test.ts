import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  createTextIndex,
  type Encoder,
  encoderFiles,
  evaluateEncoder,
  loadEncoder,
  saveEncoder,
  trainEncoder,
} from '../../src/index.js'
import { documents, pairs, qrels, queries, smallModel } from '../support/library.js'
import { backendsPresent } from '../support/present.js'
import { failure, temporaryFolder } from '../support/temporary.js'

const files = await smallModel()
const settings = {
  steps: 20,
  batch_size: 3,
  learning_rate: 5e-3,
  dropout: 0,
  lora: { targets: ['query', 'key', 'value', 'dense'] },
}

for (const backend of await backendsPresent()) {
  const load = (): Promise<Encoder> => loadEncoder(files, { backend })

  test(`an index finds by the largest product, ids and places with it, on ${backend.kind}`, async () => {
    const encoder = await load()
    const texts = Object.entries(documents).map(([id, text]) => ({ id, text }))
    const index = await createTextIndex(encoder, texts)
    assert.is(index.size, texts.length)
    const question = queries.q1!
    const [query] = [await encoder.encode([question], { kind: 'query' })]
    const scores = texts.map((_, row) =>
      query.reduce((sum, value, i) => sum + value * index.vectors[row * encoder.dimensions + i]!, 0),
    )
    const order = scores.map((_, row) => row).sort((a, b) => scores[b]! - scores[a]!)
    const hits = await index.search(question, { k: 3 })
    assert.equal(
      hits.map(hit => hit.id),
      order.slice(0, 3).map(row => texts[row]!.id),
    )
    for (const hit of hits) {
      assert.is(hit.text, documents[hit.id])
      assert.ok(Math.abs(hit.score - scores[hit.row]!) < 1e-5)
    }
    assert.equal(
      (await index.searchAll([question, queries.q2!], { k: 3 }))[0]!.map(hit => hit.id),
      hits.map(hit => hit.id),
    )
    const again = await createTextIndex(
      encoder,
      texts.map(({ text }) => text),
      { vectors: index.vectors },
    )
    assert.equal(
      (await again.search(question, { k: 2 })).map(hit => hit.id),
      order.slice(0, 2).map(String),
    )
    assert.match(await failure(createTextIndex(encoder, ['a'], { vectors: index.vectors })), 'no vectors of 1 texts')
    assert.match(
      await failure(index.search('x', { k: 0 })),
      'search settings, k: expected a whole number from 1 to 1024, found the number 0',
    )
    for (const each of [again, index, encoder]) await each.close()
  })

  test(`LoRA lowers the loss and lifts the scores, saved and loaded it is the same, on ${backend.kind}`, async () => {
    const encoder = await load()
    const judged = { documents, queries, qrels }
    const before = await evaluateEncoder(encoder, judged, { k: 5 })
    const losses: number[] = []
    const adapted = await trainEncoder(encoder, pairs, settings, { onStep: ({ loss }) => void losses.push(loss) })
    assert.is(losses.length, 20)
    assert.ok(losses.at(-1)! < losses[0]! / 2, `${losses[0]} → ${losses.at(-1)}`)
    const after = await evaluateEncoder(adapted, judged, { k: 5 })
    assert.ok(
      after.scores.ndcg_at_5! > before.scores.ndcg_at_5!,
      `${before.scores.ndcg_at_5} → ${after.scores.ndcg_at_5}`,
    )
    assert.equal(
      (await evaluateEncoder(encoder, judged, { k: 5 })).scores,
      before.scores,
      'the encoder given is as it was',
    )

    const texts = Object.values(documents)
    const expected = await adapted.encode(texts)
    const adapter = await encoderFiles(adapted)
    assert.ok('adapter_model.safetensors' in adapter, Object.keys(adapter).join())
    const folder = `${temporaryFolder()}/adapter`
    assert.is(await saveEncoder(adapted, folder), 'peft')
    for (const location of [adapter as Record<string, Uint8Array<ArrayBuffer>>, folder]) {
      const loaded = await loadEncoder(files, { backend, adapter: location })
      const found = await loaded.encode(texts)
      assert.ok(found.every((value, i) => Math.abs(value - expected[i]!) < 1e-6))
      await loaded.close()
    }
    // The second to be closed is the one that closes what both used.
    await encoder.close()
    assert.is((await adapted.encode(texts)).length, expected.length)
    await adapted.close()
  })
}

test('full fine-tuning is saved as a whole model; mistakes in settings and pairs are named', async () => {
  const encoder = await loadEncoder(files, { backend: 'wasm', threads: 1 })
  const trained = await trainEncoder(encoder, pairs, { method: 'full', steps: 2, batch_size: 3 })
  const texts = Object.values(documents)
  const expected = await trained.encode(texts)
  const folder = `${temporaryFolder()}/model`
  assert.is(await saveEncoder(trained, folder), 'sentence-transformers')
  const loaded = await loadEncoder(folder, { backend: 'wasm', threads: 1 })
  assert.equal(await loaded.encode(texts), expected)

  const wrong = (given: object) => failure(trainEncoder(encoder, pairs, given))
  assert.match(await wrong({}), 'has neither epochs nor steps')
  assert.match(await wrong({ steps: 2, batchsize: 3 }), 'batch_size')
  assert.match(await wrong({ steps: 2, batch_size: 64 }), 'do not fill one batch of 64')
  assert.match(await failure(trainEncoder(encoder, [], { steps: 2 })), 'no training pairs')
  const signal = AbortSignal.abort(new Error('no more'))
  assert.is(await failure(trainEncoder(encoder, pairs, { steps: 2, batch_size: 3 }, { signal })), 'no more')
  for (const each of [loaded, trained, encoder]) await each.close()
})

test.run()
