// Encoding in batches: the same vectors in the same order whatever the budget; odd sequences; what is refused.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import type { PackedBatch } from '../../src/model/batch.js'
import { type LoadedEncoder, loadEncoder, randomSource } from '../../src/model/load.js'
import { batchesByLength, encodeSequences, encodeTokens } from '../../src/retrieve/encode.js'
import { backendsPresent } from '../support/present.js'
import { failure } from '../support/temporary.js'
import { tinyConfig } from '../support/tiny-bert.js'
import { offsetsOf, seededValues } from '../support/values.js'

const config = { ...tinyConfig, initializerRange: 0.5 }
const source = randomSource(config, 4)
const WIDTH = config.hidden

/** Lengths in no order: single tokens, the model's 8 positions, and a sequence without tokens. */
const lengths = [3, 8, 1, 5, 0, 8, 2, 1, 7, 4, 6]
const values = seededValues(9)
const pack = (wanted: readonly number[]): PackedBatch => {
  const offsets = offsetsOf(wanted)
  return { ids: values.integers(offsets.at(-1)!, config.vocabulary), offsets }
}
const sequences = pack(lengths)
const near = (actual: Float32Array, expected: Float32Array, what: string) => {
  assert.is(actual.length, expected.length, what)
  actual.forEach((x, i) => {
    assert.ok(Math.abs(x - expected[i]!) < 1e-5, `${what}: ${i} is ${x}, expected ${expected[i]}`)
  })
}
const load = (backend: Backend): Promise<LoadedEncoder> =>
  loadEncoder(backend, source, { pooling: ['mean'], normalize: true }, { kind: 'frozen' })

const backends = await backendsPresent()
for (const backend of backends) {
  test(`${backend.kind}: the order of the input, whatever fits a batch`, async () => {
    const { encoder, release } = await load(backend)
    // One sequence at a time, in the order of the input: nothing to restore.
    const vectors = new Float32Array(lengths.length * WIDTH)
    const states = new Float32Array(sequences.ids.length * WIDTH)
    for (const [b, start] of sequences.offsets.subarray(0, -1).entries()) {
      const one = { ids: sequences.ids.slice(start, sequences.offsets[b + 1]), offsets: offsetsOf([lengths[b]!]) }
      vectors.set(await encodeSequences(backend, encoder, one), b * WIDTH)
      states.set(await encodeTokens(backend, encoder, one), start * WIDTH)
    }
    for (let b = 0; b < lengths.length; b++) {
      const norm = Math.hypot(...vectors.subarray(b * WIDTH, (b + 1) * WIDTH))
      assert.ok(Math.abs(norm - (lengths[b] ? 1 : 0)) < 1e-5, `sequence ${b} has the norm ${norm}`)
    }
    // 1 and 5 are less than the longest sequences have.
    for (const batchTokens of [1, 5, 9, 16, 1000]) {
      near(await encodeSequences(backend, encoder, sequences, { batchTokens }), vectors, `vectors, ${batchTokens}`)
      near(await encodeTokens(backend, encoder, sequences, { batchTokens }), states, `states, ${batchTokens}`)
    }
    release()
  })
}

test('equal texts have equal vectors, and nothing gives nothing', async () => {
  const [backend] = backends
  const { encoder } = await load(backend!)
  const ids = Int32Array.of(2, 5, 6, 3, 2, 5, 6, 3, 2, 7, 3)
  const vectors = await encodeSequences(backend!, encoder, { ids, offsets: Int32Array.of(0, 4, 8, 11) })
  assert.equal(vectors.slice(0, WIDTH), vectors.slice(WIDTH, 2 * WIDTH))
  assert.not.equal(vectors.slice(0, WIDTH), vectors.slice(2 * WIDTH))
  const none = { ids: new Int32Array(), offsets: Int32Array.of(0) }
  assert.is((await encodeSequences(backend!, encoder, none)).length, 0)
  assert.is((await encodeTokens(backend!, encoder, none)).length, 0)
})

test('sequences that do not fit the model, and weights that are not numbers, are refused', async () => {
  const [backend] = backends
  const { encoder } = await load(backend!)
  const encode = (ids: number[], typeIds?: number[]) => {
    const batch = { ids: Int32Array.from([1, ...ids]), offsets: Int32Array.of(0, 1, 1 + ids.length) }
    const types = typeIds && { typeIds: Int32Array.from([0, ...typeIds]) }
    return failure(encodeSequences(backend!, encoder, { ...batch, ...types }))
  }
  assert.match(await encode([1, 2, 3, 4, 5, 6, 7, 8, 9]), /text 2 has 9 tokens, but the model has 8 positions/)
  assert.match(await encode([3, 11]), /text 2 has the id 11, but the model's vocabulary has 11 entries/)
  assert.match(await encode([3, -1]), /text 2 has the id -1/)
  assert.match(await encode([3, 4], [0, 2]), /text 2 has the token type 2, but the model has 2/)

  const name = 'encoder.layer.1.output.dense.weight'
  const damaged = async (tensor: string) => {
    const data = (await source.readTensor(tensor)).slice()
    if (tensor === name) data[7] = Number.NaN
    return data
  }
  const settings = { pooling: ['mean'], normalize: true } as const
  const broken = await loadEncoder(backend!, { ...source, readTensor: damaged }, settings, { kind: 'frozen' })
  const message = await failure(encodeSequences(backend!, broken.encoder, pack([3, 4])))
  assert.match(message, /not finite numbers; the weights of the model are damaged/)
})

test('progress counts sequences and tokens, and an aborted encoding ends', async () => {
  const [backend] = backends
  const { encoder } = await load(backend!)
  const seen: { sequences: number; tokens: number }[] = []
  await encodeSequences(backend!, encoder, pack([2, 4, 3]), { batchTokens: 5, onProgress: done => seen.push(done) })
  assert.equal(seen, [
    { sequences: 1, tokens: 4 },
    { sequences: 3, tokens: 9 },
  ])
  const signal = AbortSignal.abort(new Error('stopped by hand'))
  assert.match(await failure(encodeSequences(backend!, encoder, pack([2]), { signal })), /stopped by hand/)
})

test('batches: longest first, each sequence once, within the budget unless alone', () => {
  const cut = (wanted: readonly number[], budget: number) => batchesByLength(offsetsOf(wanted), budget)
  assert.equal(cut([2, 9, 4, 4, 1], 8), [[1], [2, 3], [0, 4]])
  assert.equal(cut([], 8), [])
  assert.equal(cut([0, 0], 8), [[0, 1]])
  for (const budget of [1, 7, 20, 400]) {
    const batches = cut(lengths, budget)
    const tokens = batches.map(batch => batch.reduce((sum, b) => sum + lengths[b]!, 0))
    assert.ok(
      batches.every((batch, i) => tokens[i]! <= budget || batch.length === 1),
      `${budget}: ${tokens}`,
    )
    assert.equal(
      batches.flat().toSorted((a, b) => a - b),
      lengths.map((_, b) => b),
    )
  }
})
test.run()
