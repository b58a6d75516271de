// Every dense folder that sentence-transformers wrote gives its embeddings: all ways of pooling, Dense modules, prompts in and out of the pooling,
// lengths; dimensions cut; the four similarities.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { encoderWidth } from '../../src/model/encoder.js'
import { openModelFolder } from '../../src/model/folder.js'
import { loadEncoder } from '../../src/model/load.js'
import { encodeSequences } from '../../src/retrieve/encode.js'
import { searchSimilar, similarityMatrix } from '../../src/retrieve/similarity.js'
import { normalizeRows } from '../../src/run/evaluate.js'
import { packTexts, promptFor } from '../../src/run/model.js'
import { loadTokenizer } from '../../src/text/tokenizer.js'
import { maxDifference, readArrays } from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { jsonLines, needs } from '../support/shared.js'
import { seededValues } from '../support/values.js'

const TOLERANCE = 2e-5
const folders = needs('oracles/sentence-transformers')
const backends = await backendsPresent()
const texts = folders ? jsonLines<{ text: string }>(`${folders}/texts.jsonl`).map(({ text }) => text) : []
const dense = folders
  ? readdirSync(folders).filter(name => existsSync(`${folders}/${name}/modules.json`) && !name.startsWith('colbert'))
  : []
if (folders) test('there are folders to compare with', () => assert.ok(dense.length >= 16, dense.join()))

for (const backend of backends)
  for (const name of dense)
    test(`${backend.kind}, ${name}: sentence-transformers' embeddings`, async () => {
      const path = `${folders}/${name}`
      const golden = await readArrays(`${path}/golden.safetensors`)
      const folder = await openModelFolder(path)
      const { settings } = folder
      const tokenizer = await loadTokenizer(path)
      const { encoder, release } = await loadEncoder(backend, folder, settings, { kind: 'frozen' })
      const encode = async (prompt: string) =>
        encodeSequences(backend, encoder, packTexts(tokenizer, settings, 'document', texts, settings.maxLength, prompt))
      const compare = async (key: string, prompt: string) => {
        const difference = maxDifference(await encode(prompt), golden[key]!)
        assert.ok(difference <= TOLERANCE, `${key}: ${difference}`)
      }
      await compare('embeddings', settings.prompts[settings.defaultPromptName ?? ''] ?? '')
      if (golden.query) {
        await compare('query', promptFor(settings, 'query'))
        await compare('document', promptFor(settings, 'document'))
        await compare('own_prompt', 'find: ')
        await compare('no_prompt', '')
      }
      const { dimension } = JSON.parse(readFileSync(`${path}/golden.json`, 'utf8'))
      assert.is(encoderWidth(encoder), dimension)
      release()
      await folder.close()
    })

for (const backend of backends)
  (folders ? test : test.skip)(`${backend.kind}: dimensions are cut, then vectors normalised again`, async () => {
    for (const name of ['mean', 'mean-normalize', 'cls-dense-dense-normalize']) {
      const path = `${folders}/${name}`
      const { embeddings } = await readArrays(`${path}/golden.safetensors`)
      const width = embeddings!.length / texts.length
      const folder = await openModelFolder(path)
      const { normalize } = folder.settings
      const loaded = await loadEncoder(backend, folder, folder.settings, { kind: 'frozen' }, { dimensions: 5 })
      const batch = packTexts(await loadTokenizer(path), folder.settings, 'document', texts, folder.settings.maxLength)
      const cut = Float32Array.from(
        { length: texts.length * 5 },
        (_, i) => embeddings![Math.floor(i / 5) * width + (i % 5)]!,
      )
      const expected = normalize ? normalizeRows(cut, 5) : cut
      assert.ok(maxDifference(await encodeSequences(backend, loaded.encoder, batch), expected) <= 5 * TOLERANCE, name)
      loaded.release()
      await folder.close()
    }
  })

const kinds = ['cosine', 'dot', 'euclidean', 'manhattan'] as const
;(folders ? test : test.skip)('similarities', async () => {
  const { a, b, ...matrices } = await readArrays(`${folders}/similarity.safetensors`)
  for (const kind of kinds)
    assert.ok(maxDifference(similarityMatrix(kind, a!, b!, 9), matrices[kind]!) <= TOLERANCE, kind)
})

for (const backend of backends)
  test(`${backend.kind}: search by each similarity finds what the whole matrix says, ties by row`, async () => {
    const random = seededValues(77)
    const [width, documents, queries, k] = [7, 301, 5, 20]
    const shifted = (count: number) => random.normal(count * width).map((value, i) => value + 30 * (i % width))
    const corpus = shifted(documents)
    corpus.copyWithin(40 * width, 3 * width, 4 * width) // row 40 ties with row 3
    const asked = shifted(queries)
    for (const kind of kinds) {
      const [q, d] = kind === 'cosine' ? [normalizeRows(asked, width), normalizeRows(corpus, width)] : [asked, corpus]
      const found = await searchSimilar(backend, kind, q, d, width, { k })
      const matrix = similarityMatrix(kind, q, d, width)
      for (let query = 0; query < queries; query++) {
        const scores = matrix.subarray(query * documents, (query + 1) * documents)
        const order = Array.from(scores.keys()).sort((x, y) => scores[y]! - scores[x]! || x - y)
        const got = found.scores.subarray(query * k, (query + 1) * k)
        assert.ok(
          maxDifference(
            got,
            order.slice(0, k).map(row => scores[row]!),
          ) <=
            1e-5 * Math.abs(got[0]!) + 1e-6,
          kind,
        )
        if (kind === 'euclidean' || kind === 'manhattan')
          assert.equal(Array.from(found.rows.subarray(query * k, (query + 1) * k)), order.slice(0, k), kind)
      }
    }
  })

test.run()
