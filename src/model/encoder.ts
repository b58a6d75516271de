// A text encoder: a transformer, pooling over its tokens, Dense modules where the model has them, and L2 normalisation. Weights and adapter are
// arguments of the forward pass, so that two encoders can share a frozen base.
import { activate } from '../ops/activation.js'
import { firstColumns, joinColumns } from '../ops/columns.js'
import { linear } from '../ops/linear.js'
import { l2Normalize, type Pooling, pool } from '../ops/pooling.js'
import type { Tensor } from '../tensor/tensor.js'
import { input, type Trace } from '../tensor/trace.js'
import type { BatchModel, BatchTensors } from './batch.js'
import type { DropoutSite } from './config.js'
import type { DenseLayer } from './dense.js'
import { type PoolingMode, vectorWidth } from './sentence-transformers.js'
import { type DropoutRates, noDropout, type Transformer, transformerForward } from './transformer.js'

export interface Encoder extends Transformer, BatchModel {
  /** One mode, or several whose vectors are concatenated in this order. */
  readonly pooling: readonly PoolingMode[]
  /** False: the batch's `starts` say where in each sequence the pooling begins. */
  readonly includePrompt: boolean
  /** Their weights are `dense.0.weight` and so on. */
  readonly dense: readonly DenseLayer[]
  /** Columns that are kept of a vector (Matryoshka, Kusupati et al. 2022, arXiv:2205.13147), before it is normalised; absent: all. */
  readonly dimensions?: number
  readonly normalize: boolean
}

/** Columns of a text vector. */
export const encoderWidth = ({ config, pooling, dense, dimensions }: Encoder): number =>
  dimensions ?? vectorWidth({ pooling, dense }, config.hidden)

const poolingOf = (mode: PoolingMode): Pooling => (mode === 'mean_sqrt_len_tokens' ? 'mean_sqrt_len' : mode)

/** Whether it makes one vector a token, as late interaction scores them. */
export const isPerToken = ({ pooling }: Pick<Encoder, 'pooling'>): boolean => pooling.length === 0

/** → text vectors (B, encoderWidth) */
export function encode(trace: Trace, encoder: Encoder, batch: BatchTensors, rates: DropoutRates = noDropout): Tensor {
  const { dimensions } = encoder
  if (isPerToken(encoder))
    throw new Error('this is a late-interaction model: it makes one vector a token, not one a text')
  const hidden = transformerForward(trace, encoder, batch, rates)
  const transformed = applyDense(trace, encoder, poolTokens(trace, encoder, hidden, batch), batch.prefix)
  const kept = dimensions ? firstColumns(trace, transformed, dimensions, `${batch.prefix}kept`) : transformed
  return encoder.normalize ? l2Normalize(trace, kept, `${batch.prefix}normalized`) : kept
}

/** hidden (T, C) → (B, C · modes) */
function poolTokens(trace: Trace, { pooling, includePrompt }: Encoder, hidden: Tensor, batch: BatchTensors): Tensor {
  const { prefix, offsets, sequences } = batch
  const starts = includePrompt ? undefined : input(trace, `${prefix}starts`, [sequences])
  const pooled = pooling.map((mode, i) =>
    pool(trace, hidden, offsets, sequences, poolingOf(mode), `${prefix}pooled${i === 0 ? '' : i}`, starts),
  )
  return pooled.length === 1 ? pooled[0]! : joinColumns(trace, pooled, `${prefix}joined`)
}

/** → every token's vector (T, columns of the last Dense module), for late interaction */
export function encodeTokenVectors(
  trace: Trace,
  encoder: Encoder,
  batch: BatchTensors,
  rates: DropoutRates = noDropout,
): Tensor {
  const projected = applyDense(trace, encoder, transformerForward(trace, encoder, batch, rates), batch.prefix)
  return encoder.normalize ? l2Normalize(trace, projected, `${batch.prefix}normalized`) : projected
}

function applyDense(trace: Trace, { dense, weights }: Encoder, pooled: Tensor, prefix: string): Tensor {
  return dense.reduce((x, { bias, activation, normalizeFirst }, i) => {
    const name = `dense.${i}`
    const from = normalizeFirst ? l2Normalize(trace, x, `${prefix}${name}.input`) : x
    const pair = { weight: weights(`${name}.weight`), ...(bias && { bias: weights(`${name}.bias`) }) }
    const y = linear(trace, from, pair, undefined, `${prefix}${name}`)
    return activation === 'identity' ? y : activate(trace, y, activation, `${prefix}${name}.activation`)
  }, pooled)
}

/** The rates that an encoder is trained with: the model's own, or `override` for all the dropouts that its family has. */
export function trainingRates({ config, adapter }: Encoder, override?: number, first = 0): DropoutRates {
  const sites = Object.keys(config.dropout) as DropoutSite[]
  const own = Object.fromEntries(sites.map(site => [site, override ?? config.dropout[site] ?? 0]))
  return { ...noDropout, ...own, adapter: adapter?.dropout ?? 0, first }
}
