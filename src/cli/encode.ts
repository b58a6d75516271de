// encode: texts, or ids as they are, to vectors in a safetensors file.
import { Command } from 'commander'
import { documentText } from '../data/collection.js'
import { readJsonLines } from '../data/jsonl.js'
import { writeSafetensors } from '../data/safetensors.js'
import type { PackedBatch } from '../model/batch.js'
import { encodeSequences, encodeTokens } from '../retrieve/encode.js'
import { type ModelSource, openModel, placeModel } from '../run/model.js'
import { writeFile } from '../runtime/files.js'
import { loadTokenizer } from '../text/tokenizer.js'
import { usageError } from './errors.js'
import {
  type BackendOptions,
  interruptSignal,
  openChosenBackend,
  openProgress,
  phases,
  positiveInteger,
  printJson,
  withBackend,
  withOutput,
} from './options.js'

interface EncodeOptions extends BackendOptions {
  readonly model: string
  readonly input: string
  readonly output: string
  readonly prompt?: string
  readonly pooling?: string
  readonly maxLength?: number
  readonly json?: boolean
  readonly quiet?: boolean
}

export const encodeCommand = (): Command =>
  withOutput(
    withBackend(
      new Command('encode')
        .description(
          'Vectors of texts: lines {"text", "title"?, "_id"?} or {"ids", "token_type_ids"?} in, a safetensors file out.',
        )
        .requiredOption('--model <folder>', 'a model folder or a PEFT adapter folder')
        .requiredOption('--input <file>', 'JSON lines, - for standard input')
        .requiredOption('--output <file>', 'a .safetensors file; ids go beside it into .ids.txt')
        .option('--prompt <text>', "put in front of each text, in place of the model's default prompt")
        .option('--pooling <mode>', "mean, cls, or none for every token's last hidden state")
        .option('--max-length <n>', "tokens a text is cut to (the model's)", positiveInteger),
    ),
  )
    .addHelpText(
      'after',
      '\nExample:\n  $ wgpu-retrieve encode --model my-model --input corpus.jsonl --output corpus.safetensors',
    )
    .action(encodeFile)

interface Lines {
  readonly texts: string[]
  readonly ids: number[][]
  readonly typeIds: number[][]
  readonly names: string[]
}

async function readInput(path: string): Promise<Lines> {
  const lines: Lines = { texts: [], ids: [], typeIds: [], names: [] }
  for await (const { line, value } of readJsonLines(path)) {
    const { text, title, ids, token_type_ids: types, _id: id } = value
    const place = `${path}:${line}`
    if (ids !== undefined) lines.ids.push(integers(ids, 'ids', place))
    else if (typeof text === 'string')
      lines.texts.push(documentText({ title: typeof title === 'string' ? title : '', text }))
    else throw new Error(`${place}: found ${Object.keys(value).join(', ') || 'no keys'}, expected "text" or "ids"`)
    if (lines.texts.length > 0 && lines.ids.length > 0)
      throw new Error(`${place}: lines with "text" and lines with "ids" in one file; give them apart`)
    if (ids !== undefined)
      lines.typeIds.push(
        types === undefined ? lines.ids.at(-1)!.map(() => 0) : integers(types, 'token_type_ids', place),
      )
    if (lines.typeIds.at(-1)?.length !== lines.ids.at(-1)?.length)
      throw new Error(`${place}: token_type_ids and ids differ in length`)
    lines.names.push(id === undefined ? String(lines.names.length) : String(id))
  }
  if (lines.names.length === 0) throw new Error(`${path} is empty: there is nothing to encode`)
  return lines
}

function integers(value: unknown, key: string, place: string): number[] {
  if (!Array.isArray(value) || value.length === 0 || value.some(each => !Number.isInteger(each) || each < 0))
    throw new Error(
      `${place}: "${key}" is ${JSON.stringify(value)?.slice(0, 60)}, expected a list of one or more non-negative integers`,
    )
  return value as number[]
}

async function packInput(
  lines: Lines,
  source: ModelSource,
  options: EncodeOptions,
): Promise<{ batch: PackedBatch; truncated: number }> {
  const { config, settings } = { config: source.weights.config, settings: source.settings }
  if (lines.ids.length > 0) {
    const offsets = new Int32Array(lines.ids.length + 1)
    lines.ids.forEach((ids, i) => {
      offsets[i + 1] = offsets[i]! + ids.length
      const wrong = ids.find(id => id >= config.vocabulary)
      if (wrong !== undefined)
        throw new Error(`line ${i + 1}: id ${wrong} is outside the model's vocabulary of ${config.vocabulary}`)
      if (ids.length > config.maxPositions)
        throw new Error(`line ${i + 1}: ${ids.length} ids, the model has ${config.maxPositions} positions`)
      const type = lines.typeIds[i]!.find(each => each >= config.typeVocabulary)
      if (type !== undefined)
        throw new Error(`line ${i + 1}: token type ${type}, the model has ${config.typeVocabulary}`)
    })
    return {
      batch: { ids: Int32Array.from(lines.ids.flat()), typeIds: Int32Array.from(lines.typeIds.flat()), offsets },
      truncated: 0,
    }
  }
  const prompt =
    options.prompt ?? (settings.defaultPromptName ? (settings.prompts[settings.defaultPromptName] ?? '') : '')
  if (prompt !== '' && !settings.includePrompt)
    throw new Error('this model leaves its prompt out of the pooling (include_prompt = false), which is not supported')
  const tokenizer = await loadTokenizer(source.folder ?? options.model)
  const maxLength = Math.min(options.maxLength ?? settings.maxLength, config.maxPositions)
  const { ids, offsets, truncated } = tokenizer.encode(
    lines.texts.map(text => prompt + text),
    { maxLength },
  )
  return { batch: { ids, offsets }, truncated }
}

async function encodeFile(options: EncodeOptions): Promise<void> {
  const { model, input, output, pooling, quiet } = options
  if (pooling !== undefined && !['mean', 'cls', 'none'].includes(pooling))
    throw usageError(`--pooling is "${pooling}", expected mean, cls or none`)
  const progress = openProgress(quiet)
  const shown = phases(progress)
  const signal = interruptSignal('interrupted; nothing was written')
  const lines = await readInput(input)
  const source = await openModel(model, { tokenizer: false })
  const { batch, truncated } = await packInput(lines, source, options)
  if (truncated > 0) progress.say(`${truncated} texts were cut to the maximum length`)
  const { backend } = await openChosenBackend(options, line => progress.say(line))
  const loaded = await placeModel(
    backend,
    source,
    undefined,
    pooling === 'mean' || pooling === 'cls' ? { pooling } : {},
  )
  const total = batch.ids.length
  const started = performance.now()
  const hooks = {
    signal,
    onProgress: ({ tokens }: { tokens: number }) =>
      shown.show({ name: 'encoding', done: tokens, total, unit: 'tokens' }),
  }
  const everyToken = pooling === 'none'
  const vectors = everyToken
    ? await encodeTokens(backend, loaded.encoder, batch, hooks)
    : await encodeSequences(backend, loaded.encoder, batch, hooks)
  const seconds = (performance.now() - started) / 1000
  shown.end()
  const width = source.weights.config.hidden
  const shape = [vectors.length / width, width]
  const offsets = { name: 'offsets', dtype: 'I32' as const, shape: [batch.offsets.length], data: batch.offsets }
  await writeSafetensors(
    output,
    [{ name: 'embeddings', dtype: 'F32', shape, data: vectors }, ...(everyToken ? [offsets] : [])],
    { format: 'pt' },
  )
  await writeFile(`${output.replace(/\.safetensors$/, '')}.ids.txt`, lines.names.map(name => `${name}\n`).join(''))
  await source.close()
  backend.close()
  const result = {
    texts: lines.names.length,
    tokens: total,
    seconds,
    tokens_per_second: total / seconds,
    backend: backend.kind,
    output,
  }
  if (options.json) printJson(result)
  else
    process.stdout.write(
      `${result.texts} texts, ${total} tokens, ${Math.round(result.tokens_per_second)} tokens/s → ${output}\n`,
    )
}
