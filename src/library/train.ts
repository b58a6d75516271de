// Adapting an encoder to pairs of queries and the texts that answer them.
import type { RecipeInput } from '../recipe/schema.js'
import { memoryVolume, mountVolume, unmountVolume } from '../runtime/volumes.js'
import type { StepRecord } from '../train/loop.js'
import { type Encoder, encoderOf } from './encoder.js'

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

export interface TrainingHooks {
  readonly onStep?: ((step: TrainingStep) => void | Promise<void>) | undefined
  /** Aborting rejects with the signal's reason, between two steps; the encoder stays as it was. */
  readonly signal?: AbortSignal | undefined
}

/** A step that is done, and how many there will be. */
export interface TrainingStep extends StepRecord {
  readonly steps: number
}

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

/**
 * Trains a copy of the encoder, by default a LoRA adapter on frozen weights; the one given stays as it is, and both are to be closed. Rejects where
 * settings contradict each other or do not suit the pairs, and where a loss is not finite.
 */
export async function trainEncoder(
  encoder: Encoder,
  pairs: readonly Pair[],
  { lora, seed, ...train }: TrainingSettings,
  { onStep, signal }: TrainingHooks = {},
): Promise<TrainedEncoder> {
  // Loaded when it is asked for: a page that only encodes need not fetch it.
  const { completeRecipe } = await import('../recipe/complete.js')
  const { checkTraining, tokenizePairs, trainModel } = await import('../run/train.js')
  const { backend, source, hold } = encoder.parts
  const lines = pairs.map(pair => `${JSON.stringify(fileForm(pair))}\n`)
  const files = mountVolume(memoryVolume(new Map([['pairs.jsonl', new Blob(lines)]])))
  const letGo = hold()
  try {
    const path = `${files}/pairs.jsonl`
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
    const trained = await trainModel(backend, named, tokenized, settings, recipe.lora, recipe.seed, {
      onStart: started => {
        total = started.steps
      },
      onStep: async step => {
        steps.push(step)
        await onStep?.({ ...step, steps: total })
      },
      ...(signal && { signal }),
    })
    const normalize = trained.loaded.encoder.normalize
    const similarity = settings.similarity === 'l2' ? 'dot' : settings.similarity
    const parts = {
      ...encoder.parts,
      source: { ...source, settings: { ...source.settings, similarity, normalize } },
      loaded: trained.loaded,
    }
    const { parameters, peakBytes } = trained
    const training: Training = { steps, parameters, peakBytes, warnings: tokenized.warnings }
    return Object.assign(encoderOf(parts, encoder.description), { training })
  } finally {
    unmountVolume(files)
    await letGo()
  }
}

const fileForm = ({ query, positives, negatives = [] }: Pair) => ({ query, pos: positives, neg: negatives })
