// export: a model as a folder of its own: an adapter worked in, another dtype, fewer layers, a smaller vocabulary.
import { Command, InvalidArgumentError, Option } from 'commander'
import { counted } from '../data/counted.js'
import type { StoredFloat } from '../data/dtype.js'
import { configIds, parseLayers, withLayers, withVocabulary } from '../model/export.js'
import { adaptedSource } from '../model/load.js'
import { trimVocabulary } from '../model/trim-vocabulary.js'
import { writeModelFolder } from '../model/writing.js'
import type { UnhashedSource } from '../run/model.js'
import { openNamedModelUnhashed } from '../run/named-model.js'
import { isFolder, resolve } from '../runtime/files.js'
import { readWindows } from './encode-input.js'
import { usageError } from './errors.js'
import { fetching, interruptSignal, openProgress, printJson, withOutput } from './options.js'
import { checkModelFolder, inputFile } from './paths.js'
import type { Progress } from './progress.js'

interface ExportOptions {
  readonly model: string
  readonly out: string
  readonly dtype: 'f32' | 'f16' | 'bf16'
  readonly layers?: string
  readonly trim?: readonly string[]
  readonly shardSize?: number
  readonly json?: boolean
  readonly quiet?: boolean
}

const units = { '': 1, KB: 1e3, MB: 1e6, GB: 1e9 } as const

function bytes(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(KB|MB|GB|)$/i.exec(text) ?? []
  const size = Number(number) * units[(unit ?? '').toUpperCase() as keyof typeof units]
  if (!(size >= 1)) throw new InvalidArgumentError('Expected a size such as 500MB or 5GB.')
  return size
}

export const exportCommand = (): Command =>
  withOutput(
    new Command('export')
      .description('A model as a sentence-transformers folder of its own; an adapter is worked into its base model.')
      .requiredOption('--model <name>', 'a model folder, a PEFT adapter folder, or org/name[@revision] on the Hub')
      .requiredOption('--out <folder>', 'where it is written')
      .addOption(new Option('--dtype <name>', 'of the weights').choices(['f32', 'f16', 'bf16']).default('f32'))
      .option('--layers <list>', 'how many layers to keep, from the first on, or which: 0,2,4')
      .option('--trim <texts...>', 'keep only the tokens that occur in these JSON lines (texts as encode reads them)')
      .option('--shard-size <size>', 'of a weights file at most (5GB)', bytes),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ wgpu-retrieve export --model runs/primer/model --out merged --dtype f16
  $ wgpu-retrieve export --model runs/primer/model --out small --trim builtin:primer/law/corpus.jsonl`,
    )
    .action(exportModel)

async function exportModel(options: ExportOptions): Promise<void> {
  const { model, out, json } = options
  await checkModelFolder(model)
  const progress = openProgress(options.quiet)
  const signal = interruptSignal('interrupted; nothing was written', progress)
  const tokenizer = options.trim !== undefined
  // A tokenizer is carried over where there is one; only trimming needs it.
  const source = await openNamedModelUnhashed(model, {
    tokenizer: tokenizer || 'optional',
    ...fetching(progress, signal),
  })
  try {
    if ((await isFolder(out)) && resolve(out) === resolve(source.folder ?? ''))
      throw usageError(`--out is the model's own folder ${out}; give another one`)
    const made = await changed(source, options, tokenizer ? progress : undefined)
    signal.throwIfAborted()
    await writeModelFolder(out, {
      config: made.weights.config,
      settings: source.settings,
      readTensor: name => made.weights.readTensor(name),
      tokenizer: made.tokenizer,
      dtype: options.dtype.toUpperCase() as StoredFloat,
      ...(options.shardSize !== undefined && { shardBytes: options.shardSize }),
      card: { baseModel: model, ...(made.notes.length > 0 && { notes: made.notes }) },
    })
    const { layers, vocabulary } = made.weights.config
    if (json) return printJson({ out, dtype: options.dtype, layers, vocabulary })
    process.stdout.write(`${counted(layers, 'layer')}, ${vocabulary} tokens, ${options.dtype} → ${out}\n`)
  } finally {
    await source.close()
  }
}

async function changed(source: UnhashedSource, options: ExportOptions, progress: Progress | undefined) {
  const notes: string[] = []
  let weights = source.adapter ? adaptedSource(source.weights, source.adapter) : source.weights
  if (source.adapter) notes.push('A LoRA adapter was worked into the weights.')
  if (options.layers !== undefined) {
    const chosen = parseLayers(options.layers, weights.config)
    notes.push(`Layers ${chosen.join(', ')} of the ${weights.config.layers} that it had.`)
    weights = withLayers(weights, chosen)
  }
  if (!options.trim) return { weights, tokenizer: (await source.tokenizer?.files()) ?? {}, notes }
  const texts: string[] = []
  for (const path of options.trim)
    for await (const window of readWindows(await inputFile(path, 'corpus.jsonl'))) texts.push(...window.texts)
  // Prompts are texts too.
  const prompts = Object.values(source.settings.prompts)
  const lower = (text: string) => (source.settings.doLowerCase ? text.toLowerCase() : text)
  const before = weights.config.vocabulary
  const { kept, files } = await trimVocabulary(
    source.tokenizer!,
    [...prompts, ...prompts.flatMap(prompt => texts.map(text => prompt + text)), ...texts].map(lower),
    configIds(weights.config),
  )
  progress?.say(`${kept.length} of ${before} tokens occur in ${counted(texts.length, 'text')}, or are special`)
  notes.push(`The vocabulary was cut from ${before} to ${kept.length} tokens, those of given texts.`)
  return { weights: withVocabulary(weights, kept), tokenizer: files, notes }
}
