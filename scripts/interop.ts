// npm run check:interop: folders that we write, read back by sentence-transformers and peft; their vectors are ours to 1e-5. Makes a throw-away Python
// environment, or uses the interpreter that WGPU_RETRIEVE_PYTHON names (with both packages installed).
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Backend } from '../src/backend/backend.js'
import { createWasmBackend } from '../src/backend/wasm/backend.js'
import { type ModelConfig, parseConfig } from '../src/model/config.js'
import type { DenseLayer } from '../src/model/dense.js'
import { withLayers, withVocabulary } from '../src/model/export.js'
import { normalArray } from '../src/model/initialize.js'
import { adaptedSource, newAdapter, randomSource, type WeightSource } from '../src/model/load.js'
import { writeAdapter } from '../src/model/peft-writing.js'
import { plainSettings, type SentenceSettings } from '../src/model/sentence-transformers.js'
import { trimVocabulary } from '../src/model/trim-vocabulary.js'
import { type ModelToWrite, writeModelFolder } from '../src/model/writing.js'
import { encodeSequences } from '../src/retrieve/encode.js'
import { openModel, packTexts, placeModel } from '../src/run/model.js'
import { createWordPieceTokenizer, type Tokenizer } from '../src/text/tokenizer.js'
import { makeVocabulary } from '../src/text/vocabulary.js'

const TOLERANCE = 1e-5

const texts = [
  'How long does a patent last?',
  'a',
  '',
  'Rivers carry silt to the sea, and the sea gives back rain; what the wind moves, the mountains stop.',
  'Ünknown ☃ words, Mixed CASE!',
]

/** A BERT of random numbers that are large enough for every part to count. */
function wideSource(config: ModelConfig): WeightSource {
  const plain = randomSource(config, 7)
  const order = plain.expected.map(({ name }) => name)
  return {
    ...plain,
    async readTensor(name) {
      const values = await plain.readTensor(name)
      const noise = normalArray(values.length, 0.15, 11, order.indexOf(name))
      return values.map((value, i) => value + noise[i]!)
    },
  }
}

interface Written {
  readonly what: string
  readonly path: string
}

async function writeAll(folder: string): Promise<Written[]> {
  const tokenizer: Tokenizer = await createWordPieceTokenizer({
    vocabulary: makeVocabulary(texts.slice(0, 4), { size: 90 }),
    lowerCase: true,
  })
  const config = parseConfig(
    {
      ...{ architectures: ['BertModel'], model_type: 'bert', hidden_size: 24, num_hidden_layers: 3 },
      ...{ num_attention_heads: 3, intermediate_size: 40, hidden_act: 'gelu', vocab_size: tokenizer.vocabularySize },
      ...{
        max_position_embeddings: 48,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        pad_token_id: tokenizer.special.pad,
      },
      ...{ hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1, initializer_range: 0.02 },
    },
    'the model',
  )
  const source = wideSource(config)
  const files = await tokenizer.files()
  const settings: SentenceSettings = { ...plainSettings(32), normalize: true }
  const written: Written[] = []
  const write = async (what: string, weights: WeightSource, more: Partial<ModelToWrite> = {}) => {
    const path = join(folder, what.replaceAll(/[^a-z0-9]+/gi, '-'))
    await writeModelFolder(path, {
      ...{ config: weights.config, settings, tokenizer: files, readTensor: name => weights.readTensor(name) },
      ...more,
    })
    written.push({ what, path })
    return path
  }
  const base = await write('mean, normalised', source)
  await write('float16', source, { dtype: 'F16' })
  await write('bfloat16 in shards', source, { dtype: 'BF16', shardBytes: 8000 })
  for (const mode of ['cls', 'max', 'mean_sqrt_len_tokens', 'weightedmean', 'lasttoken'] as const)
    await write(mode, source, { settings: { ...settings, pooling: [mode], normalize: false } })
  const prompts = { prompts: { query: 'find: ', document: '' }, defaultPromptName: 'query' }
  await write('a prompt', source, { settings: { ...settings, ...prompts } })
  await write('a prompt outside the pooling', source, { settings: { ...settings, ...prompts, includePrompt: false } })
  const dense: DenseLayer[] = [
    { path: '', inputs: 48, outputs: 16, bias: true, activation: 'tanh' },
    { path: '', inputs: 16, outputs: 6, bias: false, activation: 'identity', normalizeFirst: true },
  ]
  await write('max and mean, Dense, Normalize, Dense', source, {
    settings: { ...settings, pooling: ['max', 'mean'], dense, normalize: false },
    readTensor: name => {
      const at = ['dense.0.weight', 'dense.0.bias', 'dense.1.weight'].indexOf(name)
      return at < 0 ? source.readTensor(name) : normalArray([48 * 16, 16, 16 * 6][at]!, 0.3, 5, at)
    },
  })
  const { targets, ...rest } = newAdapter(config, { rank: 4, alpha: 8, dropout: 0.1, targets: ['query', 'value'] }, 3)
  let stream = 0
  for (const { B } of targets.values()) B.set(normalArray(B.length, 0.3, 9, stream++))
  const saved = new Map(
    ['weight', 'bias'].map((part, i) => [`encoder.layer.2.output.LayerNorm.${part}`, normalArray(24, 0.5, 13, i)]),
  )
  const magnitudes = new Map(
    [...targets].map(([name, target], i) => [
      name,
      { ...target, magnitude: normalArray(24, 1, 17, i).map(x => x + 3) },
    ]),
  )
  const readTensor = (name: string) => source.readTensor(name)
  for (const [what, adapter] of Object.entries({
    LoRA: { ...rest, targets },
    'LoRA with modules to save': { ...rest, targets, saved, raw: { modules_to_save: ['2.output.LayerNorm'] } },
    DoRA: { ...rest, targets: magnitudes },
  })) {
    const path = join(folder, what.replaceAll(' ', '-'))
    await writeAdapter(path, { ...adapter, baseModel: base }, config, { settings, tokenizer: files, readTensor })
    written.push({ what, path })
    await write(`${what}, merged`, adaptedSource(source, adapter))
  }
  await write('two of three layers', withLayers(source, [0, 2]))
  const trimmed = await trimVocabulary(tokenizer, texts.slice(0, 2))
  await write('fewer words', withVocabulary(source, trimmed.kept), { tokenizer: trimmed.files })
  return written
}

async function ours(backend: Backend, path: string): Promise<{ vectors: Float32Array; width: number }> {
  const source = await openModel(path)
  const { settings } = source
  const prompt = settings.prompts[settings.defaultPromptName ?? ''] ?? ''
  const batch = packTexts(source.tokenizer!, settings, 'document', texts, settings.maxLength, prompt)
  const loaded = await placeModel(backend, source)
  const vectors = await encodeSequences(backend, loaded.encoder, batch)
  loaded.release()
  await source.close()
  return { vectors, width: vectors.length / texts.length }
}

/** The interpreter, with both packages. */
function python(folder: string): string {
  const given = process.env.WGPU_RETRIEVE_PYTHON
  if (given) return given
  console.log(
    'making a Python environment with sentence-transformers and peft (WGPU_RETRIEVE_PYTHON names a ready one)',
  )
  const environment = join(folder, 'python')
  execFileSync('python3', ['-m', 'venv', environment], { stdio: 'inherit' })
  const bin = join(environment, process.platform === 'win32' ? 'Scripts' : 'bin')
  execFileSync(join(bin, 'pip'), ['install', '--quiet', 'sentence-transformers', 'peft'], { stdio: 'inherit' })
  return join(bin, 'python')
}

const folder = mkdtempSync(join(tmpdir(), 'wgpu-retrieve-interop-'))
try {
  const written = await writeAll(folder)
  writeFileSync(join(folder, 'texts.json'), JSON.stringify(texts))
  const words = ['scripts/interop.py', join(folder, 'texts.json'), ...written.map(({ path }) => path)]
  const { stdout } = await promisify(execFile)(python(folder), words, { maxBuffer: 1 << 28 })
  const theirs = JSON.parse(stdout) as Record<string, Record<string, number[][]>>
  const backend = await createWasmBackend({ threads: 1 })
  let failed = 0
  for (const { what, path } of written) {
    const { vectors, width } = await ours(backend, path)
    for (const [reader, rows] of Object.entries(theirs[path]!)) {
      const all = rows.flat()
      const largest = all.reduce((most, value, i) => Math.max(most, Math.abs(value - vectors[i]!)), 0)
      const good = all.length === vectors.length && largest <= TOLERANCE
      if (!good) failed++
      console.log(`${good ? 'ok  ' : 'FAIL'} ${what} (${width} columns), ${reader}: ${largest.toExponential(1)}`)
    }
  }
  console.log(
    failed === 0 ? `all ${written.length} folders agree` : `${failed} readings differ by more than ${TOLERANCE}`,
  )
  process.exitCode = failed === 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
