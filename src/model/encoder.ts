// A text encoder: a transformer, pooling over its tokens, and L2 normalisation where the model has it. Weights and adapter are arguments of
// the forward pass, so that two encoders can share a frozen base.
import { l2Normalize, pool } from '../ops/pooling.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Trace } from '../tensor/trace.js'
import type { BatchTensors } from './batch.js'
import { type AdapterTensors, bertForward, type DropoutRates, noDropout, type Weights } from './bert.js'
import type { ModelConfig } from './config.js'

export interface Encoder {
  readonly config: ModelConfig
  readonly weights: Weights
  readonly adapter?: AdapterTensors
  readonly pooling: 'mean' | 'cls'
  readonly normalize: boolean
}

/** → text vectors (B, C) */
export function encode(trace: Trace, encoder: Encoder, batch: BatchTensors, rates: DropoutRates = noDropout): Tensor {
  const { config, weights, adapter, pooling } = encoder
  const hidden = bertForward(trace, weights, adapter, batch, config, rates)
  const pooled = pool(trace, hidden, batch.offsets, batch.sequences, pooling, `${batch.prefix}pooled`)
  return encoder.normalize ? l2Normalize(trace, pooled, `${batch.prefix}normalized`) : pooled
}

/** The rates that an encoder is trained with: the model's own, or `override` for hidden states and attention. */
export const trainingRates = (encoder: Encoder, override?: number, site = 0): DropoutRates => ({
  hidden: override ?? encoder.config.hiddenDropout,
  attention: override ?? encoder.config.attentionDropout,
  adapter: encoder.adapter?.dropout ?? 0,
  site,
})
