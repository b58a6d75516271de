// Products of layers: which kernel takes a factor b of 32, 16 or fewer bits, with what is made of the product at once (an epilogue) or without.
import { EPILOGUES, type Epilogue } from '../backend/epilogue-kernels.js'
import { FLOAT_FORMAT, type ParamArguments, type TensorArguments } from '../backend/kernels.js'
import { halfFormat, quantizedBits, type Tensor } from '../tensor/tensor.js'
import { call, type Param, type Trace } from '../tensor/trace.js'

export const plainProduct = { transposeA: 0, transposeB: 0, accumulate: 0, hasBias: 0, alpha: 1 }

/** An epilogue with its tensors, see epilogue-kernels.ts. */
export interface Finish {
  readonly epilogue: Epilogue
  /** Number of an activation. */
  readonly kind?: number
  readonly with0?: Tensor
  readonly with1?: Tensor
  readonly beside?: Tensor | undefined
  readonly rank?: number
  readonly factor?: number
}

/** Whether products with this factor b can have an epilogue. */
export const canFinish = (b: Tensor): boolean => quantizedBits(b) === undefined && !b.scales

/** c = [c +] alpha · op(a) · op(b) [+ bias], b perhaps held in 16 bits or fewer; with `finish`, what is made of it. `narrow`: both factors to f16. */
export function multiply(
  trace: Trace,
  tensors: TensorArguments<'matmul', Tensor>,
  params: ParamArguments<'matmul', Param>,
  {
    finish,
    narrow = tensors.b.narrow,
  }: { readonly finish?: Finish | undefined; readonly narrow?: true | undefined } = {},
): void {
  const { b } = tensors
  const bits = quantizedBits(b)
  if (bits) {
    if (finish) throw new Error(`${b.name}: products of weights in ${bits} bits have no ${finish.epilogue}`)
    const quantized: ParamArguments<'matmul_quantized', Param> = { ...params, bits }
    call(trace, 'matmul_quantized', { ...tensors, groups: b.groups! }, quantized)
    return
  }
  const held = halfFormat(b)
  if (held !== undefined && b.needsGradient)
    throw new Error(`${b.name} is trained, but held in ${b.dtype}; load it in f32`)
  const half: ParamArguments<'matmul_half', Param> = { ...params, format: held ?? FLOAT_FORMAT }
  const kernel = narrow ? 'matmul_f16' : held === undefined ? 'matmul' : 'matmul_half'
  if (!finish) {
    if (kernel === 'matmul') call(trace, kernel, tensors, params)
    else call(trace, kernel, tensors, half)
    return
  }
  const { epilogue, kind = 0, with0, with1, beside, rank = 0, factor = 0 } = finish
  const all = { ...tensors, with0, with1, beside }
  const more = { epilogue: EPILOGUES.indexOf(epilogue), kind, hasBeside: beside ? 1 : 0, rank, factor }
  if (kernel === 'matmul') call(trace, 'matmul_epilogue', all, { ...params, ...more })
  else call(trace, `${kernel}_epilogue`, all, { ...half, ...more })
}
