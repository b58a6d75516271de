// Products with an epilogue: the product, then what is made of it.
import { EPILOGUES, type Epilogue } from '../../src/backend/epilogue-kernels.js'
import { ACTIVATIONS } from '../../src/backend/layer-kernels.js'
import { activations, slopes } from './activations.js'
import { matmul, matmul_f16, matmul_half, matmul_quantized } from './rows.js'
import type { Reference } from './types.js'

type Finish = Parameters<Reference<'matmul_epilogue'>>

function finish(
  { with0, with1, c, beside }: Omit<Finish[0], 'a' | 'b' | 'bias'>,
  { M, N, epilogue, kind, hasBeside, rank, factor }: Finish[1],
): void {
  const [act, slope] = [activations[ACTIVATIONS[kind]!], slopes[ACTIVATIONS[kind]!]]
  const made: Record<Epilogue, (v: number, i: number) => number> = {
    activation: v => act(v),
    gate: (v, i) => act(with0![i]!) * v,
    slope: (v, i) => v * slope(with0![i]!),
    gated_slope: (v, i) => v * act(with0![i]!),
    low_rank: (v, i) => {
      let sum = 0
      for (let r = 0; r < rank; r++) sum += with0![Math.floor(i / N) * rank + r]! * with1![(i % N) * rank + r]!
      return v + factor * sum
    },
    residual: (v, i) => v + with0![i]!,
  }
  const name = EPILOGUES[epilogue]!
  for (let i = 0; i < M * N; i++) {
    const v = c[i]!
    if (name === 'gated_slope') beside![i] = v * with1![i]! * slope(with0![i]!)
    else if (hasBeside && (name === 'activation' || name === 'gate')) beside![i] = v
    c[i] = made[name](v, i)
  }
}

export const matmul_epilogue: Reference<'matmul_epilogue'> = (tensors, p) => {
  matmul(tensors, p)
  finish(tensors, p)
}

export const matmul_half_epilogue: Reference<'matmul_half_epilogue'> = (tensors, p) => {
  matmul_half(tensors, p)
  finish(tensors, p)
}

export const matmul_quantized_epilogue: Reference<'matmul_quantized_epilogue'> = (tensors, p) => {
  matmul_quantized(tensors, p)
  finish(tensors, p)
}

export const matmul_f16_epilogue: Reference<'matmul_f16_epilogue'> = (tensors, p) => {
  matmul_f16(tensors, p)
  finish(tensors, p)
}

export const matmul_f16_quantized_epilogue: Reference<'matmul_f16_quantized_epilogue'> = (tensors, p) =>
  matmul_quantized_epilogue(tensors, p)
