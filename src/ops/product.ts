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

const finishTensors = ({ with0, with1, beside }: Finish) => ({ with0, with1, beside })
const finishParams = ({ epilogue, kind = 0, beside, rank = 0, factor = 0 }: Finish) => ({
  ...{ epilogue: EPILOGUES.indexOf(epilogue), kind, hasBeside: beside ? 1 : 0, rank, factor },
})

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
    const quantized: ParamArguments<'matmul_quantized', Param> = { ...params, bits }
    const all = { ...tensors, groups: b.groups! }
    const kernel = narrow ? 'matmul_f16_quantized' : 'matmul_quantized'
    if (!finish) call(trace, kernel, all, quantized)
    else {
      const finished = { ...quantized, ...finishParams(finish) }
      call(trace, `${kernel}_epilogue`, { ...all, ...finishTensors(finish) }, finished)
    }
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
  const [all, more] = [{ ...tensors, ...finishTensors(finish) }, finishParams(finish)]
  if (kernel === 'matmul') call(trace, 'matmul_epilogue', all, { ...params, ...more })
  else call(trace, `${kernel}_epilogue`, all, { ...half, ...more })
}
