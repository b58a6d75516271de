// Residual-compressed late interaction on real texts: all-MiniLM-L6-v2's token vectors (computed in 8 bits, which is quicker) through a projection as
// training begins with it. Its scores stay within 0.01 of those of uncompressed vectors, in a sixth of f16's bytes.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { loadCollection } from '../../src/data/collection.js'
import { sampleCollection } from '../../src/data/collection-sample.js'
import { isPerToken } from '../../src/model/encoder.js'
import type { LateBatch } from '../../src/model/late-interaction.js'
import { unpackRows } from '../../src/retrieve/codebook.js'
import { encodeLate, type PackedVectors } from '../../src/retrieve/encode-late.js'
import { searchLate } from '../../src/retrieve/maxsim.js'
import { compressTokens } from '../../src/retrieve/residuals.js'
import { turnRows } from '../../src/retrieve/rotation.js'
import { type TokenStore, vectorStore } from '../../src/retrieve/token-store.js'
import { runOf, scoreRun, tokenizeCollection } from '../../src/run/evaluate.js'
import { openModelUnhashed } from '../../src/run/model.js'
import { asArchitecture, placeFrozen } from '../../src/run/placed.js'
import { needs } from '../support/shared.js'

const model = needs('models/all-MiniLM-L6-v2')
const rules = { k: 10, protocol: 'beir', measures: ['ndcg_at_10'] } as const

/** Of vectors with what is stored of them. */
function meanCosine({ vectors, width }: PackedVectors, { codebook }: TokenStore, tokens: Uint32Array): number {
  const turned = turnRows(vectors, codebook!.tables.rotation!, width)
  const kept = unpackRows(tokens, codebook!, width)
  let sum = 0
  for (let at = 0; at < kept.length; at += width) {
    let [product, squares] = [0, 0]
    for (let c = at; c < at + width; c++) {
      product += kept[c]! * turned[c]!
      squares += kept[c]! * kept[c]!
    }
    sum += product / Math.sqrt(squares)
  }
  return (sum * width) / kept.length
}

for (const [name, sample, leastCosine] of [
  ['conala', { queries: 220, documents: 280 }, 0.975],
  ['xquad/en', { queries: 150, documents: 60 }, 0.975],
] as const) {
  const folder = needs(`data/${name}`)
  ;(model && folder ? test : test.skip)(`${name}: nDCG@10 and bytes`, async () => {
    const recipe = { architecture: 'late_interaction', projection: 128, query_length: 16, max_length: 96 } as const
    const source = await asArchitecture({ ...(await openModelUnhashed(model!)), hash: '' }, recipe, 1)
    const backend = await createWasmBackend({ threads: 2 })
    try {
      const { encoder } = await placeFrozen(backend, source, { precision: 'int8' })
      assert.ok(isPerToken(encoder))
      const collection = sampleCollection(await loadCollection(folder!), sample)
      const tokenized = tokenizeCollection(source.tokenizer!, source.settings, collection, 96)
      const documents = await encodeLate(backend, encoder, tokenized.documents as LateBatch)
      const queries = await encodeLate(backend, encoder, tokenized.queries as LateBatch)
      const scoreOf = async (store: TokenStore, asked: PackedVectors) => {
        const found = await searchLate(backend, asked, store, { k: 11 })
        return scoreRun(collection, runOf(collection, tokenized.documentIds, found, rules), rules).scores.ndcg_at_10!
      }
      const [exact, half, packed] = [
        vectorStore(documents, 'f32'),
        vectorStore(documents, 'f16'),
        await compressTokens(backend, documents),
      ]
      const [before, halved, after] = [
        await scoreOf(exact, queries),
        await scoreOf(half, queries),
        await scoreOf(packed, queries),
      ]
      const figures = `nDCG@10 ${before}, f16 ${halved}, residual ${after}; bytes ${exact.bytes}, ${half.bytes}, ${packed.bytes}`
      const cosine = meanCosine(
        documents,
        packed,
        (await packed.read(0, documents.offsets.at(-1)!)).tokens as Uint32Array,
      )
      assert.ok(cosine > leastCosine, `${figures}; mean cosine ${cosine}`)
      assert.ok(before > 0.05, figures)
      assert.ok(Math.abs(halved - before) < 0.002, figures)
      assert.ok(Math.abs(after - before) < 0.01, figures)
      assert.ok(packed.bytes < exact.bytes / 12 && packed.bytes < half.bytes / 6, figures)
    } finally {
      backend.close()
      await source.close()
    }
  })
}

test.run()
