// Keys of a recipe that concern several training sets: what is said of each, weights of the sets learned by tDRO, and what they are used for.
import * as v from 'valibot'
import { transfers } from '../train/tdro/transfer.js'
import { weightModes } from '../train/tdro/weights.js'
import { above, between, choice, fileName, flag, integer, list, probability, text } from './fields.js'

const PROMPTS = 'an instruction, or a list of them'

export const trainSet = v.strictObject({
  path: text('a BEIR folder or a train.jsonl'),
  /** In weights and logs; default: the last name of the path. */
  name: v.optional(fileName()),
  /** What is asked for: "Instruct: {prompt}\nQuery: " stands before its queries. Of several one is drawn each time. */
  prompt: v.optional(v.union([text(PROMPTS), list(text(PROMPTS), PROMPTS)], PROMPTS)),
  /** Whether documents get the same: both sides are of one kind, such as questions that are duplicates. */
  symmetric: v.optional(flag(), false),
  /** Tokens of a query, and of a document; default: train.query_max_length, train.max_length. */
  query_max_length: v.optional(integer(3)),
  max_length: v.optional(integer(3)),
})

export const nearDuplicates = v.strictObject({
  /** Bits of 64 that may differ. */
  threshold: v.optional(integer(0, 7), 3),
  /** Whether pairs of one set are compared, and pairs of different ones. */
  within: v.optional(flag(), true),
  across: v.optional(flag(), true),
})

/** Of [train]: what learned weights are used for. */
export const transfer = {
  /** A file of weights (weights.json of a run with [tdro]); default: those of this run's [tdro], where transfer asks for any. */
  weights_file: v.optional(text('a file of weights')),
  /**
   * Default: reweight with weights_file, else uniform. uniform: weights change nothing; reweight: sets are drawn by their weights; top-p, bottom-p: the share `transfer_share` of the sets with the highest (lowest) weights
   * is drawn uniformly, the others are left out; loss-reweight: a set's loss is multiplied with its weight and the number of sets.
   */
  transfer: v.optional(choice(transfers)),
  /** Of the number of sets, rounded down; default 0.7. */
  transfer_share: v.optional(v.pipe(above(0), v.maxValue(1, 'a number of at most 1'))),
}

/** Defaults are the paper's, and of its published code. */
export const tdro = v.strictObject({
  /** How losses move the weights. */
  mode: v.optional(choice(weightModes), 'reference'),
  /** Whether the proxy's loss has the weights from before a step's update (after) or those it gives, which costs a forward pass more (before). */
  update: v.optional(choice(['after', 'before']), 'after'),
  /** Record the cosines of the sets' gradients (last two layers) with the losses, for --replay with cgd and coco_dr; those modes record them anyway. */
  cosines: v.optional(flag(), false),
  /** Of the weights; default: the mode's own, 0.02 for tDRO's. */
  weights_rate: v.optional(above(0)),
  /** Which weights are kept: of the last step, the mean over steps, or a running average. */
  weights: v.optional(choice(['final', 'mean', 'ema']), 'final'),
  /** A step's share of the running average. */
  ema: v.optional(v.pipe(above(0), v.maxValue(1)), 0.1),
  /** A model that was trained on these sets; default: the model, trained by [train] with all sets drawn alike. */
  reference: v.optional(text('a model folder')),
  /** Of the proxy: all of its weights, or LoRA. */
  method: v.optional(choice(['full', 'lora']), 'full'),
  steps: v.optional(integer(1), 1000),
  /** Pairs of a step, of all sets. */
  batch_size: v.optional(integer(1), 2048),
  /** Pairs whose losses are compared at once, a divisor of batch_size: mode reference depends on it. Default: 512, or batch_size where that is less. */
  micro_batch: v.optional(integer(1)),
  /** As train.chunk_size. */
  chunk_size: v.optional(integer(1)),
  hard_negatives: v.optional(integer(1), 7),
  temperature: v.optional(above(0), 0.002),
  learning_rate: v.optional(above(0), 1e-4),
  schedule: v.optional(choice(['linear', 'cosine', 'constant']), 'cosine'),
  min_factor: v.optional(between(0, 1), 0.1),
  warmup_steps: v.optional(integer(0), 100),
  weight_decay: v.optional(between(0, Number.MAX_VALUE), 0.1),
  clip: v.optional(above(0), 1),
  /** For all the model's dropouts; default: as the model's config.json says. */
  dropout: v.optional(probability()),
  /** As in [train]; default: what that has. */
  max_length: v.optional(integer(3)),
  query_max_length: v.optional(integer(3)),
  checkpoint_every: v.optional(integer(1)),
})
