// Dropout as an operation's setting: a rate, and the site that keys its masks. Masks are recomputed in the backward pass, never stored.
import { dropoutParams } from '../backend/random.js'
import { columnsOf, sizeOf, type Tensor } from '../tensor/tensor.js'
import { call, onBackward, type Param, shareGradient, type Trace, temporary } from '../tensor/trace.js'

export interface Dropout {
  /** In [0, 1). */
  readonly rate: number
  /** Which dropout of which layer: no two share a mask. */
  readonly site: number
  /** (T) u32: each token's row in the batch and position, see tokenKey. */
  readonly keys: Tensor
}

/** The kernel parameters of a dropout; the run's values must hold `seed` and `step`. */
export function maskParams(dropout: Dropout | undefined): Record<'threshold' | 'scale' | 'key0' | 'key1', Param> {
  if (!dropout) return { threshold: 0, scale: 1, key0: 0, key1: 0 }
  const { rate, site } = dropout
  const of =
    (name: 'key0' | 'key1'): Param =>
    values =>
      dropoutParams(rate, sizeOf('seed', values), sizeOf('step', values), site)[name]
  const { threshold, scale } = dropoutParams(rate, 0, 0, site)
  return { threshold, scale, key0: of('key0'), key1: of('key1') }
}

/** Records y = x · mask / (1 − rate), without a backward closure. */
export function applyMask(trace: Trace, x: Tensor, dropout: Dropout): Tensor {
  const y = temporary(`${x.name}.dropped`, x.shape, [x])
  const params = { rows: x.shape[0]!, columns: columnsOf(x), ...maskParams(dropout) }
  call(trace, 'dropout', { x, keys: dropout.keys, y }, params)
  return y
}

/** y = x · mask / (1 − rate); x itself where there is no dropout. */
export function drop(trace: Trace, x: Tensor, dropout: Dropout | undefined): Tensor {
  if (!dropout) return x
  const y = applyMask(trace, x, dropout)
  onBackward(trace, y, dy => shareGradient(trace, x, applyMask(trace, dy, dropout)))
  return y
}
