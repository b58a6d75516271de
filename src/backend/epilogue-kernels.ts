// The rows of the kernel table for products that do more with what they have summed, v = [c +] alpha · op(a) · op(b) [+ bias], before it leaves:
// activation    c = act(v); beside = v where hasBeside
// gate          c = act(with0) · v; beside = v where hasBeside (Shazeer 2020)
// slope         c = v · act′(with0)
// gated_slope   c = v · act(with0); beside = v · with1 · act′(with0)
// low_rank      c = v + factor · with0 · with1ᵀ, with0 (M, rank), with1 (N, rank) (LoRA, Hu et al. 2021)
// residual      c = v + with0
// with0, with1 and beside are (M, N) else; kind is from ACTIVATIONS. The conventions are those of kernels.ts.
import {
  at,
  f32,
  type KernelSpec,
  MATMUL_COLUMNS,
  optional,
  type Params,
  read,
  spec,
  u32,
  update,
} from './kernel-spec.js'

/** By their number in a kernel's `epilogue`. */
export const EPILOGUES = ['activation', 'gate', 'slope', 'gated_slope', 'low_rank', 'residual'] as const
export type Epilogue = (typeof EPILOGUES)[number]
export const LOW_RANK_EPILOGUE = EPILOGUES.indexOf('low_rank')

const words = spec('read', 'u32')
const rest = {
  ...{ bias: optional.read, with0: optional.read, with1: optional.read },
  ...{ c: update, beside: optional.write },
}
const form = { M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32 }
const epilogue = { epilogue: u32, kind: u32, hasBeside: u32, rank: u32, factor: f32 }
const units = (p: Params) => (at(p, 'M') < at(p, 'N') ? Math.ceil(at(p, 'N') / MATMUL_COLUMNS) : at(p, 'M'))
const flops = (p: Params) =>
  2 * at(p, 'M') * at(p, 'N') * (at(p, 'K') + (p.epilogue === LOW_RANK_EPILOGUE ? at(p, 'rank') : 0))

export const epilogueKernels = {
  matmul_epilogue: { tensors: { a: read, b: read, ...rest }, params: { ...form, ...epilogue }, units, flops },
  matmul_half_epilogue: {
    tensors: { a: read, b: words, ...rest },
    params: { ...form, format: u32, ...epilogue },
    units,
    flops,
  },
  matmul_quantized_epilogue: {
    tensors: { a: read, b: words, groups: words, ...rest },
    params: { ...form, bits: u32, ...epilogue },
    units,
    flops,
  },
  matmul_f16_epilogue: {
    tensors: { a: read, b: words, ...rest },
    params: { ...form, format: u32, ...epilogue },
    units: (p: Params) => at(p, 'M'),
    flops,
    needs: 'shader-f16',
  },
  matmul_f16_quantized_epilogue: {
    tensors: { a: read, b: words, groups: words, ...rest },
    params: { ...form, bits: u32, ...epilogue },
    units: (p: Params) => at(p, 'M'),
    flops,
    needs: 'shader-f16',
  },
} as const satisfies Record<string, KernelSpec>
