// Rotary position embedding (Su et al. 2021), the rotate-half form: channels d and d + headSize/2 of a head turn by the angle of their position.
import { columnsOf, expectShape, type Tensor } from '../tensor/tensor.js'
import { call, onBackward, shareGradient, type Trace, temporary } from '../tensor/trace.js'

/**
 * x (T, n · headSize) turned by head; positions (T) i32 are rows of the frozen table (P, headSize), each [cos (headSize/2) | sin (headSize/2)].
 */
export function rope(
  trace: Trace,
  x: Tensor,
  positions: Tensor,
  table: Tensor,
  headSize: number,
  name: string,
): Tensor {
  const [rows, columns] = [x.shape[0]!, columnsOf(x)]
  if (headSize % 2 !== 0 || columns % headSize !== 0)
    throw new Error(`rope ${name}: ${columns} columns, expected heads of an even size, found ${headSize}`)
  expectShape(table, [undefined, headSize], `rope ${name}`)
  expectShape(positions, [rows], `rope ${name}`)
  const params = { rows, columns, headSize }
  const y = temporary(name, x.shape, [x])
  call(trace, 'rope', { x, positions, table, y }, { ...params, direction: 1 })
  onBackward(trace, y, dy => {
    const dx = temporary(`d${x.name}`, x.shape)
    call(trace, 'rope', { x: dy, positions, table, y: dx }, { ...params, direction: -1 })
    shareGradient(trace, x, dx)
  })
  return y
}
