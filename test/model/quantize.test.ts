// Models in 8 bits: which weights are, how near the vectors stay, adapters merged first, memory given back, and what is refused.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { int8Words } from '../../src/backend/kernels.js'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { batchInputs } from '../../src/model/batch.js'
import { encode } from '../../src/model/encoder.js'
import { loadEncoder, type Method, newAdapter, randomSource } from '../../src/model/load.js'
import { quantizedNames } from '../../src/model/quantize.js'
import { encodeSequences } from '../../src/retrieve/encode.js'
import { createTrace } from '../../src/tensor/trace.js'
import { counted } from '../support/counted.js'
import { backendsPresent } from '../support/present.js'
import { failure } from '../support/temporary.js'
import { tinyConfig } from '../support/tiny-bert.js'
import { seededValues } from '../support/values.js'

const config = { ...tinyConfig, hidden: 24, heads: 2, intermediate: 40, layers: 2, initializerRange: 0.2 }
const source = randomSource(config, 3)
const settings = { pooling: ['mean'], normalize: true } as const
const int8 = { precision: 'int8' } as const
const batch = {
  ids: Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9),
  typeIds: new Int32Array(9),
  offsets: Int32Array.of(0, 4, 6, 9),
}
const adapter = newAdapter(config, { rank: 2, alpha: 8, dropout: 0, targets: ['query', 'output.dense'] }, 1)
const random = seededValues(4)
for (const { B } of adapter.targets.values()) B.set(random.normal(B.length))

/** The largest 1 − cosine of two lists of unit vectors. */
function farthest(a: Float32Array, b: Float32Array): number {
  let most = 0
  for (let row = 0; row < a.length; row += config.hidden) {
    let dot = 0
    for (let i = row; i < row + config.hidden; i++) dot += a[i]! * b[i]!
    most = Math.max(most, 1 - dot)
  }
  return most
}

for (const backend of await backendsPresent())
  test(`${backend.kind}: vectors in 8 bits stay near those in f32, with an adapter and without`, async () => {
    const found: Float32Array[] = []
    for (const method of [{ kind: 'frozen' }, { kind: 'frozen', adapter }] as const) {
      const vectors = async (options: object) => {
        const loaded = await loadEncoder(backend, source, settings, method, options)
        const encoded = await encodeSequences(backend, loaded.encoder, batch)
        loaded.release()
        return encoded
      }
      const [exact, near] = [await vectors({}), await vectors(int8)]
      const apart = farthest(exact, near)
      assert.ok(apart < 1e-3, `1 − cosine ${apart}`)
      assert.not.equal(exact, near, 'they are quantised')
      found.push(near)
    }
    assert.ok(farthest(found[0]!, found[1]!) > 1e-2, 'the adapter counts')
  })

test('linear layers are in 8 bits, the rest as the source has it; all memory is given back', async () => {
  const { backend, held } = counted(await createWasmBackend({ threads: 1 }))
  const inInt8 = quantizedNames(config)
  assert.is(inInt8.size, 6 * config.layers)
  const loaded = await loadEncoder(backend, source, settings, { kind: 'frozen' }, int8)
  for (const { name, shape } of source.expected) {
    const { dtype, scales, shape: stored } = loaded.encoder.weights(name)
    if (!inInt8.has(name)) {
      assert.is(dtype, 'f32', name)
      assert.equal(await loaded.readWeight(name), await source.readTensor(name), name)
      continue
    }
    assert.equal([dtype, stored], ['u32', [shape[0], int8Words(shape[1]!)]], name)
    assert.equal(scales!.shape, [shape[0]], name)
    assert.match(await failure(loaded.readWeight(name)), /is held in 8 bits.*load the model with precision f32/)
  }
  assert.is(await loaded.readAdapter(), undefined)
  loaded.release()
  assert.is(held.size, 0)
})

test('x is quantised once for query, key and value: four times a layer', async () => {
  const backend = await createWasmBackend({ threads: 1 })
  const { encoder } = await loadEncoder(backend, source, settings, { kind: 'frozen' }, int8)
  const trace = createTrace({ training: false })
  encode(trace, encoder, batchInputs(trace, '', encoder))
  const calls = (kernel: string) => trace.calls.filter(call => call.kernel === kernel).length
  assert.equal([calls('matmul_int8'), calls('quantize_rows'), calls('matmul')], [12, 8, 0])
  const training = createTrace({ training: true })
  assert.throws(
    () => encode(training, encoder, batchInputs(training, '', encoder)),
    /linear 0\.attention\.self\.query: .*weight is held in 8 bits, for inference without adapters only/,
  )
})

test('training in 8 bits is refused', async () => {
  const { backend, held } = counted(await createWasmBackend({ threads: 1 }))
  for (const method of [{ kind: 'full' }, { kind: 'lora', adapter }] as readonly Method[])
    assert.match(
      await failure(loadEncoder(backend, source, settings, method, int8)),
      /precision int8 is for inference only, but method (full|lora) trains the model; leave the precision at f32/,
    )
  assert.is(held.size, 0)
})

test('too little memory, or a matrix too wide: nothing stays there', async () => {
  const { backend, held } = counted(await createWasmBackend({ threads: 1, maximumBytes: 64 * 65536 }))
  const large = { ...config, hidden: 240, intermediate: 960, layers: 5, heads: 4, vocabulary: 300 }
  const frozen = { kind: 'frozen' } as const
  assert.match(await failure(loadEncoder(backend, randomSource(large, 1), settings, frozen, int8)), /cannot allocate/)
  assert.is(held.size, 0)
  const roomy = counted(await createWasmBackend({ threads: 1 }))
  const wide = { ...config, hidden: 2, heads: 1, intermediate: 40_000, layers: 1 }
  assert.match(
    await failure(loadEncoder(roomy.backend, randomSource(wide, 1), settings, frozen, int8)),
    /output\.dense\.weight has 40000 columns, at most 32768 in 8 bits; use precision f32/,
  )
  assert.is(roomy.held.size, 0)
})

test.run()
