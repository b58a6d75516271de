// Rows of bits: levels against the best there are for a normal distribution, fields read as they were put, codebooks and files that are damaged or old.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openSafetensors, writeSafetensors } from '../../src/data/safetensors.js'
import {
  LEFT,
  levelsOf,
  MOST_BITS,
  openCodebook,
  putField,
  rowWords,
  type StoredCodebook,
  unpackRows,
} from '../../src/retrieve/codebook.js'
import { openTokenStore, storeInMemory, writeTokenStore } from '../../src/retrieve/token-store.js'
import { failure, temporaryFolder } from '../support/temporary.js'
import { seededValues } from '../support/values.js'

const random = seededValues(88)
const width = 6

/** Mean squared error of levels for a normal distribution, by a sum over narrow steps. */
function errorOf(levels: Float64Array): number {
  const step = 1e-3
  let sum = 0
  for (let x = -8; x < 8; x += step) {
    const nearest = levels.reduce((best, level) => (Math.abs(level - x) < Math.abs(best - x) ? level : best))
    sum += ((x - nearest) ** 2 * Math.exp((-x * x) / 2) * step) / Math.sqrt(2 * Math.PI)
  }
  return sum
}

test('levels leave what the table says, at most a little more than the best (Max 1960, table 1)', () => {
  const best = [1, 0.3634, 0.1175, 0.03454, 0.009497, 0.002499]
  for (let bits = 0; bits <= MOST_BITS; bits++) {
    const levels = levelsOf(bits)
    assert.is(levels.length, 2 ** bits)
    assert.ok(levels.every((level, i) => i === 0 || level > levels[i - 1]!))
    const error = errorOf(levels)
    assert.ok(Math.abs(error / LEFT[bits]! - 1) < 1e-3, `${bits} bits: ${error}`)
    if (best[bits]) assert.ok(error < 1.07 * best[bits]!, `${bits} bits: ${error}`)
  }
})

const stored = (centroids = 3): StoredCodebook => ({
  centroids: Int8Array.from({ length: centroids * width }, (_, i) => ((i * 37) % 255) - 127),
  steps: random.uniform(width, 0.001, 0.01),
  rotation: Int8Array.from(random.normal(width * width, 40)),
  deviations: random.uniform(width, 0.5, 1),
  bits: Uint8Array.of(4, 4, 4, 4, 1, 1),
  scales: Float32Array.from({ length: 8 }, (_, i) => 0.01 * (i + 1)),
})

/** Rows of given fields: code, scale, then a number for each column. */
function rowsOf(fields: readonly (readonly number[])[], codeBits: number): Uint32Array {
  const words = rowWords(width)
  const rows = new Uint32Array(fields.length * words)
  fields.forEach((row, i) => {
    let first = 32 * words * i
    row.forEach((value, j) => {
      const bits = j === 0 ? codeBits : j === 1 ? 3 : stored().bits[j - 2]!
      putField(rows, first, bits, value)
      first += bits
    })
  })
  return rows
}

const rows = rowsOf(
  [
    [2, 7, 15, 0, 8, 3, 1, 0],
    [0, 0, 1, 2, 3, 4, 0, 1],
  ],
  2,
)

test('a row says centroid + scale · deviation · level', () => {
  const codebook = openCodebook(stored(), width)
  const { centroids, steps, deviations, scales, bits } = codebook
  const vectors = unpackRows(rows, codebook, width)
  const fields = [15, 0, 8, 3, 1, 0]
  for (let c = 0; c < width; c++) {
    const expected =
      centroids[2 * width + c]! * steps[c]! + scales[7]! * deviations[c]! * levelsOf(bits[c]!)[fields[c]!]!
    assert.ok(Math.abs(vectors[c]! - expected) < 1e-6, `column ${c}: ${vectors[c]}, expected ${expected}`)
  }
})

test('parts that do not fit each other are refused', () => {
  const wrong = (change: Partial<StoredCodebook>) => () => openCodebook({ ...stored(), ...change }, width)
  assert.throws(wrong({ centroids: new Int8Array(7) }), /7 values are no centroids of 6 columns/)
  assert.throws(wrong({ centroids: new Int8Array() }), /0 values are no centroids/)
  assert.throws(wrong({ steps: new Float32Array(5) }), /steps has 5 values, expected 6/)
  assert.throws(wrong({ scales: new Float32Array(4) }), /scales has 4 values, expected 8/)
  assert.throws(wrong({ deviations: new Float32Array(6).fill(Number.NaN) }), /deviations holds a value/)
  assert.throws(wrong({ bits: Uint8Array.of(4, 4, 4, 3, 1, 1) }), /column 3 has 3 bits, expected at most 6, the same 4/)
  assert.throws(wrong({ bits: new Uint8Array(6).fill(7) }), /column 0 has 7 bits/)
  assert.throws(wrong({ bits: new Uint8Array(6).fill(6) }), /fields take 41 bits, there are 32/)
  assert.throws(wrong({ rotation: new Int8Array(36) }), /columns of a rotation depend on each other/)
})

test('a file: the same rows again; refused where it is damaged or of another version', async () => {
  const codebook = openCodebook(stored(), width)
  const store = storeInMemory('residual', { offsets: Int32Array.of(0, 1, 2), width }, { tokens: rows }, codebook)
  const path = join(temporaryFolder(), 'tokens.safetensors')
  await writeTokenStore(path, store)
  const opened = await openTokenStore(path)
  assert.equal(opened.codebook, codebook)
  assert.equal(await opened.read(1, 2), { tokens: rows.subarray(rows.length / 2) })
  assert.is(opened.bytes, store.bytes)
  await opened.close()

  const bad = join(temporaryFolder(), 'bad.safetensors')
  const unknown = rowsOf([[3, 0, 0, 0, 0, 0, 0, 0]], 2)
  const offsets = Int32Array.of(0, 1)
  await writeTokenStore(bad, storeInMemory('residual', { offsets, width }, { tokens: unknown }, codebook))
  const damaged = await openTokenStore(bad)
  assert.match(await failure(damaged.read(0, 1)), /bad\.safetensors: a vector names centroid 3, there are 3; write/)
  await damaged.close()
  await writeTokenStore(bad, { ...store, codebook: { ...codebook, rotation: new Int8Array(width * width) } })
  assert.match(await failure(openTokenStore(bad)), /bad\.safetensors: the columns of a rotation .*write the file anew/)

  const old = join(temporaryFolder(), 'old.safetensors')
  const file = await openSafetensors(path)
  const tensor = { name: 'offsets', dtype: 'I32' as const, shape: [1], data: new Int32Array(1) }
  for (const version of [undefined, '3']) {
    const { version: _, ...metadata } = file.metadata
    await writeSafetensors(old, [tensor], { ...metadata, ...(version && { version }) })
    const expected = new RegExp(`residuals as version ${version ?? 1} of the format has them, expected 2; remove it`)
    assert.match(await failure(openTokenStore(old)), expected)
  }
  await file.close()
})

test.run()
