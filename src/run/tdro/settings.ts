// A recipe's [tdro] as the settings of a training: the proxy's, on batches that mix all sets, without in-batch negatives.
import * as v from 'valibot'
import { type LoraSettings, type Recipe, recipeSchema, type TrainSettings } from '../../recipe/schema.js'
import { type Transfer, transferWeights } from '../../train/tdro/transfer.js'
import { fixedWeighting, type Weighting } from '../../train/weighting.js'
import type { WeightsFile } from './weights-file.js'

/** Keys of [train] that have no place in the proxy's training, or another meaning there. */
const LEFT_OUT = [
  ...['epochs', 'warmup_ratio', 'weights', 'weights_file', 'transfer', 'transfer_share', 'tokens_per_batch'],
  ...['eval_every', 'early_stopping', 'margin', 'teacher_temperature', 'matryoshka', 'dropout', 'chunk_size'],
  ...['query_max_length', 'checkpoint_every'],
]

/** The proxy's training. */
export function proxyRecipe(recipe: Recipe): Recipe {
  const { train, tdro, lora, ...common } = recipe
  const { method, steps, batch_size, micro_batch, hard_negatives, query_max_length, ...own } = tdro!
  const kept = Object.fromEntries(Object.entries(train!).filter(([key]) => !LEFT_OUT.includes(key))) as TrainSettings
  const proxy: TrainSettings = {
    ...kept,
    ...{ method, steps, batch_size: micro_batch, accumulation: batch_size / micro_batch },
    ...{ batches: 'uniform', sets: 'mixed', loss: 'infonce' },
    negatives: { in_batch: false, hard: hard_negatives, mask_duplicates: false },
    ...{ temperature: own.temperature, learning_rate: own.learning_rate, schedule: own.schedule },
    ...{ min_factor: own.min_factor, warmup_steps: own.warmup_steps, weight_decay: own.weight_decay, clip: own.clip },
    max_length: own.max_length,
    ...(query_max_length !== undefined && { query_max_length }),
    ...(own.chunk_size !== undefined && { chunk_size: own.chunk_size }),
    ...(own.dropout !== undefined && { dropout: own.dropout }),
    ...(own.checkpoint_every !== undefined && { checkpoint_every: own.checkpoint_every }),
  }
  const adapter: LoraSettings = lora ?? v.parse(recipeSchema.entries.lora, {})!
  return { ...common, variants: [], train: proxy, ...(method === 'lora' && { lora: adapter }) }
}

/** [train] with all sets drawn alike: how the reference is trained. */
export function uniformRecipe({ train, ...recipe }: Recipe): Recipe {
  const { transfer: _t, transfer_share: _s, weights_file: _f, weights: _w, ...kept } = train!
  return { ...recipe, variants: [], train: { ...kept } }
}

/** Whether a training needs learned weights. */
export const asksForWeights = ({ train }: Recipe): boolean =>
  train?.transfer !== undefined && train.transfer !== 'uniform'

/** A training with learned weights in their place: how often its sets are drawn, and what their losses count. */
export function withWeights(
  recipe: Recipe,
  sets: readonly string[],
  weights: WeightsFile,
): { recipe: Recipe; weighting?: { weighting: Weighting; fingerprint: string }; sampling: readonly number[] } {
  const { transfer, transfer_share, weights_file: _, ...train } = recipe.train!
  const alpha = weightsOfSets(sets, weights)
  const { sampling, loss } = transferWeights(alpha, transfer as Transfer, transfer_share)
  const factors = loss.some(factor => factor !== 1)
  return {
    recipe: { ...recipe, train: { ...train, weights: [...sampling] } },
    ...(factors && { weighting: { weighting: fixedWeighting(loss), fingerprint: JSON.stringify(loss) } }),
    sampling,
  }
}

/** The weights in the order of the sets. Fails where the two do not name the same ones. */
export function weightsOfSets(sets: readonly string[], { domains, alpha }: WeightsFile): number[] {
  const unknown = domains.filter(name => !sets.includes(name))
  const without = sets.filter(name => !domains.includes(name))
  if (unknown.length > 0 || without.length > 0)
    throw new Error(
      [
        ...(unknown.length > 0 ? [`the weights are for ${unknown.join(', ')}, which data.train does not have`] : []),
        ...(without.length > 0 ? [`there is no weight for ${without.join(', ')} of data.train`] : []),
      ].join(', and ') +
        `; data.train has ${sets.join(', ')}: name its sets as the weights do (data.train = [{ path, name }])`,
    )
  return sets.map(name => alpha[domains.indexOf(name)]!)
}
