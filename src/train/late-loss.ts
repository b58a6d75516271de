// The loss of a step of late interaction: MaxSim of queries' and documents' token vectors, then the losses that look at scores. In a batch's token vectors
// the queries' come first; TQ and TP are how many tokens each side has.
import { crossEntropy, maskDuplicates } from '../ops/contrastive.js'
import { maxSim, ownersOf, scaleRows } from '../ops/maxsim.js'
import type { HostArray } from '../tensor/program.js'
import { plus, type Tensor, type Values } from '../tensor/tensor.js'
import { input, output, type Trace } from '../tensor/trace.js'
import type { ContrastiveBatch } from './contrastive.js'
import { type LossOptions, onOwn, recordOwnScores } from './contrastive-loss.js'

export interface LateSettings {
  /** dot: of vectors of length 1, their cosine; l2: −‖q − d‖², as ColBERT's authors trained it. */
  readonly similarity: 'dot' | 'l2'
  /** Tokens of documents that are not kept take part as zero vectors; default: they are in no maximum. */
  readonly zeroSkipped?: boolean
}

/** Tokens of each side. */
export const lateValues = ({ query, passage }: Pick<ContrastiveBatch, 'query' | 'passage'>): Values => ({
  TQ: query.ids.length,
  TP: passage.ids.length,
})

/** What MaxSim needs to know of a batch. */
export function lateInputs(
  { query, passage }: ContrastiveBatch,
  { zeroSkipped }: Pick<LateSettings, 'zeroSkipped'>,
): Record<string, HostArray> {
  const keep = passage.keep ?? new Uint8Array(passage.ids.length).fill(1)
  return {
    'late.query': query.offsets,
    'late.owners': ownersOf(query.offsets),
    'late.passage': passage.offsets,
    'late.keep': zeroSkipped ? Float32Array.from(keep) : Int32Array.from(keep),
  }
}

/** Records the loss of the token vectors q (TQ, D) and p (TP, D). */
export function recordLateLoss(
  trace: Trace,
  q: Tensor,
  p: Tensor,
  options: LossOptions & { readonly late: LateSettings },
  loss: Tensor,
): void {
  const { loss: settings, maskDuplicates: masked, temperature, late } = options
  if (settings?.kind === 'both_directions' || settings?.matryoshka)
    throw new Error('late interaction is trained by losses over its scores: neither both_directions nor Matryoshka')
  const own = onOwn(options)
  const vectors = late.zeroSkipped ? scaleRows(trace, p, input(trace, 'late.keep', ['TP'], 'f32'), 'late.masked') : p
  const scores = maxSim(
    trace,
    {
      ...{ vectors: q, texts: 'Q', tokens: 'TQ' },
      offsets: input(trace, 'late.query', [plus('Q', 1)]),
      owners: input(trace, 'late.owners', ['TQ']),
    },
    { vectors, texts: 'P', tokens: 'TP', offsets: input(trace, 'late.passage', [plus('P', 1)]) },
    {
      ...{ similarity: late.similarity, temperature, name: 'scores' },
      ...(own && { perQuery: settings!.perQuery }),
      ...(!late.zeroSkipped && { keep: input(trace, 'late.keep', ['TP']) }),
    },
  )
  const to = { weights: input(trace, 'weights.0', ['Q'], 'f32'), loss, accumulate: 'addsToLoss' }
  const teacher = settings?.kind === 'kl' || settings?.kind === 'margin_mse'
  const shared = {
    ...((!own || settings!.kind === 'infonce') && { targets: input(trace, 'targets', ['Q', 3]) }),
    ...(!own && masked && { labels: input(trace, 'labels', ['P']) }),
    ...(teacher && { teacher: input(trace, 'teacher', ['Q', settings.perQuery], 'f32') }),
  }
  if (own) {
    keep(trace, recordOwnScores(trace, scores, shared, settings!, to), options)
    return
  }
  if (shared.labels) maskDuplicates(trace, scores, shared.targets!, shared.labels)
  const way = { targets: shared.targets!, weights: to.weights, labels: shared.labels }
  keep(trace, crossEntropy(trace, scores, way, loss, to.accumulate), options)
}

function keep(trace: Trace, losses: Tensor, { keepLosses }: LossOptions): void {
  if (keepLosses) output(trace, 'losses', losses)
}
