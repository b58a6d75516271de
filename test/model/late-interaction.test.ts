// Late interaction: ids, which tokens are attended to, token vectors and MaxSim scores, against PyLate's model and sentence-transformers' own.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { joinBatches, selectSequences } from '../../src/model/batch.js'
import { createLateTokenizer } from '../../src/model/late-interaction.js'
import type { LateInteractionSettings } from '../../src/model/late-interaction-settings.js'
import { maxSim } from '../../src/ops/maxsim.js'
import { encodeLate, keptVectors, type PackedVectors } from '../../src/retrieve/encode-late.js'
import { openModel, placeModel } from '../../src/run/model.js'
import { frozenTensor } from '../../src/tensor/parameters.js'
import { createPlan } from '../../src/tensor/plan.js'
import { createPool, createProgram } from '../../src/tensor/program.js'
import { createTrace, input, output } from '../../src/tensor/trace.js'
import { createWordPieceTokenizer } from '../../src/text/tokenizer.js'
import { maxDifference, readArrays, readIntegers } from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { needs } from '../support/shared.js'

const folder = needs('oracles/sentence-transformers')
const backends = await backendsPresent()

interface Golden {
  readonly queries: string[]
  readonly documents: string[]
  readonly query_ids: number[][]
  readonly query_attention_mask: number[][]
  readonly document_ids: number[][]
}

const rows = ({ ids, offsets }: { ids: Int32Array; offsets: Int32Array }) =>
  Array.from({ length: offsets.length - 1 }, (_, b) => Array.from(ids.subarray(offsets[b]!, offsets[b + 1]!)))

for (const name of ['colbert', 'colbert-pylate'])
  for (const backend of backends)
    (folder ? test : test.skip)(`${backend.kind}: ${name}`, async () => {
      const path = `${folder}/${name}`
      const golden: Golden = JSON.parse(readFileSync(`${path}/golden.json`, 'utf8'))
      const source = await openModel(path)
      const tokenizer = createLateTokenizer(source.tokenizer!, source.settings)
      const query = tokenizer.encode('query', golden.queries)
      const document = tokenizer.encode('document', golden.documents)
      assert.equal(rows(query), golden.query_ids)
      assert.equal(rows(document), golden.document_ids)
      const attended = golden.query_attention_mask.map(mask => mask.reduce((a, b) => a + b, 0))
      assert.equal(Array.from(query.keyLengths!), attended)
      const loaded = await placeModel(backend, source, undefined, { perToken: true })
      const expected = await readArrays(`${path}/golden.safetensors`)
      const found = {
        query: await encodeLate(backend, loaded.encoder, query, { batchTokens: 70 }),
        document: await encodeLate(backend, loaded.encoder, document),
      }
      for (const side of ['query', 'document'] as const) {
        assert.equal(found[side].offsets, await readIntegers(`${path}/golden.safetensors`, `${side}_offsets`))
        const error = maxDifference(found[side].vectors, expected[side]!)
        assert.ok(error <= 2e-5, `${side}: token vectors are ${error} off`)
      }
      const trace = createTrace({ training: false })
      const side = (which: 'query' | 'document') => {
        const { vectors, offsets, width } = found[which]
        const tokens = vectors.length / width
        return {
          vectors: frozenTensor(backend, which, [tokens, width], vectors),
          ...{ offsets: input(trace, which, [offsets.length]), texts: offsets.length - 1, tokens },
        }
      }
      output(trace, 'scores', maxSim(trace, side('query'), side('document'), { similarity: 'dot', name: 'scores' }))
      const program = createProgram(createPlan('scores', trace), createPool(backend))
      await program.run({}, { query: found.query.offsets, document: found.document.offsets })
      const error = maxDifference(await program.read('scores'), expected.scores!)
      assert.ok(error <= 2e-5, `scores are ${error} off`)
      loaded.release()
      await source.close()
    })

const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '[unused0]', '[unused1]', 'red', 'cat', ',', '.']
const tokenizer = await createWordPieceTokenizer({ vocabulary, lowerCase: false })
const settings: LateInteractionSettings = {
  projection: [],
  normalize: true,
  ...{ queryMarker: '[unused0]', documentMarker: '[unused1]', queryLength: 6, documentLength: 7 },
  expansion: { strategy: 'fixed', length: 6, attend: false },
  ...{ skipWords: [',', '.', ';'], skipIn: ['document'], similarity: 'maxsim' },
}
const lateTokenizer = (changed: Partial<LateInteractionSettings>, doLowerCase = false) =>
  createLateTokenizer(tokenizer, { doLowerCase, lateInteraction: { ...settings, ...changed } })

test('markers, lengths, filling up and what takes no part', () => {
  const late = lateTokenizer({})
  const query = late.encode('query', ['red', 'red cat , red cat'])
  assert.equal(rows(query), [
    [2, 5, 7, 3, 4, 4],
    [2, 5, 7, 8, 9, 3],
  ])
  assert.equal(query.keyLengths, Int32Array.of(4, 6))
  assert.is(query.truncated, 1)
  assert.equal(query.keep, new Uint8Array(12).fill(1), 'queries keep their punctuation')
  const document = late.encode('document', ['red , cat .', ''])
  assert.equal(rows(document), [
    [2, 6, 7, 9, 8, 10, 3],
    [2, 6, 3],
  ])
  assert.equal(Array.from(document.keep), [1, 1, 1, 0, 1, 0, 1, 1, 1, 1])
  assert.not('keyLengths' in document)
  const kept = keptVectors(
    Float32Array.from({ length: 20 }, (_, i) => i),
    document,
    2,
  )
  const vectors: PackedVectors = {
    vectors: Float32Array.of(0, 1, 2, 3, 4, 5, 8, 9, 12, 13, 14, 15, 16, 17, 18, 19),
    offsets: Int32Array.of(0, 5, 8),
    width: 2,
  }
  assert.equal(kept, vectors)
})

test('other expansions: none, at least, attended to, another token; a shorter limit', () => {
  const { expansion, ...none } = settings
  const plain = createLateTokenizer(tokenizer, { doLowerCase: false, lateInteraction: none })
  assert.equal(rows(plain.encode('query', ['red'])), [[2, 5, 7, 3]])
  const least = lateTokenizer({
    expansion: { strategy: 'min', length: 5, attend: true, token: '[PAD]' },
    queryLength: 8,
  })
  const query = least.encode('query', ['red', 'red cat red cat'])
  assert.equal(rows(query), [
    [2, 5, 7, 3, 0],
    [2, 5, 7, 8, 7, 8, 3],
  ])
  assert.not('keyLengths' in query)
  assert.equal(rows(lateTokenizer({}).encode('query', ['red cat'], 4)), [[2, 5, 7, 3]])
  assert.equal(rows(lateTokenizer({}, true).encode('document', ['RED'])), [[2, 6, 7, 3]])
  assert.throws(() => lateTokenizer({ expansion: { ...expansion!, token: '[NO]' } }), /"\[NO\]", which is not a token/)
})

test('how far a sequence may be attended to goes with it', () => {
  const late = lateTokenizer({})
  const [query, document] = [late.encode('query', ['red', 'cat cat']), late.encode('document', ['red'])]
  assert.equal(selectSequences(query, [1, 0]).keyLengths, Int32Array.of(5, 4))
  assert.equal(joinBatches([query, document]).keyLengths, Int32Array.of(4, 5, 4))
})
test.run()
