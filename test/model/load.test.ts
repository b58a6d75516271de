// Models in a backend's memory: frozen, trained in full or under an adapter; what decays; memory given back, also where there is too little.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { encoderWidth } from '../../src/model/encoder.js'
import { type EncoderSettings, loadEncoder, type Method, newAdapter, randomSource } from '../../src/model/load.js'
import { mergeUpdate } from '../../src/model/peft.js'
import { expectedTensors } from '../../src/model/tensors.js'
import { readTensor } from '../../src/tensor/parameters.js'
import { counted } from '../support/counted.js'
import { failure } from '../support/temporary.js'
import { tinyConfig } from '../support/tiny-bert.js'
import { seededValues } from '../support/values.js'

const source = randomSource(tinyConfig, 3)
const settings = { pooling: ['mean'], normalize: true } as const
const lora = { rank: 2, alpha: 8, dropout: 0.1, targets: ['query', 'output.dense'] }
const adapter = newAdapter(tinyConfig, lora, 1)
const methods: Method[] = [{ kind: 'frozen' }, { kind: 'frozen', adapter }, { kind: 'lora', adapter }, { kind: 'full' }]

test('every weight is as the source has it, whichever way it is held; all memory is given back', async () => {
  const { backend, held } = counted(await createWasmBackend())
  for (const method of methods) {
    const loaded = await loadEncoder(backend, source, settings, method)
    for (const { name } of source.expected)
      assert.equal(await loaded.readWeight(name), await source.readTensor(name), `${method.kind}: ${name}`)
    const read = await loaded.readAdapter()
    assert.equal(read, 'adapter' in method ? method.adapter : undefined)
    assert.is(loaded.trainable !== undefined, method.kind === 'lora' || method.kind === 'full')
    loaded.release()
    assert.is(held.size, 0, method.kind)
  }
})

test('what is trained takes part in the backward pass, what is frozen does not; biases and norms decay only when asked', async () => {
  const { backend } = counted(await createWasmBackend())
  const decaying = ({ trainable }: Awaited<ReturnType<typeof loadEncoder>>) => {
    const memories = new Map(trainable!.segments.map(segment => [segment.parameters.view!.memory, segment.decay]))
    return [...trainable!.tensors].filter(([, tensor]) => memories.get(tensor.view!.memory)).map(([name]) => name)
  }
  const names = expectedTensors(tinyConfig).map(({ name }) => name)
  const full = await loadEncoder(backend, source, settings, { kind: 'full' })
  assert.ok(names.every(name => full.encoder.weights(name).needsGradient))
  assert.equal(
    decaying(full).sort(),
    names.filter(name => name.endsWith('.weight') && !name.includes('LayerNorm')).sort(),
  )
  const all = await loadEncoder(backend, source, settings, { kind: 'full' }, { decayBiasAndNorm: true })
  assert.equal(decaying(all).sort(), [...names].sort())
  assert.is(full.trainable!.count, all.trainable!.count)

  const adapted = await loadEncoder(backend, source, settings, { kind: 'lora', adapter })
  assert.not.ok(names.some(name => adapted.encoder.weights(name).needsGradient))
  const { updates, dropout } = adapted.encoder.adapter!
  assert.is(dropout, 0.1)
  assert.equal([...updates.keys()], [...adapter.targets.keys()])
  for (const { A, B, scale } of updates.values())
    assert.equal([A.needsGradient, B.needsGradient, scale], [true, true, 4])
  assert.throws(() => adapted.encoder.weights('pooler.dense.weight'), /no weight pooler\.dense\.weight/)
})

test('parameters side by side do not touch: each is written where it is read', async () => {
  const { backend } = counted(await createWasmBackend())
  const { trainable } = await loadEncoder(backend, source, settings, { kind: 'full' })
  const values = seededValues(2)
  const written = new Map<string, Float32Array>()
  for (const [name, tensor] of trainable!.tensors) {
    const data = values.normal(tensor.shape.reduce<number>((product, n) => product * (n as number), 1))
    backend.write(tensor.view!, data)
    backend.write(
      tensor.gradient!.view!,
      data.map(x => -x),
    )
    written.set(name, data)
  }
  for (const [name, tensor] of trainable!.tensors) {
    assert.equal(await readTensor(backend, tensor), written.get(name), name)
    assert.equal(
      await readTensor(backend, tensor.gradient!),
      written.get(name)!.map(x => -x),
      name,
    )
  }
})

test('too little memory: nothing of the model stays there', async () => {
  const config = { ...tinyConfig, hidden: 120, intermediate: 480, layers: 4, heads: 4, vocabulary: 2000 }
  const large = randomSource(config, 1)
  for (const method of [{ kind: 'frozen' }, { kind: 'full' }] as const) {
    // The weights alone would fit (trained, they take four times as much), but there are the threads' own pieces beside them.
    const elements = large.expected.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0)
    const maximumBytes = Math.max(64 * 65536, 4 * elements * (method.kind === 'full' ? 4 : 1) + 65536)
    const { backend, held } = counted(await createWasmBackend({ maximumBytes }))
    assert.match(await failure(loadEncoder(backend, large, settings, method)), /cannot allocate/)
    assert.is(held.size, 0, method.kind)
  }
})

test('a new adapter: targets by the end of their names, none that is not there; it starts as no change', () => {
  const chosen = [...adapter.targets.keys()]
  assert.equal(
    chosen,
    [0, 1].flatMap(i =>
      ['attention.self.query', 'attention.output.dense', 'output.dense'].map(part => `encoder.layer.${i}.${part}`),
    ),
    'output.dense is the end of two names',
  )
  for (const { rank, scale, A, B } of adapter.targets.values()) {
    assert.equal([rank, scale], [2, 4])
    assert.ok(A.some(x => x !== 0) && B.every(x => x === 0))
  }
  assert.throws(
    () => newAdapter(tinyConfig, { ...lora, targets: ['query', 'ffn'] }, 1),
    /no linear layer is called "ffn"; this model has attention\.self\.query, .*output\.dense/,
  )
})

test('W + scale · B A', () => {
  const merged = mergeUpdate(Float32Array.of(1, 2, 3, 4, 5, 6), {
    rank: 2,
    scale: 0.5,
    A: Float32Array.of(1, 0, 2, 0, 1, 0), // (2, 3)
    B: Float32Array.of(2, 4, -2, 6), // (2, 2)
  })
  assert.equal(merged, Float32Array.of(1 + 1, 2 + 2, 3 + 2, 4 - 1, 5 + 3, 6 - 2))
})

test('pooling, Dense modules and dimensions must fit one another', async () => {
  const { backend } = counted(await createWasmBackend())
  const several = { pooling: ['mean', 'cls'], normalize: true } as const
  const { encoder } = await loadEncoder(backend, source, several, { kind: 'frozen' })
  assert.equal([encoder.pooling, encoderWidth(encoder)], [['mean', 'cls'], 12])
  const one = await loadEncoder(backend, source, several, { kind: 'frozen' }, { pooling: 'cls', dimensions: 4 })
  assert.equal([one.encoder.pooling, encoderWidth(one.encoder)], [['cls'], 4])
  const frozen = (settings: EncoderSettings, options = {}) =>
    failure(loadEncoder(backend, source, settings, { kind: 'frozen' }, options))
  assert.match(await frozen(several, { dimensions: 13 }), /dimensions is 13, but the model's vectors have 12/)
  const dense = [{ path: '2_Dense', inputs: 12, outputs: 3, bias: true, activation: 'tanh' }] as const
  assert.match(
    await frozen({ ...several, dense }, { pooling: 'mean' }),
    /pooling mean makes vectors of 6 columns, but the model's Dense module takes 12/,
  )
})
test.run()
