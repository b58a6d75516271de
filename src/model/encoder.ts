// A text encoder: a transformer, pooling over its tokens, and L2 normalisation where the model has it. Weights and adapter are arguments of
// the forward pass, so that two encoders can share a frozen base.
import { l2Normalize, pool } from '../ops/pooling.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Trace } from '../tensor/trace.js'
import type { BatchModel, BatchTensors } from './batch.js'
import type { DropoutSite } from './config.js'
import { type DropoutRates, noDropout, type Transformer, transformerForward } from './transformer.js'

export interface Encoder extends Transformer, BatchModel {
  readonly pooling: 'mean' | 'cls'
  readonly normalize: boolean
}

/** → text vectors (B, C) */
export function encode(trace: Trace, encoder: Encoder, batch: BatchTensors, rates: DropoutRates = noDropout): Tensor {
  const hidden = transformerForward(trace, encoder, batch, rates)
  const pooled = pool(trace, hidden, batch.offsets, batch.sequences, encoder.pooling, `${batch.prefix}pooled`)
  return encoder.normalize ? l2Normalize(trace, pooled, `${batch.prefix}normalized`) : pooled
}

/** The rates that an encoder is trained with: the model's own, or `override` for all the dropouts that its family has. */
export function trainingRates({ config, adapter }: Encoder, override?: number, first = 0): DropoutRates {
  const sites = Object.keys(config.dropout) as DropoutSite[]
  const own = Object.fromEntries(sites.map(site => [site, override ?? config.dropout[site] ?? 0]))
  return { ...noDropout, ...own, adapter: adapter?.dropout ?? 0, first }
}
