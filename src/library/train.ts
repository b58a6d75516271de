// Adapting an encoder to pairs of queries and the texts that answer them.
import { checkTexts } from '../data/given.js'
import type { RecipeInput } from '../recipe/schema.js'
import { memoryVolume, mountVolume, unmountVolume } from '../runtime/volumes.js'
import type { StepRecord } from '../train/loop.js'
import { type Encoder, type EncoderParts, encoderOf } from './encoder.js'
import { aFunction, aSignal, aText, type Checks, checkEncoder, checkOptions, checkValue } from './given.js'

/** A query, the texts that answer it, and texts that seem to and do not. */
export interface Pair {
  readonly query: string
  readonly positives: readonly string[]
  readonly negatives?: readonly string[] | undefined
}

/** The keys of a recipe's [train] and [lora] tables; one of `steps` and `epochs` is needed. */
export type TrainingSettings = NonNullable<RecipeInput['train']> & {
  readonly lora?: RecipeInput['lora']
  /** Of shuffling, drawing and dropout; default 42. */
  readonly seed?: number
}

/** What is called on the way, and what stops it. */
export interface TrainingHooks {
  readonly onStep?: ((step: TrainingStep) => void | Promise<void>) | undefined
  /** Aborting rejects with the signal's reason, between two steps; the encoder stays as it was. */
  readonly signal?: AbortSignal | undefined
}

/** A step that is done, and how many there will be. */
export interface TrainingStep extends StepRecord {
  readonly steps: number
}

/** What `trainEncoder` did. */
export interface Training {
  /** A record a step. */
  readonly steps: readonly StepRecord[]
  /** Numbers that were trained. */
  readonly parameters: number
  /** That the backend held at most. */
  readonly peakBytes: number
  /** Pairs with a positive that is also a negative, and the like. */
  readonly warnings: readonly string[]
}

/** An encoder and how it came to be. */
export type TrainedEncoder = Encoder & { readonly training: Training }

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null
const hookChecks: Checks<TrainingHooks> = { onStep: aFunction, signal: aSignal }
const aList = ['a list of strings', Array.isArray] as const
const pairChecks: Checks<Pair> = { query: aText, positives: aList, negatives: aList }

function checkPairs(pairs: readonly Pair[]): void {
  checkValue('trainEncoder pairs', pairs, ['a list of {query, positives, negatives?}', Array.isArray])
  if (pairs.length === 0) throw new Error('trainEncoder pairs: no training pairs, expected a batch of them at least')
  for (const [i, pair] of pairs.entries()) {
    checkOptions(`trainEncoder, pair ${i}`, pair, pairChecks)
    checkValue(`trainEncoder, pair ${i}, query`, pair.query, aText)
    checkTexts(`trainEncoder, pair ${i}, positives`, pair.positives)
    if (pair.negatives !== undefined) checkTexts(`trainEncoder, pair ${i}, negatives`, pair.negatives)
    if (pair.positives.length === 0)
      throw new Error(`trainEncoder, pair ${i}, positives: expected one text or more, found none; leave the pair out`)
  }
}

/**
 * Trains a copy of the encoder, by default a LoRA adapter on frozen weights; the one given stays as it is, and both are to be closed. Rejects where
 * settings contradict each other or do not suit the pairs, and where a loss is not finite.
 */
export async function trainEncoder(
  encoder: Encoder,
  pairs: readonly Pair[],
  settings: TrainingSettings,
  hooks: TrainingHooks = {},
): Promise<TrainedEncoder> {
  checkEncoder('trainEncoder', encoder)
  checkPairs(pairs)
  checkValue('trainEncoder settings', settings, ['an object such as {epochs: 1}', isObject])
  checkOptions('trainEncoder hooks', hooks, hookChecks)
  const { description, parts } = encoder
  const letGo = parts.hold()
  const lines = pairs.map(pair => `${JSON.stringify(fileForm(pair))}\n`)
  const files = mountVolume(memoryVolume(new Map([[PAIRS, new Blob(lines)]])))
  try {
    const { training, ...trained } = await trainOn(files, parts, settings, hooks)
    return Object.assign(encoderOf(trained, description), { training })
  } finally {
    unmountVolume(files)
    await letGo()
  }
}

const PAIRS = 'pairs.jsonl'
const fileForm = ({ query, positives, negatives = [] }: Pair) => ({ query, pos: positives, neg: negatives })

/** `files`: where the pairs are. */
async function trainOn(
  files: string,
  { backend, source, hold }: EncoderParts,
  { lora, seed, ...train }: TrainingSettings,
  { onStep, signal }: TrainingHooks,
): Promise<EncoderParts & { readonly training: Training }> {
  // Loaded when it is asked for: a page that only encodes need not fetch it.
  const { completeRecipe } = await import('../recipe/complete.js')
  const { checkTraining, tokenizePairs, trainModel } = await import('../run/train.js')
  const path = `${files}/${PAIRS}`
  const recipe = completeRecipe(
    {
      model: { path: files, max_length: source.settings.maxLength },
      data: { train: path },
      train,
      ...(lora && { lora }),
      ...(seed !== undefined && { seed }),
    },
    { source: 'training', name: 'training' },
  )
  const settings = recipe.train!
  // Without checkpoints nobody asks for the hash of all weights.
  const named = { ...source, hash: source.name }
  const tokenized = await tokenizePairs([path], named, settings.max_length)
  checkTraining(named, tokenized, settings, recipe.lora, recipe.seed)
  const steps: StepRecord[] = []
  let total = 0
  const { loaded, parameters, peakBytes } = await trainModel(
    backend,
    named,
    tokenized,
    settings,
    recipe.lora,
    recipe.seed,
    {
      onStart: started => {
        total = started.steps
      },
      onStep: async step => {
        steps.push(step)
        await onStep?.({ ...step, steps: total })
      },
      ...(signal && { signal }),
    },
  )
  const { normalize } = loaded.encoder
  const similarity = settings.similarity === 'l2' ? 'dot' : settings.similarity
  return {
    backend,
    hold,
    source: { ...source, settings: { ...source.settings, similarity, normalize } },
    loaded,
    training: { steps, parameters, peakBytes, warnings: tokenized.warnings },
  }
}
