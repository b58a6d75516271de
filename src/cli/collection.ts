// What eval and search share: a model and a collection opened, tokenized, encoded and searched; what is odd about them said on the way.
import { type Collection, loadCollection } from '../data/collection.js'
import { type CollectionScores, evaluateCollection, tokenizeCollection } from '../run/evaluate.js'
import { type ModelSource, openModel, placeModel } from '../run/model.js'
import { usageError } from './errors.js'
import { type BackendOptions, interruptSignal, openChosenBackend, openProgress, phases } from './options.js'
import type { Progress } from './progress.js'

export interface SearchSettings {
  readonly model: string
  readonly data: string
  readonly split: string
  readonly k: number
  readonly protocol: 'beir' | 'trec'
  readonly measures?: readonly string[]
  readonly maxLength?: number | undefined
  readonly backend: BackendOptions
  readonly quiet?: boolean | undefined
}

export interface SearchedCollection {
  readonly scored: CollectionScores
  readonly collection: Collection
  readonly settings: ModelSource['settings']
  /** sha-256 of the weights. */
  readonly modelHash: string
  readonly maxLength: number
  readonly pooling: string
  readonly backend: { readonly kind: string; readonly description: string }
}

/** The model comes first: a collection may take minutes to read. */
export async function searchCollection(options: SearchSettings): Promise<SearchedCollection> {
  const { k, protocol, measures } = options
  const progress = openProgress(options.quiet)
  const shown = phases(progress)
  const signal = interruptSignal('interrupted; nothing was written', progress)
  const source = await openModel(options.model)
  try {
    const { settings, hash: modelHash } = source
    const maxLength = textLength(options.maxLength, source)
    const collection = await loadCollection(options.data, { split: options.split })
    for (const line of collection.warnings) progress.say(`warning: ${line}`)
    signal.throwIfAborted()
    const tokenized = tokenizeCollection(source.tokenizer!, settings, collection, maxLength)
    sayTruncated(tokenized.truncated, maxLength, progress)
    const { backend } = await openChosenBackend(options.backend, line => progress.say(line))
    try {
      const { encoder } = await placeModel(backend, source)
      const onProgress = (each: { done: number; total: number; unit: string }) =>
        shown.show({ name: `encoding ${collection.name}`, ...each })
      const scored = await evaluateCollection(
        backend,
        encoder,
        settings.similarity,
        tokenized,
        { k, protocol, maxLength, ...(measures && { measures }) },
        { onProgress, signal },
      )
      shown.end()
      const { kind, description } = backend
      const { pooling } = encoder
      return { scored, collection, settings, modelHash, maxLength, pooling, backend: { kind, description } }
    } finally {
      backend.close()
    }
  } finally {
    await source.close()
  }
}

/** Tokens of a text at most: what was asked for, or the model's. */
export function textLength(asked: number | undefined, { settings, weights }: ModelSource): number {
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
