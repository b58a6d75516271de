// The three architectures of Lee et al. 2023 (arXiv:2311.09765), with the settings that their papers train them by as a recipe's defaults:
//   asymmetric        two encoders, the [CLS] vector, dot product (DPR, Karpukhin et al. 2020)
//   symmetric         one encoder, the mean over tokens, dot product, τ 0.05 (Contriever, Izacard et al. 2021)
//   late_interaction  a vector of 128 a token, MaxSim by −L2² (ColBERT, Khattab and Zaharia 2020)
import { type Table, withTable } from './merge.js'
import { isTable, type Problem, problem } from './problems.js'
import type { Recipe } from './schema.js'

export const architectures = ['asymmetric', 'symmetric', 'late_interaction'] as const
export type Architecture = (typeof architectures)[number]

/** The study's B is of one device, 16; an update has 128 pairs. */
const study = { epochs: 40, batch_size: 16, accumulation: 8, warmup_ratio: 0.1, schedule: 'linear' }

const defaults: Readonly<Record<Architecture, { readonly model: Table; readonly train: Table }>> = {
  asymmetric: {
    model: { pooling: 'cls' },
    train: { ...study, similarity: 'dot', temperature: 1, weight_decay: 0, clip: 2 },
  },
  symmetric: {
    model: { pooling: 'mean' },
    train: { ...study, similarity: 'dot', temperature: 0.05, weight_decay: 0.01 },
  },
  late_interaction: {
    model: { projection: 128, query_length: 32, document_length: 180 },
    train: { ...study, similarity: 'l2', temperature: 1, weight_decay: 0, clip: 2 },
  },
}

const isArchitecture = (value: unknown): value is Architecture => (architectures as readonly unknown[]).includes(value)

/** A recipe's table over the defaults of its architecture; as it is where it names none. */
export function withArchitecture(input: unknown): unknown {
  if (!isTable(input) || !isTable(input.model)) return input
  const { architecture } = input.model
  if (!isArchitecture(architecture)) return input
  const { model, train } = defaults[architecture]
  if (!isTable(input.train)) return withTable({ model }, input)
  return withTable({ model, train: { ...train, ...lateDefaults(architecture, input.train) } }, input)
}

/** Pairs of a positive and a negative where there are hard negatives; the full model at ColBERT's rate. */
function lateDefaults(architecture: Architecture, { negatives, method }: Table): Table {
  if (architecture !== 'late_interaction') return {}
  const hard = isTable(negatives) ? Number(negatives.hard ?? 0) : 0
  return {
    loss: hard > 0 ? 'pairwise_softmax' : 'infonce',
    ...(method === 'full' && { learning_rate: 3e-6 }),
  }
}

export function* architectureProblems({ model, train }: Recipe): Generator<Problem> {
  const late = model.architecture === 'late_interaction'
  for (const key of ['projection', 'query_length', 'document_length'] as const)
    if (model[key] !== undefined && !late)
      yield problem(`model.${key}`, 'is for model.architecture = "late_interaction"; set that, or leave it out')
  if (late)
    for (const key of ['pooling', 'normalize'] as const)
      if (model[key] !== undefined)
        yield problem(`model.${key}`, 'has no place in late interaction, where every token has a vector; leave it out')
  if (!train) return
  if (late && train.similarity === 'dot')
    yield problem('train.similarity', 'is "dot", expected "cosine" or "l2" with late interaction')
  if (!late && train.similarity === 'l2')
    yield problem(
      'train.similarity',
      'is "l2", which is for model.architecture = "late_interaction"; take "cosine" or "dot"',
    )
  if (!late && train.skipped_tokens !== undefined)
    yield problem('train.skipped_tokens', 'is for model.architecture = "late_interaction"; set that, or leave it out')
  if (late && (train.loss === 'both_directions' || train.matryoshka))
    yield problem(
      train.matryoshka ? 'train.matryoshka' : 'train.loss',
      'has no place in late interaction; leave it out',
    )
}
