// The forward pass of every family, layer by layer, against PyTorch: tiny random models, and the real all-MiniLM-L6-v2.
import { existsSync, readdirSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import { batchArrays, batchInputs, type PackedBatch } from '../../src/model/batch.js'
import type { Encoder } from '../../src/model/encoder.js'
import { noDropout, transformerForward } from '../../src/model/transformer.js'
import { encodeSequences, encodeTokens } from '../../src/retrieve/encode.js'
import { createPlan } from '../../src/tensor/plan.js'
import { createPool, createProgram } from '../../src/tensor/program.js'
import { createTrace, output } from '../../src/tensor/trace.js'
import { readCase } from '../support/gradients.js'
import { loadFolder, maxDifference, readArrays, readPacked } from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { jsonLines, needs } from '../support/shared.js'

/** The embeddings, the stream after each layer, and the last hidden states, all tokens. */
async function hiddenStates(backend: Backend, encoder: Encoder, batch: PackedBatch) {
  const trace = createTrace({ training: false })
  const last = transformerForward(trace, encoder, batchInputs(trace, '', encoder), noDropout, (hidden, i) =>
    output(trace, `hidden.${i}`, hidden),
  )
  output(trace, 'last', last)
  const program = createProgram(createPlan('hidden', trace), createPool(backend))
  const { values, inputs } = batchArrays(batch, '', encoder)
  await program.run(values, inputs)
  const states: Float32Array[] = []
  for (let i = 0; i <= encoder.config.layers; i++) states.push(await program.read(`hidden.${i}`))
  const final = await program.read('last')
  program.release()
  return { states, last: final }
}

const backends = await backendsPresent()
const minilm = needs('oracles/minilm')
const model = needs('models/all-MiniLM-L6-v2')
const tolerance = { wasm: 2e-5, webgpu: 1e-4 }

/** Folders with a golden; one whose golden is that of the model under newer names. */
const folders = ['encoders', 'decoders'].flatMap(kind => {
  const root = needs(`oracles/${kind}`)
  const present = root ? readdirSync(root).filter(name => existsSync(`${root}/${name}/config.json`)) : []
  return present.map(name => ({ kind, path: `${root}/${name}`, golden: `${root}/${name.replace('-old-names', '')}` }))
})

for (const backend of backends) {
  for (const { kind, path, golden } of folders)
    test(`${backend.kind}: ${path.split('/').at(-1)}, every layer, texts of many lengths`, async () => {
      const expected = await readArrays(`${golden}/golden.safetensors`)
      const batch = await readPacked(`${golden}/golden.safetensors`)
      const loaded = await loadFolder(backend, path, { kind: 'frozen' }, { pooling: 'lasttoken', normalize: true })
      const { states, last } = await hiddenStates(backend, loaded.encoder, batch)
      // What PyTorch in f32 is off, twice: of encoders absolute, of decoders relative to the largest value.
      const limit = kind === 'encoders' ? 4e-5 : 1e-4 * readCase(`${golden}/golden.json`).largest_value
      states.forEach((state, i) => {
        const error = maxDifference(state, expected[i === 0 ? 'embeddings' : `layer.${i - 1}`]!)
        assert.ok(error <= limit, `hidden state ${i} is ${error} off`)
      })
      const error = maxDifference(last, expected.last_hidden_state!)
      assert.ok(error <= limit, `the last hidden state is ${error} off`)
      assert.equal(await encodeTokens(backend, loaded.encoder, batch), last)
      if (kind === 'decoders') {
        const pooled = await encodeSequences(backend, loaded.encoder, batch)
        const apart = maxDifference(pooled, expected.pooled!)
        assert.ok(apart <= 2e-5, `the vectors are ${apart} off`)
      }
      loaded.release()
    })

  ;(minilm && model ? test : test.skip)(`${backend.kind}: MiniLM, embeddings and hidden states`, async () => {
    const loaded = await loadFolder(backend, model!, { kind: 'frozen' }, {})
    const texts = jsonLines<{ ids: number[] }>(`${minilm}/texts.jsonl`)
    const pack = (ids: readonly number[][]): PackedBatch => {
      const offsets = new Int32Array(ids.length + 1)
      ids.forEach((sequence, i) => {
        offsets[i + 1] = offsets[i]! + sequence.length
      })
      return { ids: Int32Array.from(ids.flat()), offsets }
    }

    const { embeddings } = await readArrays(`${minilm}/embeddings.safetensors`)
    const vectors = await encodeSequences(backend, loaded.encoder, pack(texts.map(text => text.ids)))
    texts.forEach((_, i) => {
      const error = maxDifference(
        vectors.subarray(i * 384, (i + 1) * 384),
        embeddings!.subarray(i * 384, (i + 1) * 384),
      )
      assert.ok(error <= tolerance[backend.kind], `text ${i} is ${error} off`)
    })
    const hidden = await readArrays(`${minilm}/hidden.safetensors`)
    const numbers = Object.keys(hidden)
      .filter(name => name.endsWith('.hidden'))
      .map(name => Number.parseInt(name, 10))
    assert.ok(numbers.length === 3)
    for (const i of numbers) {
      const batch = pack([texts[i]!.ids])
      const { states } = await hiddenStates(backend, loaded.encoder, batch)
      const all = Float32Array.from(states.flatMap(state => Array.from(state)))
      const error = maxDifference(all, hidden[`${i}.hidden`]!)
      assert.ok(error <= tolerance[backend.kind], `hidden states of text ${i} are ${error} off`)
      assert.equal(await encodeTokens(backend, loaded.encoder, batch), states.at(-1))
    }
    loaded.release()
  })
}

test.run()
