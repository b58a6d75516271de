// What eval and search do before anything is computed: the model opened, the collection read and tokenized, and what is odd about it said.
import { type Collection, loadCollection } from '../data/collection.js'
import { type TokenizedCollection, tokenizeCollection } from '../run/evaluate.js'
import { type ModelSource, openModel } from '../run/model.js'
import { usageError } from './errors.js'
import type { Progress } from './progress.js'

export interface CollectionOptions {
  readonly model: string
  readonly data: string
  readonly split: string
  readonly maxLength?: number
}

export interface OpenedCollection {
  readonly source: ModelSource
  readonly collection: Collection
  readonly tokenized: TokenizedCollection
  readonly maxLength: number
}

/** The model comes first: a collection may take minutes to read. */
export async function openCollection(
  { model, data, split, maxLength: asked }: CollectionOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<OpenedCollection> {
  const source = await openModel(model)
  const maxLength = textLength(asked, source)
  const collection = await loadCollection(data, { split })
  for (const line of collection.warnings) progress.say(`warning: ${line}`)
  signal.throwIfAborted()
  const tokenized = tokenizeCollection(source.tokenizer!, source.settings, collection, maxLength)
  sayTruncated(tokenized.truncated, maxLength, progress)
  return { source, collection, tokenized, maxLength }
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
