// The loss of a contrastive step, by its recipe word: what the host gives it, and what is recorded. Scores are stored whole where they are few,
// else gone through by tiles; losses that look at a query's own passages alone have no matrix of all passages to store.

import { firstColumns } from '../ops/columns.js'
import { crossEntropy, maskDuplicates, similarity } from '../ops/contrastive.js'
import { tiledCrossEntropy, tileWidth } from '../ops/contrastive-tiles.js'
import { klDivergence, marginMse } from '../ops/distillation.js'
import { everyNthRow } from '../ops/first-rows.js'
import { groupScores } from '../ops/group-scores.js'
import { pairwiseSoftmax } from '../ops/pairwise-softmax.js'
import { l2Normalize } from '../ops/pooling.js'
import type { LossTarget } from '../ops/row-loss.js'
import { triplet } from '../ops/triplet.js'
import type { HostArray } from '../tensor/program.js'
import { columnsOf, type Tensor, type Values } from '../tensor/tensor.js'
import { input, output, type Param, type Trace } from '../tensor/trace.js'
import type { ContrastiveBatch } from './contrastive.js'

export const lossKinds = ['infonce', 'both_directions', 'pairwise_softmax', 'triplet', 'margin_mse', 'kl'] as const
export type LossKind = (typeof lossKinds)[number]

/** Losses that need a teacher's scores. */
export const needsTeacher = (kind: LossKind): boolean => kind === 'margin_mse' || kind === 'kl'
/** Losses of which each needs a query's own negatives, and sees no others. */
export const needsNegatives = (kind: LossKind): boolean => kind !== 'infonce' && kind !== 'both_directions'

export interface LossSettings {
  readonly kind: LossKind
  /** Passages of a query, its positive included; the same for every query. */
  readonly perQuery: number
  /** Of InfoNCE: whether the other queries' passages are candidates too. */
  readonly inBatch: boolean
  /** Of the triplet loss. */
  readonly margin?: number
  /** Of the teacher's softmax in `kl`; default 1. */
  readonly teacherTemperature?: number
  /** Matryoshka: the loss of the vectors' first `dimensions` columns too, each times its weight. */
  readonly matryoshka?: { readonly dimensions: readonly number[]; readonly weights: readonly number[] }
}

/** What a loss needs to know of the settings of a step. */
export interface LossOptions {
  /** Default: InfoNCE over the candidates that `targets` name. */
  readonly loss?: LossSettings
  readonly temperature: number
  readonly maskDuplicates?: boolean
  /** Whether each query's own loss is kept to be read, as `losses` (Q); of several dimensions or directions the first one's. */
  readonly keepLosses?: boolean
  /** Scores that are stored whole; more are gone through by tiles of a quarter of that. Default: SCORES_AT_ONCE. */
  readonly scoresAtOnce?: number
}

/** 64 MiB of scores: above, the room for them costs more than a third more products. */
export const SCORES_AT_ONCE = 2 ** 24
/** A tile has a share of that: there are two passages' worth of copies beside it, and large enough products all the same. */
const TILES_AT_LEAST = 4

/** Sizes of a batch's loss, and in how many tiles a plan goes through its scores: a power of two, so that there are few plans. */
export function lossShape(
  { query, passage }: Pick<ContrastiveBatch, 'query' | 'passage'>,
  { scoresAtOnce = SCORES_AT_ONCE }: Pick<LossOptions, 'scoresAtOnce'> = {},
): { readonly values: Values; readonly tiles: number } {
  const [Q, P] = [query.offsets.length - 1, passage.offsets.length - 1]
  const tiles = Q * P <= scoresAtOnce ? 1 : 2 ** Math.ceil(Math.log2((TILES_AT_LEAST * Q * P) / scoresAtOnce))
  return { values: { Q, P, 'tile.P': tileWidth(P, tiles), 'tile.Q': tileWidth(Q, tiles) }, tiles }
}

/** Whether a loss looks at each query's own passages alone. */
export const onOwn = ({ loss, maskDuplicates }: LossOptions): boolean =>
  loss !== undefined && (needsNegatives(loss.kind) || (loss.kind === 'infonce' && !loss.inBatch && !maskDuplicates))

const scales = ({ loss }: LossOptions): readonly number[] => {
  const weights = loss?.matryoshka?.weights ?? [1]
  return loss?.kind === 'both_directions' ? weights.map(weight => weight / 2) : weights
}

/** The arrays that a recorded loss asks for. Fails where the batch does not hold what the loss needs. */
export function lossInputs(batch: ContrastiveBatch, options: LossOptions): Record<string, HostArray> {
  const { targets, weights, labels, teacher } = batch
  const { loss } = options
  const arrays: Record<string, HostArray> = {}
  scales(options).forEach((scale, i) => {
    arrays[`weights.${i}`] = scale === 1 ? weights : weights.map(weight => weight * scale)
  })
  if (loss && needsTeacher(loss.kind)) {
    if (!teacher) throw new Error(`the loss ${loss.kind} needs a teacher's scores, and the batch has none`)
    arrays.teacher = teacher
  }
  if (onOwn(options)) {
    if (loss!.kind === 'infonce')
      arrays.targets = Int32Array.from({ length: targets.length }, (_, i) => (i % 3 === 2 ? loss!.perQuery : 0))
    return arrays
  }
  arrays.targets = targets
  if (options.maskDuplicates) {
    if (!labels) throw new Error('a batch whose duplicates are to be masked needs labels of its passages')
    arrays.labels = labels
  }
  if (loss?.kind !== 'both_directions') return arrays
  const queries = weights.length
  arrays['targets.back'] = Int32Array.from({ length: 3 * queries }, (_, i) => [Math.floor(i / 3), 0, queries][i % 3]!)
  if (options.maskDuplicates)
    arrays['labels.back'] = Int32Array.from({ length: queries }, (_, i) => labels![i * loss.perQuery]!)
  return arrays
}

/** Records the loss of q (Q, D) and p (P, D). `unit`: their rows have length 1, and so have those of their first columns to have. */
export function recordLoss(
  trace: Trace,
  q: Tensor,
  p: Tensor,
  options: LossOptions & { readonly unit: boolean; readonly tiles: number },
  loss: Tensor,
): void {
  const shared = declareInputs(trace, q, p, options)
  const dimensions = options.loss?.matryoshka?.dimensions ?? [columnsOf(q)]
  dimensions.forEach((dimension, i) => {
    const cut = (x: Tensor): Tensor => {
      if (dimension === columnsOf(x)) return x
      const prefix = firstColumns(trace, x, dimension, `${x.name}.${dimension}`)
      return options.unit ? l2Normalize(trace, prefix, `${x.name}.${dimension}.unit`) : prefix
    }
    const to: LossTarget = {
      weights: input(trace, `weights.${i}`, [q.shape[0]!], 'f32'),
      loss,
      accumulate: i === 0 ? 'addsToLoss' : 1,
    }
    const name = dimensions.length > 1 ? `scores.${dimension}` : 'scores'
    const losses = onOwn(options)
      ? recordOwn(trace, cut(q), cut(p), shared, options, to, name)
      : recordOverBatch(trace, cut(q), cut(p), shared, options, to, name)
    if (options.keepLosses && i === 0) output(trace, 'losses', losses)
  })
}

interface Shared {
  readonly targets?: Tensor // (Q, 3)
  readonly labels?: Tensor // (P)
  readonly back?: { readonly targets: Tensor; readonly labels?: Tensor } // (Q, 3), (Q)
  readonly teacher?: Tensor // (Q, perQuery)
}

function declareInputs(trace: Trace, q: Tensor, p: Tensor, options: LossOptions): Shared {
  const [queries, passages] = [q.shape[0]!, p.shape[0]!]
  const { loss, maskDuplicates: masked } = options
  const own = onOwn(options)
  return {
    ...((!own || loss!.kind === 'infonce') && { targets: input(trace, 'targets', [queries, 3]) }),
    ...(!own && masked && { labels: input(trace, 'labels', [passages]) }),
    ...(loss && needsTeacher(loss.kind) && { teacher: input(trace, 'teacher', [queries, loss.perQuery], 'f32') }),
    ...(loss?.kind === 'both_directions' && {
      back: {
        targets: input(trace, 'targets.back', [queries, 3]),
        ...(masked && { labels: input(trace, 'labels.back', [queries]) }),
      },
    }),
  }
}

function recordOwn(
  trace: Trace,
  q: Tensor,
  p: Tensor,
  shared: Shared,
  options: LossOptions,
  to: LossTarget,
  name: string,
): Tensor {
  const { perQuery } = options.loss!
  const scores = groupScores(trace, q, p, { perQuery, temperature: options.temperature, name })
  return recordOwnScores(trace, scores, shared, options.loss!, to)
}

/** The losses that look at scores (Q, perQuery) of queries and their own passages. */
export function recordOwnScores(
  trace: Trace,
  scores: Tensor,
  shared: Shared,
  settings: LossSettings,
  to: LossTarget,
): Tensor {
  const { kind, margin, teacherTemperature = 1 } = settings
  switch (kind) {
    case 'infonce':
      return crossEntropy(trace, scores, { targets: shared.targets!, weights: to.weights }, to.loss, to.accumulate)
    case 'pairwise_softmax':
      return pairwiseSoftmax(trace, scores, to)
    case 'triplet':
      if (margin === undefined) throw new Error('the triplet loss has no margin')
      return triplet(trace, scores, margin, to)
    case 'margin_mse':
      return marginMse(trace, scores, shared.teacher!, to)
    case 'kl':
      return klDivergence(trace, scores, shared.teacher!, teacherTemperature, to)
    case 'both_directions':
      throw new Error('the loss both_directions needs the passages of the whole batch')
    default:
      return kind satisfies never
  }
}

function recordOverBatch(
  trace: Trace,
  q: Tensor,
  p: Tensor,
  { targets, labels, back }: Shared,
  options: LossOptions & { readonly tiles: number },
  to: LossTarget,
  name: string,
): Tensor {
  const oneWay = (
    from: Tensor,
    over: Tensor,
    aim: { targets: Tensor; labels?: Tensor | undefined },
    side: string,
    sum: Param,
  ) => {
    const way = { targets: aim.targets, weights: to.weights, labels: aim.labels }
    const { temperature, tiles } = options
    if (tiles > 1) {
      const tiling = { tiles, width: `tile.${side}` }
      const how = { temperature, tiling, name: `${name}.${side}` }
      return tiledCrossEntropy(trace, from, over, way, how, to.loss, sum)
    }
    const scores = similarity(trace, from, over, temperature, `${name}.${side}`)
    if (way.labels) maskDuplicates(trace, scores, way.targets, way.labels)
    return crossEntropy(trace, scores, way, to.loss, sum)
  }
  const losses = oneWay(q, p, { targets: targets!, labels }, 'P', to.accumulate)
  if (!back) return losses
  const { perQuery } = options.loss!
  const positives = perQuery === 1 ? p : everyNthRow(trace, p, q.shape[0]!, perQuery, `${name}.positives`)
  oneWay(positives, q, back, 'Q', 1)
  return losses
}
