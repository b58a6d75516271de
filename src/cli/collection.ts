// What eval and search share: a model (or BM25) and a collection opened, tokenized, encoded and searched; what is odd about them said on the way.
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Collection, loadCollection, textWith } from '../data/collection.js'
import { counted } from '../data/counted.js'
import { describeMemory, isLarge } from '../model/placement.js'
import type { Precision } from '../model/quantize.js'
import type { Bm25Settings } from '../retrieve/bm25.js'
import { type Bm25Progress, bm25Fingerprint, evaluateBm25 } from '../run/bm25.js'
import {
  type CollectionScores,
  evaluateCollection,
  fingerprint,
  tokenizeCollection,
  truncatedLine,
} from '../run/evaluate.js'
import { type ModelSource, promptFor } from '../run/model.js'
import { openNamedModel } from '../run/named-model.js'
import { placeFrozen } from '../run/placed.js'
import { isFolder } from '../runtime/files.js'
import { onThreads } from '../text/on-threads.js'
import { usageError } from './errors.js'
import { type LateOptions, lateSettings, refuseLateOptions } from './late.js'
import {
  type BackendOptions,
  fetching,
  interruptSignal,
  openChosenBackend,
  openProgress,
  phases,
  refusePrecision,
} from './options.js'
import { checkModelFolder, dataFolder } from './paths.js'
import type { Progress } from './progress.js'

/** The options that BM25 alone has. */
export interface Bm25Options {
  readonly stemmer?: Bm25Settings['stemmer']
  readonly stopWords?: Bm25Settings['stopWords']
  readonly bm25K1?: number
  readonly bm25B?: number
}

const bm25Flags = { stemmer: '--stemmer', stopWords: '--stop-words', bm25K1: '--bm25-k1', bm25B: '--bm25-b' } as const

const numberUpTo =
  (most: number) =>
  (text: string): number => {
    const value = Number(text)
    if (/^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && Number.isFinite(value) && value <= most) return value
    throw new InvalidArgumentError(`Expected a number ${Number.isFinite(most) ? `from 0 to ${most}` : 'of 0 or more'}.`)
  }

export const withBm25 = (command: Command): Command =>
  command
    .addOption(
      new Option('--stemmer <name>', "for bm25: Porter's stems of English words (none)").choices(['english', 'none']),
    )
    .addOption(new Option('--stop-words <name>', 'for bm25: the words left out (none)').choices(['english', 'none']))
    .option('--bm25-k1 <x>', 'for bm25: how slowly repeated words saturate (0.9)', numberUpTo(Number.POSITIVE_INFINITY))
    .option('--bm25-b <x>', "for bm25: how much a document's length counts, 0 to 1 (0.4)", numberUpTo(1))

const bm25Settings = ({ stemmer, stopWords, bm25K1: k1, bm25B: b }: Bm25Options): Partial<Bm25Settings> => ({
  ...(stemmer && { stemmer }),
  ...(stopWords && { stopWords }),
  ...(k1 !== undefined && { k1 }),
  ...(b !== undefined && { b }),
})

/** `instead`: what the options stand beside. */
export function refuseBm25Options(options: Bm25Options, instead: string): void {
  for (const name of ['stemmer', 'stopWords', 'bm25K1', 'bm25B'] as const)
    if (options[name] !== undefined)
      throw usageError(`${bm25Flags[name]} is an option of --model bm25, but ${instead}; leave it out`)
}

export interface SearchSettings {
  readonly model: string
  readonly data: string
  readonly split: string
  readonly k: number
  readonly protocol: 'beir' | 'trec'
  readonly measures?: readonly string[]
  readonly maxLength?: number | undefined
  readonly dimensions?: number | undefined
  readonly precision: Precision
  readonly late: LateOptions
  /** Between a document's title and its text; default a space. */
  readonly titleSeparator?: string | undefined
  readonly backend: BackendOptions
  readonly bm25: Bm25Options
  readonly quiet?: boolean | undefined
}

export interface SearchedCollection {
  readonly scored: CollectionScores
  readonly collection: Collection
  /** The line that names what the scores depend on. */
  readonly fingerprint: (dataHash: string) => string
  readonly backend: { readonly kind: string; readonly description: string }
}

/** With the model, or with BM25 where that is asked for and no folder has its name. */
export async function searchCollection(asked: SearchSettings): Promise<SearchedCollection> {
  const options = { ...asked, data: await dataFolder(asked.data) }
  const { model, maxLength, dimensions, bm25 } = options
  if (model !== 'bm25') {
    refuseBm25Options(bm25, `--model is ${model}`)
    await checkModelFolder(model, ['bm25'])
    return searchByModel(options)
  }
  if (await isFolder(model)) {
    refuseBm25Options(bm25, 'the folder bm25 here is taken as the model')
    openProgress(options.quiet).say('--model bm25 is the folder of that name here, not the ranking function')
    return searchByModel(options)
  }
  refusePrecision(options, '--model is bm25')
  refuseLateOptions(options.late, '--model is bm25')
  if (dimensions !== undefined)
    throw usageError('--dimensions cuts the vectors of an encoder, but --model bm25 has none; leave it out')
  if (maxLength !== undefined)
    throw usageError('--max-length cuts texts to tokens of a model, but --model bm25 takes all words; leave it out')
  return searchByWords(options)
}

// No handler for Ctrl-C: indexing and searching hold the thread, and a signal must end them.
async function searchByWords({
  data,
  split,
  k,
  protocol,
  measures,
  bm25,
  quiet,
}: SearchSettings): Promise<SearchedCollection> {
  const progress = openProgress(quiet)
  const shown = phases(progress)
  const collection = await loadCollection(data, { split })
  for (const line of collection.warnings) progress.say(`warning: ${line}`)
  progress.say('backend: one CPU thread (bm25 needs no GPU)')
  const settings = bm25Settings(bm25)
  const onProgress = (each: Bm25Progress) =>
    shown.show({ name: `${each.unit === 'documents' ? 'indexing' : 'searching'} ${collection.name}`, ...each })
  const scored = evaluateBm25(collection, settings, { k, protocol, ...(measures && { measures }) }, { onProgress })
  shown.end()
  const without = [...scored.run.values()].filter(results => results.length === 0).length
  if (without > 0)
    progress.say(
      `warning: ${counted(without, 'query', 'queries')} found nothing: no document shares a word with ${without === 1 ? 'it' : 'them'}`,
    )
  return {
    scored,
    collection,
    fingerprint: dataHash => bm25Fingerprint({ protocol, k, bm25: settings, dataHash }),
    backend: { kind: 'bm25', description: 'one CPU thread' },
  }
}

/** The model comes first: a collection may take minutes to read. */
async function searchByModel(options: SearchSettings): Promise<SearchedCollection> {
  const { k, protocol, measures, precision } = options
  const progress = openProgress(options.quiet)
  const shown = phases(progress)
  const signal = interruptSignal('interrupted; nothing was written', progress)
  const source = await openNamedModel(options.model, fetching(progress, signal))
  try {
    const { settings, hash: modelHash } = source
    if (!settings.lateInteraction) refuseLateOptions(options.late, `${options.model} makes one vector a text`)
    const late = lateSettings(options.late, k, modelHash)
    const maxLength = textLength(options.maxLength, source)
    const { split, titleSeparator } = options
    const textOf = titleSeparator === undefined ? {} : { textOf: textWith(titleSeparator) }
    const collection = await loadCollection(options.data, { split, ...textOf })
    for (const line of collection.warnings) progress.say(`warning: ${line}`)
    signal.throwIfAborted()
    const tokenizer = source.tokenizer!
    const tokenize = () => tokenizeCollection(tokenizer, settings, collection, maxLength)
    const tokenized = await onThreads(tokenizer, collection.documents.texts, tokenize, options.backend.threads)
    const cut = truncatedLine(tokenized, settings, maxLength)
    if (cut) progress.say(cut)
    const { backend } = await openChosenBackend({ ...options.backend, precision }, line => progress.say(line))
    try {
      const { encoder, passage } = await placeFrozen(backend, source, {
        ...{ precision, dimensions: options.dimensions },
        onPlan: plan => isLarge(plan) && progress.say(`memory: ${describeMemory(plan)}`),
      })
      const onProgress = (each: { done: number; total: number; unit: string }) =>
        shown.show({ name: `encoding ${collection.name}`, ...each })
      const scored = await evaluateCollection(
        backend,
        encoder,
        settings.similarity,
        tokenized,
        {
          k,
          protocol,
          maxLength,
          late,
          ...(measures && { measures }),
          ...(passage && { passage: passage.encoder }),
        },
        { onProgress, signal },
      )
      shown.end()
      const { kind, description } = backend
      const pooling = encoder.pooling.join('+') || 'tokens'
      const parts = {
        ...{ protocol, k, maxLength, pooling, modelHash, precision },
        late: { ...late, ...(scored.tokenForm && { form: scored.tokenForm }) },
        dimensions: encoder.dimensions,
        queryPrompt: promptFor(settings, 'query'),
        documentPrompt: promptFor(settings, 'document'),
        similarity: settings.lateInteraction?.similarity ?? settings.similarity,
      }
      return {
        scored,
        collection,
        fingerprint: dataHash => fingerprint({ ...parts, dataHash }),
        backend: { kind, description },
      }
    } finally {
      backend.close()
    }
  } finally {
    await source.close()
  }
}

/** Tokens of a text at most: what was asked for, or the model's. */
export function textLength(
  asked: number | undefined,
  { settings, weights }: Pick<ModelSource, 'settings' | 'weights'>,
): number {
  const { maxPositions } = weights.config
  if (asked !== undefined && asked > maxPositions)
    throw usageError(
      `--max-length is ${asked}, but the model has ${maxPositions} positions; give ${maxPositions} or less`,
    )
  return asked ?? settings.maxLength
}

export function sayTruncated(truncated: number, maxLength: number, progress: Progress): void {
  if (truncated === 0) return
  const texts = truncated === 1 ? '1 text is longer than' : `${truncated} texts are longer than`
  progress.say(`${texts} ${maxLength} tokens and cut to that`)
}
