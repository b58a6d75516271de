// encode: texts, or ids as they are, to vectors in a safetensors file.
import { Command, Option } from 'commander'
import { counted } from '../data/counted.js'
import { writeRows } from '../data/safetensors-rows.js'
import type { PackedBatch } from '../model/batch.js'
import type { ModelConfig } from '../model/config.js'
import { encoderWidth } from '../model/encoder.js'
import type { LateBatch } from '../model/late-interaction.js'
import { describeMemory, isLarge, type MemoryPlan } from '../model/placement.js'
import { type PoolingMode, supportedPooling } from '../model/sentence-transformers.js'
import {
  createSequenceEncoder,
  createTokenEncoder,
  createTokenVectorEncoder,
  type SequenceEncoder,
} from '../retrieve/encode.js'
import { keptVectors } from '../retrieve/encode-late.js'
import type { OpenedBackend } from '../run/backend.js'
import { endedTokenizer, packTexts, placeModel, type UnhashedSource } from '../run/model.js'
import { openNamedModelUnhashed } from '../run/named-model.js'
import { checkWritable, writeFileWith } from '../runtime/write.js'
import { threadsAsTextsCome } from '../text/on-threads.js'
import { loadTokenizer } from '../text/tokenizer.js'
import { sayTruncated, textLength } from './collection.js'
import { checkLimits, type Lines, type LinesWindow, readWindows } from './encode-input.js'
import { usageError } from './errors.js'
import {
  type BackendOptions,
  dimensionsOption,
  fetching,
  interruptSignal,
  openChosenBackend,
  openProgress,
  type PrecisionOption,
  phases,
  positiveInteger,
  precisionOption,
  printJson,
  sayWaiting,
  withBackend,
  withOutput,
} from './options.js'
import { checkModelFolder, inputFile } from './paths.js'
import type { Progress } from './progress.js'

interface EncodeOptions extends BackendOptions, PrecisionOption {
  readonly model: string
  readonly input: string
  readonly output: string
  readonly prompt?: string
  readonly pooling?: PoolingMode | 'none'
  readonly side?: 'query' | 'document'
  readonly dimensions?: number
  readonly maxLength?: number
  readonly batchTokens?: number
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
            ...supportedPooling,
            'none',
          ]),
        )
        .addOption(
          new Option(
            '--side <name>',
            'of late interaction: whether the texts are asked or searched (document)',
          ).choices(['query', 'document']),
        )
        .addOption(dimensionsOption())
        .option('--max-length <n>', "tokens a text is cut to (the model's)", positiveInteger)
        .addOption(precisionOption())
        .option('--batch-tokens <n>', 'tokens computed at a time; fewer need less memory', positiveInteger),
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

async function encodeFile(options: EncodeOptions): Promise<void> {
  const { model, output, json } = options
  if (options.pooling === 'none' && options.dimensions)
    throw usageError('--dimensions cuts text vectors, but --pooling none gives token states; leave one of them out')
  if (output === '-' && json) throw usageError('--output - and --json would both write to standard output')
  await checkWritable(output)
  const input = await inputFile(options.input, 'corpus.jsonl')
  await checkModelFolder(model)
  const progress = openProgress(options.quiet)
  const signal = interruptSignal('interrupted; nothing was written', progress)
  // Its threads start while files are read.
  const opening = openChosenBackend(options, line => progress.say(line))
  const closing = () => opening.then(({ backend }) => backend.close())
  try {
    const { texts, tokens, seconds, backend } = await encodeWith(opening, { ...options, input }, progress, signal)
    const counts = { texts, tokens, seconds, tokens_per_second: tokens / seconds, backend, output }
    if (json) return printJson(counts)
    const what = `${counted(texts, 'text')}, ${counted(tokens, 'token')}, ${Math.round(tokens / seconds)} tokens/s`
    if (output !== '-') process.stdout.write(`${what} → ${output}\n`)
  } finally {
    // What failed to open has nothing to close, and its error is the one that led here.
    await closing().catch(() => undefined)
  }
}

async function encodeWith(
  opening: Promise<OpenedBackend>,
  options: EncodeOptions,
  progress: Progress,
  signal: AbortSignal,
) {
  sayWaiting(options.input, progress)
  const source = await openNamedModelUnhashed(options.model, { tokenizer: false, ...fetching(progress, signal) })
  try {
    const [pack, { backend }] = await Promise.all([packer(source, options), opening])
    signal.throwIfAborted()
    const { pooling, batchTokens } = options
    const late = isLate(source, options)
    const states = pooling === 'none'
    const { precision, dimensions } = options
    // Token states have no dimensions to cut, and need no pooling that is supported.
    const plain = states ? { pooling: 'mean' as const } : { ...(pooling && { pooling }), dimensions }
    const head = late ? { perToken: true } : plain
    const onPlan = (plan: MemoryPlan) => isLarge(plan) && progress.say(`memory: ${describeMemory(plan)}`)
    const { encoder } = await placeModel(backend, source, undefined, { ...head, precision, onPlan })
    const create = late ? createTokenVectorEncoder : states ? createTokenEncoder : createSequenceEncoder
    const shown = phases(progress)
    const encoded = await encodeWindows(
      {
        read: readWindows(options.input),
        pack,
        made: create(backend, encoder),
        everyToken: late || states,
        width: states ? encoder.config.hidden : encoderWidth(encoder),
        output: options.output,
      },
      { signal, ...(batchTokens && { batchTokens }) },
      (done, total) => shown.show({ name: 'encoding', done, total, unit: 'tokens' }),
    )
    shown.end()
    sayTruncated(encoded.truncated, textLength(options.maxLength, source), progress)
    return { ...encoded, backend: backend.kind }
  } finally {
    await source.close()
  }
}

/** Whether vectors are those that late interaction scores. Fails at options that they leave nothing to choose for. */
function isLate({ settings }: UnhashedSource, options: EncodeOptions): boolean {
  const { model, pooling, side } = options
  if (!settings.lateInteraction) {
    if (side) throw usageError(`--side is for late interaction, but ${model} makes one vector a text; leave it out`)
    return false
  }
  if (pooling !== undefined) {
    if (side) throw usageError('--side is for vectors of late interaction; leave --pooling out, or --side')
    return false
  }
  for (const key of ['prompt', 'dimensions'] as const)
    if (options[key] !== undefined)
      throw usageError(`--${key} is for vectors of texts, but ${model} is a late-interaction model; leave it out`)
  return true
}

type Packed = PackedBatch & { truncated: number }
type Pack = (lines: Lines) => Promise<Packed>

/** What makes a packed batch of lines, and says how many texts were cut. */
async function packer(source: UnhashedSource, options: EncodeOptions): Promise<Pack> {
  const { settings } = source
  const maxLength = textLength(options.maxLength, source)
  const { prompts, defaultPromptName } = settings
  const prompt = options.prompt ?? (defaultPromptName ? (prompts[defaultPromptName] ?? '') : '')
  const folder = source.folder ?? options.model
  // Ids need none: the folder may lack one.
  const pooling = options.pooling && options.pooling !== 'none' ? [options.pooling] : settings.pooling
  const tokenizer = await loadTokenizer(folder)
    .then(each => endedTokenizer(each, { pooling }, folder, source.weights.config))
    .catch((error: Error) => error)
  const prepare = tokenizer instanceof Error ? undefined : threadsAsTextsCome(tokenizer, options.threads)
  return async lines => {
    if (lines.ids.length > 0) return packIds(lines, source.weights.config)
    if (tokenizer instanceof Error) throw tokenizer
    await prepare?.(lines.texts)
    return packTexts(tokenizer, settings, options.side ?? 'document', lines.texts, maxLength, prompt)
  }
}

function packIds(lines: Lines, config: ModelConfig): Packed {
  checkLimits(lines, config)
  const offsets = new Int32Array(lines.ids.length + 1)
  lines.ids.forEach((ids, i) => {
    offsets[i + 1] = offsets[i]! + ids.length
  })
  return {
    ids: Int32Array.from(lines.ids.flat()),
    typeIds: Int32Array.from(lines.typeIds.flat()),
    offsets,
    truncated: 0,
  }
}

interface Encoding {
  readonly read: AsyncGenerator<LinesWindow>
  readonly pack: Pack
  readonly made: SequenceEncoder
  readonly everyToken: boolean
  readonly width: number
  readonly output: string
}

/** Without those of tokens that take no part in late interaction. */
const keptRows = (vectors: Float32Array, batch: PackedBatch & Partial<LateBatch>, width: number) =>
  batch.keep ? keptVectors(vectors, batch as LateBatch, width) : { vectors, offsets: batch.offsets }

interface Encoded {
  readonly texts: number
  readonly tokens: number
  readonly truncated: number
  readonly seconds: number
}

/**
 * Window by window: the next one is read and tokenized, and the one before written, while one is computed. Both files or none: each is whole
 * before the first gets its name.
 */
async function encodeWindows(
  { read, pack, made, everyToken, width, output }: Encoding,
  options: { readonly signal: AbortSignal; readonly batchTokens?: number },
  onTokens: (done: number, total: number) => void,
): Promise<Encoded> {
  let [texts, tokens, truncated, packed, kept] = [0, 0, 0, 0, 0]
  const started = performance.now()
  const starts: number[] = [0]
  const next = async () => {
    const { done, value } = await read.next()
    if (done) return undefined
    const batch = await pack(value)
    packed += batch.ids.length
    return { batch, names: value.names, total: value.share ? Math.round(packed / value.share) : packed }
  }
  const each = async (append: (rows: Float32Array) => Promise<void>, name: (text: string) => Promise<void>) => {
    const aborted = awaitedLater(untilAborted(options.signal))
    let coming = next()
    let writing: Promise<unknown> = Promise.resolve()
    // Standard input may be silent for ever.
    const arrived = () => Promise.race([coming, aborted])
    for (let window = await arrived(); window; window = await arrived()) {
      const { batch, names, total } = window
      onTokens(tokens, total)
      coming = awaitedLater(next())
      const onProgress = (done: { tokens: number }) => onTokens(tokens + done.tokens, total)
      const { vectors, offsets } = keptRows(await made.encode(batch, { ...options, onProgress }), batch, width)
      await writing
      writing = awaitedLater(append(vectors).then(() => name(names.map(each => `${each}\n`).join(''))))
      if (everyToken) for (const end of offsets.subarray(1)) starts.push(kept + end)
      kept += offsets.at(-1)!
      texts += names.length
      tokens += batch.ids.length
      truncated += batch.truncated
    }
    await writing
    return everyToken ? { name: 'offsets', data: Int32Array.from(starts) } : undefined
  }
  const vectors = { name: 'embeddings', width }
  if (output === '-') await writeRows(output, vectors, append => each(append, async () => undefined))
  else
    await writeFileWith(`${output.replace(/\.safetensors$/, '')}.ids.txt`, name =>
      writeRows(output, vectors, append => each(append, name)),
    )
  return { texts, tokens, truncated, seconds: (performance.now() - started) / 1000 }
}

const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.throwIfAborted()
    signal.addEventListener('abort', () => reject(signal.reason))
  })

/** A promise that is awaited later: until then its failure is nobody's fault. */
function awaitedLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}
