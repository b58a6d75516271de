// Contradictions between the keys of a recipe's [train], and with what it trains on.
import { needsNegatives } from '../train/contrastive-loss.js'
import { negativeProblems } from './negatives.js'
import { display, type Problem, problem } from './problems.js'
import type { Recipe, TrainSettings } from './schema.js'

export function* trainProblems({ train, data, model }: Recipe): Generator<Problem> {
  if (!train) return
  const { epochs, steps, negatives, early_stopping, eval_every } = train
  if (train.similarity === 'dot' && model.normalize) {
    yield problem(
      'model.normalize',
      'is true, but train.similarity = "dot" trains vectors that are not normalised; leave it out, or set train.similarity = "cosine"',
    )
  }
  if (epochs !== undefined && steps !== undefined)
    yield problem('train', 'has both epochs and steps; leave one of them out')
  if (epochs === undefined && steps === undefined)
    yield problem('train', 'has neither epochs nor steps; give one of them')
  if (train.warmup_steps !== undefined && train.warmup_ratio !== undefined) {
    yield problem('train', 'has both warmup_steps and warmup_ratio; leave one of them out')
  }
  if (!negatives.in_batch && negatives.hard === 0) {
    yield problem(
      'train.negatives',
      'has in_batch = false and hard = 0, but InfoNCE needs at least one negative; set in_batch = true or hard to 1 or more',
    )
  } else if (train.batch_size === 1 && negatives.hard === 0) {
    yield problem(
      'train.batch_size',
      'is 1 and train.negatives.hard is 0, but InfoNCE needs at least one negative; set batch_size to 2 or more, or hard to 1 or more',
    )
  }
  yield* negativeProblems(negatives, train.batches, train.loss)
  yield* lossProblems(train)
  yield* batchProblems(train, data.train?.length ?? 0)
  if (train.min_factor > 0 && train.schedule !== 'cosine') {
    yield problem('train.min_factor', `is for schedule = "cosine", found schedule = ${display(train.schedule)}`)
  }
  const hasDev = (data.dev ?? []).length > 0 || data.dev_share !== undefined
  const dev = 'add [data] dev = [{ path = "…", split = "dev" }], or leave it out'
  if (!hasDev && early_stopping) yield problem('train.early_stopping', `needs a dev split; ${dev}`)
  if (!hasDev && eval_every !== undefined) yield problem('train.eval_every', `needs a dev split; ${dev}`)
  if (hasDev && early_stopping && eval_every === undefined) {
    yield problem('train.early_stopping', 'needs train.eval_every, the steps between two evaluations')
  }
  const positions = model.random?.max_positions
  if (positions !== undefined && train.max_length > positions) {
    yield problem('train.max_length', `is ${train.max_length}, more than model.random.max_positions (${positions})`)
  }
}

function* lossProblems({
  loss,
  negatives,
  margin,
  teacher_temperature,
  matryoshka,
}: TrainSettings): Generator<Problem> {
  const is = (key: string) =>
    problem(`train.${key}`, `is for another loss; train.loss is ${display(loss)}: leave it out`)
  if (margin !== undefined && loss !== 'triplet') yield is('margin')
  if (teacher_temperature !== undefined && loss !== 'kl') yield is('teacher_temperature')
  if (needsNegatives(loss) && negatives.hard === 0)
    yield problem(
      'train.loss',
      `${display(loss)} compares a positive with its own negatives; set train.negatives.hard to 1 or more`,
    )
  if (loss === 'both_directions' && !negatives.in_batch)
    yield problem(
      'train.loss',
      `${display(loss)} needs the other pairs of the batch; set train.negatives.in_batch = true`,
    )
  const { dimensions = [], weights = dimensions } = matryoshka ?? {}
  if (weights.length !== dimensions.length)
    yield problem(
      'train.matryoshka.weights',
      `has ${weights.length} weights for ${dimensions.length} dimensions; give one each, or leave it out`,
    )
  if (new Set(dimensions).size < dimensions.length)
    yield problem('train.matryoshka.dimensions', 'holds a number twice; name each once')
}

function* batchProblems(train: TrainSettings, sets: number): Generator<Problem> {
  const { batches, tokens_per_batch, sets: mode, weights, negatives, batch_size } = train
  if (batches === 'by_length' && tokens_per_batch === undefined)
    yield problem('train.tokens_per_batch', 'missing; train.batches = "by_length" needs the tokens of a batch')
  if (batches === 'uniform' && tokens_per_batch !== undefined)
    yield problem('train.tokens_per_batch', 'is for train.batches = "by_length"; set that, or leave it out')
  if (batches === 'by_length' && negatives.hard === 0 && batch_size < 3)
    yield problem(
      'train.batch_size',
      `is ${batch_size}; train.batches = "by_length" without hard negatives needs 3 or more`,
    )
  if (batches === 'by_length' && mode !== 'together')
    yield problem('train.batches', `is "by_length", which goes with train.sets = "together" only, found "${mode}"`)
  if (mode === 'together' && weights)
    yield problem('train.weights', 'is for train.sets = "mixed" or "homogeneous"; set that, or leave it out')
  if (mode !== 'together' && weights && weights.length !== sets)
    yield problem(
      'train.weights',
      `has ${weights.length} numbers for the ${sets} sets of data.train; give one for each`,
    )
  if (weights?.every(weight => weight === 0))
    yield problem('train.weights', 'are all 0; give at least one of the sets a weight')
}
