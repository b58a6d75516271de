// BERT's forward pass, layer by layer, against PyTorch: tiny random encoders, and the real all-MiniLM-L6-v2.
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
import { loadFolder, maxDifference, readArrays, readPacked } from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { jsonLines, needs } from '../support/shared.js'

/** The embeddings' output and each layer's, all tokens. */
async function hiddenStates(backend: Backend, encoder: Encoder, batch: PackedBatch): Promise<Float32Array[]> {
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
  program.release()
  return states
}

const backends = await backendsPresent()
const encoders = needs('oracles/encoders')
const minilm = needs('oracles/minilm')
const model = needs('models/all-MiniLM-L6-v2')
const tolerance = { wasm: 2e-5, webgpu: 1e-4 }

for (const backend of backends) {
  for (const name of [
    'bert',
    'bert-small',
    'bert-small-old-names',
    'bert-pairs',
    'roberta',
    'xlm-roberta',
    'distilbert',
    'mpnet',
  ])
    (encoders ? test : test.skip)(`${backend.kind}: ${name}, every layer`, async () => {
      const golden = name === 'bert-small-old-names' ? 'bert-small' : name
      const expected = await readArrays(`${encoders}/${golden}/golden.safetensors`)
      const batch = await readPacked(`${encoders}/${golden}/golden.safetensors`)
      const loaded = await loadFolder(backend, `${encoders}/${name}`, { kind: 'frozen' }, {})
      const states = await hiddenStates(backend, loaded.encoder, batch)
      states.forEach((state, i) => {
        const error = maxDifference(state, expected[i === 0 ? 'embeddings' : `layer.${i - 1}`]!)
        assert.ok(error <= 2 * tolerance[backend.kind], `hidden state ${i} is ${error} off`)
      })
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
      const states = await hiddenStates(backend, loaded.encoder, batch)
      const all = Float32Array.from(states.flatMap(state => Array.from(state)))
      const error = maxDifference(all, hidden[`${i}.hidden`]!)
      assert.ok(error <= tolerance[backend.kind], `hidden states of text ${i} are ${error} off`)
      assert.equal(await encodeTokens(backend, loaded.encoder, batch), states.at(-1))
    }
    loaded.release()
  })
}

test.run()
