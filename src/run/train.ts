// Training as a recipe describes it: pairs read and tokenized, the method's parameters placed, the loop run with a dev split and checkpoints.
import { type Backend, OUT_OF_MEMORY } from '../backend/backend.js'
import type { ExampleOrder } from '../data/example-batches.js'
import { hashLines } from '../data/fingerprint.js'
import { checkSequences } from '../model/batch.js'
import type { MemoryPlan } from '../model/placement.js'
import { minesItself } from '../recipe/negatives.js'
import type { LoraSettings, TrainSettings } from '../recipe/schema.js'
import type { RankingModel } from '../retrieve/rank.js'
import { megabytes } from '../tensor/plan.js'
import { readCheckpoint, writeCheckpoint } from '../train/checkpoint.js'
import { type ContrastiveSettings, createContrastiveTrainer } from '../train/contrastive.js'
import { needsTeacher } from '../train/contrastive-loss.js'
import { type LoopHooks, type LoopResult, type LoopSettings, trainLoop } from '../train/loop.js'
import { heaviestBatches, stepMemory } from '../train/memory.js'
import type { Weighting } from '../train/weighting.js'
import { orderOf, stepsIn } from './batches.js'
import { checkLoss, lossSettings } from './loss.js'
import { type TokenizedPairs, tokenizePairs } from './mixture.js'
import type { ModelSource } from './model.js'
import { methodOf, type PlacedModel, placeTrained, rankingOf } from './placed.js'
import { mineItself, passagesOf, type SelfMined } from './self-mining.js'

export { type TokenizedPairs, tokenizePairs }

/** The loop's settings for `examples` examples. Fails where not a single batch can be drawn, or one without negatives. */
export function loopSettings(
  train: TrainSettings,
  examples: number,
  seed: number,
  order: ExampleOrder = { kind: 'uniform' },
): LoopSettings {
  const { batch_size: batchSize, accumulation, drop_last: dropLast, negatives } = train
  if (order.kind === 'uniform') checkUniform(train, examples)
  const steps = train.steps ?? stepsIn(train.epochs!, train, examples, seed, order)
  return {
    seed,
    steps,
    batchSize,
    accumulation,
    dropLast,
    order,
    hardNegatives: negatives.hard,
    inBatch: negatives.in_batch,
    ...(needsTeacher(train.loss) && { teacher: true }),
    learningRate: train.learning_rate,
    ...(train.precision === 'mixed' && { mixed: true }),
    schedule: {
      schedule: train.schedule,
      total: steps,
      warmup: train.warmup_steps ?? Math.ceil((train.warmup_ratio ?? 0) * steps),
      warmupOffset: train.warmup_offset as 0 | 1,
      minFactor: train.min_factor,
    },
    checkpointEvery: train.checkpoint_every ?? Math.max(1, Math.ceil(steps / 10)),
    ...(negatives.refresh && { mineEvery: negatives.refresh }),
    ...(train.eval_every && { evaluateEvery: train.eval_every }),
    ...(train.early_stopping && { patience: train.early_stopping.patience }),
  }
}

function checkUniform(
  { batch_size: batchSize, drop_last: dropLast, negatives }: TrainSettings,
  examples: number,
): void {
  if (dropLast && examples < batchSize)
    throw new Error(
      `${examples} training pairs do not fill one batch of ${batchSize}; set train.batch_size to ${examples} or less, or train.drop_last = false`,
    )
  if (!dropLast && negatives.hard === 0 && examples % batchSize === 1)
    throw new Error(
      `the last batch of ${examples} training pairs in batches of ${batchSize} holds a single pair, and InfoNCE needs at least one negative; ` +
        'set train.drop_last = true, another train.batch_size, or train.negatives.hard to 1 or more',
    )
}

/** Fails at what can be known to be wrong before anything is trained. */
export function checkTraining(
  source: ModelSource,
  pairs: TokenizedPairs,
  train: TrainSettings,
  lora: LoraSettings | undefined,
  seed: number,
): void {
  loopSettings(train, pairs.examples.length, seed, orderOf(train, pairs))
  methodOf(source, train, lora, seed)
  checkSequences(pairs.texts, source.weights.config)
  checkLoss(source.weights.config.hidden, pairs.examples, train)
  const { hard } = train.negatives
  const { source: from } = train.negatives
  if ((from === 'self' || from === 'both') && pairs.examples.some(({ variants }) => variants))
    throw new Error(
      `train.negatives.source = "${from}" needs one form of each query, but a training set has several prompts; give it one`,
    )
  if (hard > 0 && from !== 'self') checkNegatives(pairs, hard)
}

function checkNegatives({ examples, sets, setOf }: TokenizedPairs, hard: number): void {
  const without = examples.flatMap(({ negatives }, i) => (negatives.length === 0 ? [setOf[i]!] : []))
  if (without.length === 0) return
  const named = sets.filter((_, set) => without.includes(set)).join(', ')
  throw new Error(
    `${without.length} of ${examples.length} training pairs have no hard negatives${sets.length > 1 ? ` (of ${named})` : ''}, but ${hard} a pair are asked for; ` +
      `mine some (wgpu-retrieve mine, or data.mined_negatives = ${hard}), or set train.negatives.hard = 0`,
  )
}

export interface Trained extends LoopResult {
  readonly loaded: PlacedModel
  readonly parameters: number
  /** Activations, weights, gradients and moments on the backend, in bytes. */
  readonly peakBytes: number
}

export interface TrainHooks extends Pick<LoopHooks, 'onStep' | 'signal'> {
  /** The score of the dev split under the encoder as it is now. */
  readonly evaluate?: (loaded: PlacedModel) => Promise<number>
  /** Where checkpoints lie; absent: none are written. */
  readonly checkpoint?: string
  /** What the sets count in the loss, and the words that tell it from another one. */
  readonly weighting?: { readonly weighting: Weighting; readonly fingerprint: string }
  /** Goes on from the checkpoint. */
  readonly resume?: boolean
  /** Told what will lie where, before the model is loaded. */
  readonly onPlan?: (plan: MemoryPlan) => void
  /** Told what frozen weights in 8 or 4 bits lost, as a share of their size. */
  readonly onQuantized?: (loss: number) => void
  /** Told what the model has mined. */
  readonly onMined?: (mined: SelfMined & { readonly seconds: number }) => void
  /** Called with the step to start from. */
  readonly onStart?: (info: {
    readonly step: number
    readonly steps: number
    readonly parameters: number
    /** That the backend will hold at most: weights, gradients, moments, activations. */
    readonly bytes: number
  }) => void | Promise<void>
}

/** With negatives of both kinds each query counts twice: the first half keeps what BM25 found. */
function minedTwice(pairs: TokenizedPairs, { negatives: { source } }: TrainSettings): TokenizedPairs {
  if (source !== 'both') return pairs
  const setOf = Int32Array.from([...pairs.setOf, ...pairs.setOf])
  return { ...pairs, examples: [...pairs.examples, ...pairs.examples], setOf }
}

/** The negatives that the model finds itself, for those examples that are to have them; undefined where none are. */
function selfMiner(
  backend: Backend,
  model: RankingModel,
  pairs: TokenizedPairs,
  { negatives }: TrainSettings,
  { signal, onMined }: TrainHooks,
): LoopHooks['mine'] {
  if (!minesItself(negatives)) return undefined
  const first = negatives.source === 'both' ? pairs.examples.length / 2 : 0
  return async () => {
    const started = performance.now()
    const mined = await mineItself(backend, model, pairs, negatives, signal)
    onMined?.({ ...mined, seconds: (performance.now() - started) / 1000 })
    return mined.negatives.map((list, i) => (i < first ? undefined : list))
  }
}

/** Trains, and returns the trained encoder in the backend's memory: the caller releases it. */
export async function trainModel(
  backend: Backend,
  source: ModelSource,
  tokenized: TokenizedPairs,
  train: TrainSettings,
  lora: LoraSettings | undefined,
  seed: number,
  hooks: TrainHooks,
): Promise<Trained> {
  const pairs = minedTwice(tokenized, train)
  const order = orderOf(train, pairs)
  const { weighting } = hooks.weighting ?? {}
  const settings = { ...loopSettings(train, pairs.examples.length, seed, order), ...(weighting && { weighting }) }
  const normalize = train.similarity === 'cosine'
  const loaded = await placeTrained(backend, source, train, lora, seed, {
    decayBiasAndNorm: train.decay_bias_and_norm,
    normalize,
    ...(train.recompute && { recompute: true }),
    ...(train.precision && { precision: train.precision }),
    ...(lora?.frozen_bits && { frozenBits: lora.frozen_bits }),
    ...(hooks.onPlan && { onPlan: hooks.onPlan }),
    ...(hooks.onQuantized && { onQuantized: hooks.onQuantized }),
  })
  const trainable = loaded.trainable!
  const late = source.settings.lateInteraction !== undefined
  const step: ContrastiveSettings = {
    query: loaded.encoder,
    passage: loaded.passage?.encoder ?? loaded.encoder,
    ...(late && {
      late: {
        similarity: train.similarity === 'l2' ? ('l2' as const) : ('dot' as const),
        ...(train.skipped_tokens === 'zero' && { zeroSkipped: true }),
      },
    }),
    trainable,
    temperature: train.temperature,
    loss: lossSettings(train),
    maskDuplicates: train.negatives.mask_duplicates,
    keepLosses: weighting?.learns ?? false,
    ...(weighting?.cosinesOf !== undefined && { domains: weighting.cosinesOf }),
    optimizer: {
      beta1: train.betas[0],
      beta2: train.betas[1],
      epsilon: train.epsilon,
      weightDecay: train.weight_decay,
      clip: Number.isFinite(train.clip) ? train.clip : 0,
      decoupled: true,
    },
    ...(train.chunk_size && { chunkSize: train.chunk_size }),
    ...(train.dropout !== undefined && { dropout: train.dropout }),
  }
  const trainer = createContrastiveTrainer(backend, step)
  let planned = 0
  try {
    // Lengths of an order are those of the examples as they stand.
    const forms = order.kind === 'by_length' ? pairs.examples : pairs.examples.flatMap(each => each.variants ?? [each])
    // What the model mines may be any passage.
    const any = minesItself(train.negatives)
      ? [{ ...pairs.examples[0]!, negatives: passagesOf(pairs.texts, pairs.examples) }]
      : []
    const heaviest = heaviestBatches(pairs.texts, [...forms, ...any], settings)
    const bytes = loaded.bytes + Math.max(...heaviest.map(batch => stepMemory(backend, step, batch)))
    planned = bytes
    const fingerprint = await hashLines([
      ...[backend.numerics, source.hash, pairs.hash],
      JSON.stringify({ train, lora, seed, settings: source.settings }),
      ...(hooks.weighting ? [hooks.weighting.fingerprint] : []),
    ])
    const { checkpoint, evaluate } = hooks
    const resume = hooks.resume && checkpoint ? await readCheckpoint(checkpoint, trainable, fingerprint) : undefined
    const start = resume ? (resume.state as { step: number }).step : 0
    await hooks.onStart?.({ step: start, steps: settings.steps, parameters: trainable.count, bytes })
    const mine = selfMiner(backend, rankingOf(loaded, source), pairs, train, hooks)
    const loopHooks: LoopHooks = {
      ...(mine && { mine }),
      ...(hooks.onStep && { onStep: hooks.onStep }),
      ...(hooks.signal && { signal: hooks.signal }),
      ...(evaluate && { evaluate: () => evaluate(loaded) }),
      ...(checkpoint && { saveCheckpoint: state => writeCheckpoint(checkpoint, state, fingerprint) }),
    }
    const result = await trainLoop(
      backend,
      trainer,
      trainable,
      pairs.texts,
      pairs.examples,
      settings,
      loopHooks,
      resume,
    )
    return { ...result, loaded, parameters: trainable.count, peakBytes: result.peakBytes + loaded.bytes }
  } catch (error) {
    loaded.release()
    throw (error as Error).cause === OUT_OF_MEMORY ? withoutRoom(error as Error, planned, train) : error
  } finally {
    trainer.release()
  }
}

/** What the training was to hold at most, in bytes, and which settings lower it. */
function withoutRoom(error: Error, planned: number, { batch_size, chunk_size, recompute }: TrainSettings): Error {
  const lower = [
    `train.chunk_size (now ${chunk_size ? chunk_size : 'the whole batch'})`,
    `train.batch_size (now ${batch_size})`,
    'train.max_length',
    ...(recompute ? [] : ['or set train.recompute = true']),
  ]
  return new Error(
    `${error.message}\nthis training holds ${megabytes(planned)} at most, weights and activations together; lower ${lower.join(', ')}`,
    { cause: OUT_OF_MEMORY },
  )
}
