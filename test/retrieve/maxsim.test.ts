// Late-interaction search on every backend against a naive search in f64: the same order, ties by document; stores in f32, f16 and residuals, in memory
// and in a file; the second stage behind candidates.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openSafetensors, writeSafetensors } from '../../src/data/safetensors.js'
import { levelsOf, rowWords } from '../../src/retrieve/codebook.js'
import type { PackedVectors } from '../../src/retrieve/encode-late.js'
import { createLateIndex } from '../../src/retrieve/late-index.js'
import { rescoreLate, searchLate, textsOf } from '../../src/retrieve/maxsim.js'
import { pooledStore, pooledTokens } from '../../src/retrieve/pooled.js'
import { compressTokens } from '../../src/retrieve/residuals.js'
import type { SearchResult } from '../../src/retrieve/search.js'
import {
  openTokenStore,
  storeInMemory,
  type TokenStore,
  vectorStore,
  writeTokenStore,
} from '../../src/retrieve/token-store.js'
import { backendsPresent } from '../support/present.js'
import { failure, temporaryFolder } from '../support/temporary.js'
import { offsetsOf, seededValues } from '../support/values.js'

const random = seededValues(401)

/** Unit vectors around few directions, as tokens of texts are. */
function texts(lengths: ArrayLike<number>, width: number): PackedVectors {
  const offsets = offsetsOf(Array.from(lengths))
  const tokens = offsets.at(-1)!
  const directions = random.normal(20 * width)
  const chosen = random.integers(tokens, 20)
  const noise = random.normal(tokens * width, 0.4)
  const vectors = noise.map((value, i) => value + directions[chosen[Math.floor(i / width)]! * width + (i % width)]!)
  for (let at = 0; at < vectors.length; at += width) {
    const row = vectors.subarray(at, at + width)
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
    row.set(row.map(value => value / length))
  }
  return { vectors, offsets, width }
}

/** Every document's MaxSim with a query. */
function scoresInF64(query: PackedVectors, documents: PackedVectors): Float64Array {
  const { width, offsets } = documents
  const dot = (t: number, row: number) => {
    let sum = 0
    for (let c = 0; c < width; c++) sum += query.vectors[t * width + c]! * documents.vectors[row * width + c]!
    return sum
  }
  return Float64Array.from({ length: offsets.length - 1 }, (_, d) => {
    let score = 0
    for (let t = 0; t < query.offsets.at(-1)!; t++) {
      let most = -Infinity
      for (let row = offsets[d]!; row < offsets[d + 1]!; row++) most = Math.max(most, dot(t, row))
      score += most
    }
    return score
  })
}

const ranked = (scores: Float64Array, among = Array.from(scores.keys())): number[] =>
  among.sort((a, b) => scores[b]! - scores[a]! || a - b)

function checkOrder(
  found: SearchResult,
  queries: PackedVectors,
  documents: PackedVectors,
  among?: readonly Int32Array[],
) {
  for (let i = 0; i + 1 < queries.offsets.length; i++) {
    const scores = scoresInF64(textsOf(queries, i, i + 1), documents)
    const expected = ranked(scores, among && Array.from(among[i]!)).slice(0, found.k)
    assert.equal(Array.from(found.rows.subarray(i * found.k, (i + 1) * found.k)), expected, `query ${i}`)
    expected.forEach((document, rank) => {
      const score = found.scores[i * found.k + rank]!
      assert.ok(Math.abs(score - scores[document]!) < 1e-5, `query ${i}: ${score}, expected ${scores[document]}`)
    })
  }
}

const width = 24
const queries = texts(
  random.integers(200, 5).map(length => length + 1),
  width,
)
const original = texts(
  random.integers(59, 12).map(length => length + 1),
  width,
)
// The last document is the tenth again: a tie for every query
const twin = textsOf(original, 10, 11)
const documents: PackedVectors = {
  vectors: Float32Array.of(...original.vectors, ...twin.vectors),
  offsets: Int32Array.of(...original.offsets, original.offsets.at(-1)! + twin.offsets[1]!),
  width,
}

/** The vectors that a store holds, as the device unpacks them. */
async function unpacked(store: TokenStore): Promise<PackedVectors> {
  const tokens = store.offsets.at(-1)!
  const arrays = await store.read(0, tokens)
  if (store.form === 'f32') return { ...store, vectors: arrays.vectors as Float32Array }
  if (store.form === 'f16') {
    const path = join(temporaryFolder(), 'halves.safetensors')
    const halves = new Uint16Array(arrays.vectors!.buffer)
    await writeSafetensors(path, [{ name: 'x', dtype: 'F16', shape: [tokens, width], data: halves }])
    const file = await openSafetensors(path)
    const vectors = await file.readF32('x')
    await file.close()
    return { ...store, vectors }
  }
  return { ...store, vectors: unpackedInF64(store, arrays.tokens as Uint32Array) }
}

/** Rows of bits by the codebook's own description: fields one behind the other, levels by bits; in the columns that they were turned from. */
function unpackedInF64({ codebook, width }: TokenStore, tokens: Uint32Array): Float32Array {
  const { centroids, steps, bits, deviations, scales, tables } = codebook!
  const words = rowWords(width)
  const codeBits = Math.ceil(Math.log2(centroids.length / width))
  const rows = Array.from({ length: tokens.length / words }, (_, i) => {
    const row = Array.from(tokens.subarray(i * words, (i + 1) * words), word => word.toString(2).padStart(32, '0'))
    const text = row.reverse().join('')
    let read = 0
    const field = (size: number): number => {
      read += size
      return size === 0 ? 0 : Number.parseInt(text.slice(text.length - read, text.length - read + size), 2)
    }
    const [code, scale] = [field(codeBits), scales[field(3)]!]
    const turned = Array.from({ length: width }, (_, c) => {
      const level = levelsOf(bits[c]!)[field(bits[c]!)]!
      return centroids[code * width + c]! * steps[c]! + scale * deviations[c]! * level
    })
    const length = Math.sqrt(turned.reduce((sum, value) => sum + value * value, 0))
    const rotation = tables.rotation
    return Array.from({ length: width }, (_, c) => {
      const value = rotation ? turned.reduce((sum, each, j) => sum + each * rotation[c * width + j]!, 0) : turned[c]!
      return value / length
    })
  })
  return Float32Array.from(rows.flat())
}

for (const backend of await backendsPresent()) {
  test(`${backend.kind}: 200 queries in the order of f64, ties by document`, async () => {
    const store = vectorStore(documents, 'f32')
    checkOrder(await searchLate(backend, queries, store, { k: 60 }), queries, documents)
    const few = textsOf(queries, 0, 21)
    const blocks = { k: 7, blockTokens: 50, queryBlock: 8 }
    const index = await createLateIndex(backend, store, { blockTokens: 50 })
    assert.ok(index.resident && index.documents === 60)
    checkOrder(await index.search(few, { k: 7, queryBlock: 8 }), few, documents)
    index.release()
    const passing = await createLateIndex(backend, store, { maximumBytes: 1000 })
    assert.not(passing.resident)
    checkOrder(await passing.search(few, { k: 7 }), few, documents)
    const progress: number[] = []
    const onProgress = ({ queries: done }: { queries: number }) => void progress.push(done)
    checkOrder(await searchLate(backend, few, store, { ...blocks, onProgress }), few, documents)
    assert.equal(progress, [8, 16, 21])
  })

  for (const form of ['f16', 'residual'] as const)
    test(`${backend.kind}: ${form}, in memory and from a file, as what is stored says`, async () => {
      const store = form === 'f16' ? vectorStore(documents, 'f16') : await compressTokens(backend, documents)
      const few = textsOf(queries, 0, 40)
      const path = join(temporaryFolder(), 'tokens.safetensors')
      await writeTokenStore(path, store)
      const opened = await openTokenStore(path)
      assert.is(opened.bytes, store.bytes)
      const exact = await unpacked(store)
      assert.equal((await unpacked(opened)).vectors, exact.vectors)
      for (const each of [store, opened]) {
        const found = await searchLate(backend, few, each, { k: 9, blockTokens: 64 })
        for (let i = 0; i < 40; i++) {
          const scores = scoresInF64(textsOf(few, i, i + 1), exact)
          const best = ranked(scores).slice(0, 9)
          for (const [rank, document] of best.entries()) {
            // Vectors of few levels tie in f64 but for the last bits
            const row = found.rows[i * 9 + rank]!
            assert.ok(row === document || Math.abs(scores[row]! - scores[document]!) < 1e-6, `query ${i}, rank ${rank}`)
            assert.ok(Math.abs(found.scores[i * 9 + rank]! - scores[row]!) < 1e-5, 'its score')
          }
        }
      }
      const index = await createLateIndex(backend, opened, { blockTokens: 64 })
      const found = await index.search(few, { k: 9 })
      assert.equal(found, await searchLate(backend, few, store, { k: 9, blockTokens: 64 }), 'resident')
      index.release()
      await opened.close()
    })

  test(`${backend.kind}: the second stage is exact among its candidates`, async () => {
    const store = vectorStore(documents, 'f32')
    const few = textsOf(queries, 3, 23)
    const lists = Array.from({ length: 20 }, (_, i) =>
      Int32Array.from({ length: 5 + i }, (_, j) => (i * 13 + j * 7) % 60),
    )
    checkOrder(await rescoreLate(backend, few, store, lists, { k: 5, blockTokens: 30 }), few, documents, lists)
    const short = await rescoreLate(backend, textsOf(few, 0, 2), store, [Int32Array.of(4), new Int32Array()], { k: 3 })
    assert.equal(Array.from(short.rows), [4, -1, -1, -1, -1, -1])
  })

  for (const [columns, tokens, least] of [
    [128, 5000, 0.96],
    [96, 4000, 0.95],
    [64, 300, 0.9],
    [48, 90, 0.9],
    [7, 40, 0.9],
    [128, 1, 0.99],
  ] as const)
    test(`${backend.kind}: residuals of ${tokens} tokens in ${columns} columns keep what matters`, async () => {
      const wide = texts(new Int32Array(tokens / Math.min(tokens, 20)).fill(Math.min(tokens, 20)), columns)
      const packed = await compressTokens(backend, wide)
      const count = wide.offsets.at(-1)!
      const arrays = await packed.read(0, count)
      assert.is(packed.codebook!.rotation !== undefined, count >= 32 * columns)
      const restored = unpackedInF64(packed, arrays.tokens as Uint32Array)
      let cosine = 0
      for (let i = 0; i < restored.length; i++) cosine += restored[i]! * wide.vectors[i]!
      assert.ok(cosine / count > least, `mean cosine ${cosine / count}`)
      if (columns === 128 && count > 1) assert.ok(packed.bytes < wide.vectors.byteLength / 11, `${packed.bytes} bytes`)
      const again = await compressTokens(backend, wide)
      assert.equal(await again.read(0, count), arrays, 'the same bytes again')
      // Its own vector is found, and by what is stored.
      const found = await searchLate(backend, textsOf(wide, 0, 1), packed, { k: 1 })
      assert.is(found.rows[0], 0)
      const query = textsOf(wide, 0, 1)
      const score = scoresInF64(query, { ...wide, vectors: restored })[0]!
      assert.ok(Math.abs(found.scores[0]! - score) < 1e-5 * query.offsets[1]!, `${found.scores[0]}, expected ${score}`)
    })
}

test('codes leave little along the mean of a query, at nearly the same cosine', async () => {
  const [backend] = await backendsPresent()
  const wide = texts(new Int32Array(210).fill(10), 64)
  const query = texts([8], 64).vectors
  const along = Float64Array.from({ length: 64 }, (_, c) => {
    let sum = 0
    for (let at = c; at < query.length; at += 64) sum += query[at]! / 8
    return sum
  })
  const errorsOf = async (options: { query?: Float32Array }) => {
    const packed = await compressTokens(backend!, wide, options)
    const restored = unpackedInF64(packed, (await packed.read(0, 2100)).tokens as Uint32Array)
    let [cosine, squares] = [0, 0]
    for (let at = 0; at < restored.length; at += 64) {
      let error = 0
      for (let c = 0; c < 64; c++) {
        cosine += (restored[at + c]! * wide.vectors[at + c]!) / 2100
        error += (wide.vectors[at + c]! - restored[at + c]!) * along[c]!
      }
      squares += error * error
    }
    return { cosine, left: Math.sqrt(squares / 2100) }
  }
  const [plain, turned] = [await errorsOf({}), await errorsOf({ query })]
  assert.ok(turned.left < 0.4 * plain.left, `${plain.left} → ${turned.left}`)
  assert.ok(turned.cosine > plain.cosine - 0.003, `${plain.cosine} → ${turned.cosine}`)
  const nothing = await errorsOf({ query: new Float32Array(64) })
  assert.equal(nothing, plain, 'a query without direction')
})

test('the pooled vector of a text', () => {
  const pooled = pooledTokens({
    vectors: Float32Array.of(1, 0, 0, 1, 3, 4),
    offsets: Int32Array.of(0, 2, 2, 3),
    width: 2,
  })
  const half = Math.fround(Math.SQRT1_2)
  assert.equal(Array.from(pooled), [half, half, 0, 0, Math.fround(0.6), Math.fround(0.8)])
})

test('pooled vectors of a store, in blocks: of what it holds, in each form', async () => {
  const [backend] = await backendsPresent()
  const exact = pooledTokens(documents)
  assert.equal(await pooledStore(vectorStore(documents, 'f32'), 50), exact)
  // Enough of them for a rotation, which pooled vectors are turned back from.
  const many = texts(new Int32Array(80).fill(12), width)
  for (const [packed, form] of [
    [documents, 'f16'],
    [many, 'residual'],
  ] as const) {
    const store = form === 'f16' ? vectorStore(packed, form) : await compressTokens(backend!, packed)
    const stored = pooledTokens(await unpacked(store))
    const found = await pooledStore(store, 50)
    // Residuals are not scaled to length 1 before their mean is taken.
    const tolerance = form === 'f16' ? 1e-6 : 0.05
    assert.ok(
      found.every((value, i) => Math.abs(value - stored[i]!) <= tolerance),
      form,
    )
  }
})

test('what cannot be is refused', async () => {
  const [backend] = await backendsPresent()
  const store = vectorStore(documents, 'f32')
  assert.match(await failure(searchLate(backend!, queries, store, { k: 0 })), /k is 0/)
  const narrow = texts([2], 8)
  assert.match(await failure(searchLate(backend!, narrow, store, { k: 1 })), /have 8 columns, those of documents 24/)
  const one = textsOf(queries, 0, 1)
  assert.match(await failure(rescoreLate(backend!, one, store, [], { k: 1 })), /0 lists of candidates for 1/)
  assert.match(
    await failure(rescoreLate(backend!, one, store, [Int32Array.of(60)], { k: 1 })),
    /candidate 60 is no doc/,
  )
  assert.throws(
    () => storeInMemory('f16', { offsets: Int32Array.of(0), width: 3 }, {}),
    /3 columns cannot be kept in f16/,
  )
  const path = join(temporaryFolder(), 'other.safetensors')
  await writeSafetensors(path, [{ name: 'x', dtype: 'F32', shape: [1], data: new Float32Array(1) }])
  assert.match(await failure(openTokenStore(path)), /holds no token vectors/)
})
test.run()
