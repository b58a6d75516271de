// Decoders as encoders: a trained Llama's states and the text that it writes, an adapter of all linear layers, and attention both ways.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { referenceStates } from '../../src/bench/reference-transformer.js'
import type { PackedBatch } from '../../src/model/batch.js'
import { bothWays } from '../../src/model/decoders.js'
import { openModelFolder } from '../../src/model/folder.js'
import { loadEncoder } from '../../src/model/load.js'
import { readAdapter } from '../../src/model/peft.js'
import { encodeSequences, encodeTokens } from '../../src/retrieve/encode.js'
import { loadFolder, maxDifference, readArrays, readPacked } from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { jsonLines, needs } from '../support/shared.js'

const stories = needs('models/stories260k')
const peft = needs('oracles/peft/qwen2-all-linear')
const qwen2 = needs('oracles/decoders/qwen2')
const mistral = needs('oracles/decoders/mistral')

const pack = (lists: readonly (readonly number[])[]): PackedBatch => {
  const offsets = new Int32Array(lists.length + 1)
  lists.forEach((ids, i) => {
    offsets[i + 1] = offsets[i]! + ids.length
  })
  return { ids: Int32Array.from(lists.flat()), offsets }
}

interface Story {
  readonly ids: number[]
  readonly last_hidden: number[]
  readonly top5_ids: number[]
  readonly top5_logits: number[]
  readonly greedy_ids?: number[]
}

/** The ids of the highest scores under the head, which is the embedding table (V, C). */
function bestWords(state: Float32Array, table: Float32Array, count: number): { id: number; logit: number }[] {
  const width = state.length
  const logits = Array.from({ length: table.length / width }, (_, id) => {
    let logit = 0
    for (let c = 0; c < width; c++) logit += state[c]! * table[id * width + c]!
    return { id, logit }
  })
  return logits.sort((a, b) => b.logit - a.logit).slice(0, count)
}

for (const backend of await backendsPresent()) {
  ;(stories ? test : test.skip)(`${backend.kind}: a trained Llama's states, and what it writes`, async () => {
    const loaded = await loadFolder(backend, stories!, { kind: 'frozen' }, {})
    const { hidden, form } = loaded.encoder.config
    const table = await loaded.readWeight(form.words)
    const lines = jsonLines<Story>(`${stories}/golden.jsonl`)
    const texts = lines.filter(line => line.last_hidden)
    const batch = pack(texts.map(text => text.ids))
    const states = await encodeTokens(backend, loaded.encoder, batch)
    texts.forEach((text, i) => {
      const end = batch.offsets[i + 1]!
      const state = states.slice((end - 1) * hidden, end * hidden)
      const error = maxDifference(state, text.last_hidden)
      assert.ok(error <= 1e-4, `text ${i} is ${error} off`)
      const best = bestWords(state, table, 5)
      assert.equal(
        best.map(({ id }) => id),
        text.top5_ids,
      )
      assert.ok(
        maxDifference(
          best.map(({ logit }) => logit),
          text.top5_logits,
        ) <= 1e-3,
      )
    })
    // A state depends on the tokens before it alone: the greedy text is that in which each next word is the best, all seen in one pass.
    const { greedy_ids: written } = lines.find(line => line.greedy_ids)!
    const along = await encodeTokens(backend, loaded.encoder, pack([written!]))
    const next = written!.map((_, t) => bestWords(along.slice(t * hidden, (t + 1) * hidden), table, 1)[0]!.id)
    assert.equal(next.slice(0, -1), written!.slice(1))
    loaded.release()
  })

  ;(peft && qwen2 ? test : test.skip)(`${backend.kind}: an adapter of all linear layers of Qwen2`, async () => {
    const folder = await openModelFolder(qwen2!)
    const adapter = await readAdapter(peft!, folder.config)
    assert.is(adapter.targets.size, 14)
    const loaded = await loadEncoder(
      backend,
      folder,
      { pooling: ['lasttoken'], normalize: true },
      { kind: 'frozen', adapter },
    )
    const vectors = await encodeSequences(backend, loaded.encoder, await readPacked(`${peft}/inputs.safetensors`))
    const error = maxDifference(vectors, (await readArrays(`${peft}/embeddings.safetensors`)).embeddings!)
    assert.ok(error <= 2e-5, `${error} off`)
    loaded.release()
    await folder.close()
  })

  ;(mistral ? test : test.skip)(`${backend.kind}: attention both ways, within the window and without one`, async () => {
    const folder = await openModelFolder(mistral!)
    const batch = await readPacked(`${mistral}/golden.safetensors`)
    const { last_hidden_state: causal } = await readArrays(`${mistral}/golden.safetensors`)
    for (const window of [8, undefined]) {
      const both = bothWays(folder.config)
      const attention = both.attention.map(({ before, after, ...rest }) => (window ? { ...rest, before, after } : rest))
      const source = { ...folder, config: { ...both, attention } }
      const loaded = await loadEncoder(backend, source, { pooling: ['mean'], normalize: true }, { kind: 'frozen' })
      const states = await encodeTokens(backend, loaded.encoder, batch)
      const width = folder.config.hidden
      for (let b = 0; b + 1 < batch.offsets.length; b++) {
        const [start, end] = [batch.offsets[b]!, batch.offsets[b + 1]!]
        const expected = await referenceStates(source, batch.ids.subarray(start, end))
        const error = maxDifference(states.subarray(start * width, end * width), expected)
        assert.ok(error <= 1e-4 * 4, `sequence ${b} is ${error} off`)
      }
      assert.ok(maxDifference(states, causal!) > 0.1, 'it is not what looking back alone gives')
      loaded.release()
    }
    await folder.close()
  })
}

test.run()
