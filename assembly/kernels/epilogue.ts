// Products that do more with what they have summed, see epilogue-kernels.ts: the product of a range of units, then what is made of it, in place.
import {
  activation_backward, activation_forward, gated_activation_backward, gated_activation_forward,
} from './activation'
import { at, bytes } from './memory'
import { matmul, matmul_half, UNIT_COLUMNS } from './matmul'

/** EPILOGUES of the kernel table; else it is low_rank. */
const ACTIVATION: u32 = 0
const SLOPE: u32 = 2
const GATED_SLOPE: u32 = 3

export function matmul_epilogue(
  a: usize, b: usize, bias: usize, with0: usize, with1: usize, c: usize, beside: usize,
  M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32,
  epilogue: u32, kind: u32, hasBeside: u32, rank: u32, factor: f32,
  begin: u32, end: u32,
): void {
  matmul(a, b, bias, c, M, N, K, transposeA, transposeB, accumulate, hasBias, alpha, begin, end)
  finish(with0, with1, c, hasBeside ? beside : 0, M, N, epilogue, kind, rank, factor, beside, begin, end)
}

export function matmul_half_epilogue(
  a: usize, b: usize, bias: usize, with0: usize, with1: usize, c: usize, beside: usize,
  M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32, format: u32,
  epilogue: u32, kind: u32, hasBeside: u32, rank: u32, factor: f32,
  begin: u32, end: u32,
): void {
  matmul_half(a, b, bias, c, M, N, K, transposeA, transposeB, accumulate, hasBias, alpha, format, begin, end)
  finish(with0, with1, c, hasBeside ? beside : 0, M, N, epilogue, kind, rank, factor, beside, begin, end)
}

/** `kept`: where v is kept, 0: nowhere. */
function finish(
  with0: usize, with1: usize, c: usize, kept: usize, M: u32, N: u32,
  epilogue: u32, kind: u32, rank: u32, factor: f32, beside: usize, begin: u32, end: u32,
): void {
  if (epilogue > GATED_SLOPE) {
    matmul(with0, with1, 0, c, M, N, rank, 0, 1, 1, 0, factor, begin, end)
    return
  }
  // Whole rows are one piece.
  if (M >= N) {
    finishElements(with0, with1, c, kept, epilogue, kind, beside, begin * N, end * N)
    return
  }
  const first = begin * UNIT_COLUMNS
  const last = min(N, end * UNIT_COLUMNS)
  if (first >= last) return
  for (let m: u32 = 0; m < M; m++) finishElements(with0, with1, c, kept, epilogue, kind, beside, m * N + first, m * N + last)
}

function finishElements(
  with0: usize, with1: usize, c: usize, kept: usize, epilogue: u32, kind: u32, beside: usize, begin: u32, end: u32,
): void {
  if (epilogue == SLOPE) {
    activation_backward(with0, c, c, end, kind, begin, end)
    return
  }
  if (epilogue == GATED_SLOPE) {
    gated_activation_backward(with0, with1, c, beside, c, end, kind, begin, end)
    return
  }
  if (kept) memory.copy(at(kept, begin), at(c, begin), bytes(end - begin))
  if (epilogue == ACTIVATION) activation_forward(c, c, end, kind, begin, end)
  else gated_activation_forward(with0, c, c, end, kind, begin, end)
}
