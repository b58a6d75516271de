// Rotary position embedding (Su et al. 2021), the rotate-half form: channels d and d + headSize/2 of a head turn by the angle of their position.
import type { Tensor } from '../tensor/tensor.js'
import type { Trace } from '../tensor/trace.js'

/**
 * x (T, n · headSize) turned by head; positions (T) i32 are rows of the frozen table (P, headSize), each [cos (headSize/2) | sin (headSize/2)].
 */
export function rope(
  _trace: Trace,
  _x: Tensor,
  _positions: Tensor,
  _table: Tensor,
  _headSize: number,
  name: string,
): Tensor {
  throw new Error(`rope ${name} is not there yet`)
}
