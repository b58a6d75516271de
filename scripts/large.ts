// npm run check:large: a decoder of the shape of Qwen2's half a billion parameters, with random weights made on the spot, goes through a LoRA step on
// WebAssembly in at most 2.5 GB; 200 of its last hidden states' values are compared with f64. It takes about a minute. `-- --bits 8` (or 4) holds its
// frozen linear layers in so many bits, in at most 1.2 GB; the reference has the weights that these stand for.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createWasmBackend } from '../src/backend/wasm/backend.js'
import { referenceStates } from '../src/bench/reference-transformer.js'
import type { PackedBatch } from '../src/model/batch.js'
import { type ModelConfig, parseConfig } from '../src/model/config.js'
import { standIns } from '../src/model/group-quantization.js'
import { loadEncoder, newAdapter, type WeightSource } from '../src/model/load.js'
import { type Adapter, adaptedTensor } from '../src/model/peft.js'
import { describeMemory } from '../src/model/placement.js'
import { expectedTensors } from '../src/model/tensors.js'
import { encodeTokens } from '../src/retrieve/encode.js'
import { candidatesOf, createContrastiveTrainer } from '../src/train/contrastive.js'
import { defaultOptimizer } from '../src/train/optimizer.js'

const { threads, bits: asked } = parseArgs({
  options: { threads: { type: 'string', default: '2' }, bits: { type: 'string' } },
}).values
const bits = asked === '8' ? 8 : asked === '4' ? 4 : undefined
if (asked && !bits) throw new Error(`--bits ${asked}: expected 8 or 4`)
const LIMIT = bits ? 1.2e9 : 2.5e9

const config = parseConfig(
  {
    model_type: 'qwen2',
    hidden_size: 896,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    intermediate_size: 4864,
    vocab_size: 151_936,
    max_position_embeddings: 32_768,
    rope_theta: 1e6,
  },
  'check:large',
)

/** bf16 values, `count` of them from the `first` on: uniform with the deviation of a weight, 1 and a little for norms. */
function values(stream: number, kind: 'weight' | 'norm', first: number, count: number): Uint16Array<ArrayBuffer> {
  const out = new Uint16Array(count)
  const number = new Float32Array(1)
  const word = new Uint32Array(number.buffer)
  const [middle, scale] = kind === 'norm' ? [1, 0.2] : [0, 0.05]
  for (let i = 0; i < count; i++) {
    // Murmur3's finish of a counter: good enough for weights, and quick.
    let h = Math.imul(first + i, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca77)
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
    number[0] = middle + scale * (((h ^ (h >>> 16)) | 0) / 2 ** 31)
    out[i] = word[0]! >>> 16
  }
  return out
}

const BLOCK = 1 << 21

/** A model that is made as it is read; `kept`: only these rows of the word embeddings, for the reference. */
function madeSource(model: ModelConfig, kept?: readonly number[]): WeightSource {
  const all = expectedTensors(model)
  const kindOf = (name: string) => (name.endsWith('norm.weight') ? 'norm' : 'weight')
  const expected = kept
    ? all.map(each => (each.name === model.form.words ? { ...each, shape: [kept.length, model.hidden] } : each))
    : all
  const find = (name: string) => {
    const stream = all.findIndex(each => each.name === name)
    return { stream, count: all[stream]!.shape.reduce((product, n) => product * n, 1) }
  }
  const widened = (bits: Uint16Array) => {
    const words = new Uint32Array(bits.length)
    for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16
    return new Float32Array(words.buffer)
  }
  return {
    config: model,
    expected,
    async readTensor(name) {
      const { stream, count } = find(name)
      if (name !== model.form.words || !kept) return widened(values(stream, kindOf(name), 0, count))
      const rows = kept.map(row => widened(values(stream, 'weight', row * model.hidden, model.hidden)))
      return Float32Array.from(rows.flatMap(row => Array.from(row)))
    },
    stored(name) {
      const { stream, count } = find(name)
      async function* blocks() {
        for (let at = 0; at < count; at += BLOCK)
          yield new Uint8Array(values(stream, kindOf(name), at, Math.min(BLOCK, count - at)).buffer)
      }
      return { dtype: 'BF16', blocks }
    },
  }
}

const pack = (lists: readonly (readonly number[])[]): PackedBatch => ({
  ids: Int32Array.from(lists.flat()),
  offsets: Int32Array.from([0, ...lists.map((_, i) => lists.slice(0, i + 1).flat().length)]),
})

/** The most that the process has held, in bytes. */
const peakResident = () =>
  1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? Number.NaN)

const started = performance.now()
const say = (line: string) => console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`)
const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`

const queries = pack([
  [151_643, 17, 90_001, 5, 42],
  [7, 8, 100_000, 33, 12, 2, 650],
])
const passages = pack([
  [3, 70_000, 9, 11, 151_935, 2],
  [41, 23, 60_123, 14, 5, 600, 17, 2],
])

/** Encodes, and takes a step; what went wrong is added to `failures`. → the queries' states (T, C) */
async function encodeAndStep(adapter: Adapter, failures: string[]): Promise<Float32Array> {
  const backend = await createWasmBackend({ threads: Number(threads) })
  const { encoder, trainable, release } = await loadEncoder(
    backend,
    madeSource(config),
    { pooling: ['lasttoken'], normalize: true },
    { kind: 'lora', adapter },
    {
      ...{ wordsOnHost: true, recompute: true, frozenBits: bits },
      onPlan: plan => say(`memory: ${describeMemory(plan)}`),
      onQuantized: loss => say(`weights are ${(100 * loss).toFixed(2)} % off (root mean square)`),
    },
  )
  say(`loaded, ${gigabytes(peakResident())} resident at most`)
  const states = await encodeTokens(backend, encoder, queries)
  say('encoded')
  const trainer = createContrastiveTrainer(backend, {
    ...{ query: encoder, passage: encoder, trainable: trainable!, optimizer: defaultOptimizer },
    ...{ temperature: 0.05, dropout: 0 },
  })
  const batch = { query: queries, passage: passages, ...candidatesOf(2, 1, true) }
  const step = await trainer.step([batch], { rate: 1e-4, t: 1, seed: 1, counter: 0 })
  const after = await trainer.gradients(batch, { seed: 1, counter: 1 })
  const peak = peakResident()
  const count = trainable!.count.toLocaleString('en-US')
  say(`a LoRA step of ${count} parameters: loss ${step.loss.toFixed(4)}, then ${after.toFixed(4)}`)
  say(`${gigabytes(peak)} resident at most, ${gigabytes(LIMIT)} allowed`)
  if (!(peak <= LIMIT)) failures.push('it holds too much')
  if (!(step.finite && after < step.loss)) failures.push('the loss does not fall')
  trainer.release()
  release()
  backend.close()
  return states
}

/** A weight as the model holds it. */
async function held(source: WeightSource, name: string): Promise<Float32Array> {
  const values = await source.readTensor(name)
  const shape = source.expected.find(each => each.name === name)!.shape
  return bits && name.endsWith('_proj.weight') ? standIns(values, shape, bits) : values
}

/** 200 of the queries' states against the same in f64. */
async function compare(states: Float32Array, adapter: Adapter, failures: string[]): Promise<void> {
  // The reference knows the few words that occur, under numbers of their own.
  const kept = [...new Set(queries.ids)]
  const small = madeSource({ ...config, vocabulary: kept.length }, kept)
  const readTensor = (name: string) => adaptedTensor(name, adapter, each => held(small, each))
  let [largest, worst] = [0, 0]
  for (const b of [0, 1]) {
    const [start, end] = [queries.offsets[b]!, queries.offsets[b + 1]!]
    const ids = Array.from(queries.ids.subarray(start, end), id => kept.indexOf(id))
    const expected = await referenceStates({ ...small, readTensor }, ids)
    largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), largest)
    for (let i = 0; i < 100; i++) {
      const at = (i * 7919) % expected.length
      const error = Math.abs(states[start * config.hidden + at]! - expected[at]!)
      if (!(error <= worst)) worst = error
    }
  }
  say(`200 values against f64: ${worst.toExponential(2)} off at most, the largest value is ${largest.toFixed(2)}`)
  if (!(worst <= 5e-5 * largest)) failures.push('values differ from f64')
}

const targets = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']
const adapter = newAdapter(config, { rank: 8, alpha: 16, dropout: 0, targets }, 1)
// B is zero in a new adapter, and would show nothing.
for (const { B } of adapter.targets.values()) B.set(B.map((_, i) => 0.02 * Math.sin(i)))
const failures: string[] = []
await compare(await encodeAndStep(adapter, failures), adapter, failures)
console.log(failures.length > 0 ? `FAILED: ${failures.join(', ')}` : 'ok')
process.exit(failures.length > 0 ? 1 : 0)
