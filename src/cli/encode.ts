// encode: texts, or ids as they are, to vectors in a safetensors file.
import { Command, Option } from 'commander'
import { counted } from '../data/counted.js'
import { writeSafetensors } from '../data/safetensors.js'
import type { PackedBatch } from '../model/batch.js'
import { encodeSequences, encodeTokens } from '../retrieve/encode.js'
import { inputTexts, type ModelSource, openModel, placeModel } from '../run/model.js'
import { checkWritable, writeFileWith } from '../runtime/write.js'
import { loadTokenizer } from '../text/tokenizer.js'
import { sayTruncated, textLength } from './collection.js'
import { checkLimits, type Lines, readLines } from './encode-input.js'
import { usageError } from './errors.js'
import {
  type BackendOptions,
  interruptSignal,
  openChosenBackend,
  openProgress,
  phases,
  positiveInteger,
  printJson,
  sayWaiting,
  withBackend,
  withOutput,
} from './options.js'
import { checkModelFolder, inputFile } from './paths.js'

interface EncodeOptions extends BackendOptions {
  readonly model: string
  readonly input: string
  readonly output: string
  readonly prompt?: string
  readonly pooling?: 'mean' | 'cls' | 'none'
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
        .requiredOption(
          '--output <file>',
          'a .safetensors file, its ids beside it in .ids.txt; - for standard output, without ids',
        )
        .option('--prompt <text>', "put in front of each text, in place of the model's default prompt")
        .addOption(
          new Option('--pooling <mode>', "none: every token's last hidden state (the model's)").choices([
            'mean',
            'cls',
            'none',
          ]),
        )
        .option('--max-length <n>', "tokens a text is cut to (the model's)", positiveInteger),
    ),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ wgpu-retrieve encode --model runs/primer/model --input builtin:primer/law/corpus.jsonl \\
      --output law.safetensors
  $ echo '{"text": "what is a tort"}' | \\
      wgpu-retrieve encode --model runs/primer/model --input - --output query.safetensors`,
    )
    .action(encodeFile)

/** → a packed batch, and how many texts were cut */
async function packInput(
  lines: Lines,
  source: ModelSource,
  options: EncodeOptions,
): Promise<PackedBatch & { truncated: number; maxLength: number }> {
  const { config, settings } = { config: source.weights.config, settings: source.settings }
  const maxLength = textLength(options.maxLength, source)
  if (lines.ids.length > 0) {
    checkLimits(lines, config)
    const offsets = new Int32Array(lines.ids.length + 1)
    lines.ids.forEach((ids, i) => {
      offsets[i + 1] = offsets[i]! + ids.length
    })
    const [ids, typeIds] = [Int32Array.from(lines.ids.flat()), Int32Array.from(lines.typeIds.flat())]
    return { ids, typeIds, offsets, truncated: 0, maxLength }
  }
  const { prompts, defaultPromptName, includePrompt } = settings
  const prompt = options.prompt ?? (defaultPromptName ? (prompts[defaultPromptName] ?? '') : '')
  if (prompt !== '' && !includePrompt)
    throw new Error('this model leaves its prompt out of the pooling (include_prompt = false), which is not supported')
  const tokenizer = await loadTokenizer(source.folder ?? options.model)
  const texts = inputTexts(settings, 'document', lines.texts, prompt)
  return { ...tokenizer.encode(texts, { maxLength }), maxLength }
}

async function encodeFile(options: EncodeOptions): Promise<void> {
  const { model, output, json } = options
  if (output === '-' && json) throw usageError('--output - and --json would both write to standard output')
  await checkWritable(output)
  const input = await inputFile(options.input, 'corpus.jsonl')
  await checkModelFolder(model)
  const source = await openModel(model, { tokenizer: false })
  try {
    const { names, tokens, seconds, backend } = await encodeLines(source, { ...options, input })
    const rate = tokens / seconds
    const counts = { texts: names.length, tokens, seconds, tokens_per_second: rate, backend, output }
    if (json) return printJson(counts)
    const what = `${counted(names.length, 'text')}, ${counted(tokens, 'token')}, ${Math.round(rate)} tokens/s`
    if (output !== '-') process.stdout.write(`${what} → ${output}\n`)
  } finally {
    await source.close()
  }
}

async function encodeLines(source: ModelSource, options: EncodeOptions) {
  const { input, output, pooling, quiet } = options
  const progress = openProgress(quiet)
  const shown = phases(progress)
  const signal = interruptSignal('interrupted; nothing was written', progress)
  sayWaiting(input, progress)
  const lines = await readLines(input)
  signal.throwIfAborted()
  const { truncated, maxLength, ...batch } = await packInput(lines, source, options)
  sayTruncated(truncated, maxLength, progress)
  const { backend } = await openChosenBackend(options, line => progress.say(line))
  try {
    const pooled = pooling === 'mean' || pooling === 'cls' ? { pooling } : {}
    const { encoder } = await placeModel(backend, source, undefined, pooled)
    const total = batch.ids.length
    const onProgress = ({ tokens }: { tokens: number }) =>
      shown.show({ name: 'encoding', done: tokens, total, unit: 'tokens' })
    onProgress({ tokens: 0 })
    const started = performance.now()
    const everyToken = pooling === 'none'
    const encode = everyToken ? encodeTokens : encodeSequences
    const vectors = await encode(backend, encoder, batch, { signal, onProgress })
    const seconds = (performance.now() - started) / 1000
    shown.end()
    await writeVectors(output, vectors, encoder.config.hidden, lines.names, everyToken ? batch.offsets : undefined)
    return { names: lines.names, tokens: total, seconds, backend: backend.kind }
  } finally {
    backend.close()
  }
}

/** Both files or none: each is whole before the first gets its name. */
async function writeVectors(
  output: string,
  vectors: Float32Array,
  width: number,
  names: readonly string[],
  offsets: Int32Array | undefined,
): Promise<void> {
  const shape = [vectors.length / width, width]
  const embeddings = { name: 'embeddings', dtype: 'F32' as const, shape, data: vectors }
  const starts = offsets && { name: 'offsets', dtype: 'I32' as const, shape: [offsets.length], data: offsets }
  const write = () => writeSafetensors(output, starts ? [embeddings, starts] : [embeddings], { format: 'pt' })
  if (output === '-') return write()
  await writeFileWith(`${output.replace(/\.safetensors$/, '')}.ids.txt`, async append => {
    await append(names.map(name => `${name}\n`).join(''))
    await write()
  })
}
