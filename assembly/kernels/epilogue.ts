// Products that do more with what they have summed, see epilogue-kernels.ts: the product of a range of units, then what is made of it, in place.
import {
  activation_backward, activation_forward, gated_activation_backward, gated_activation_forward,
} from './activation'
import { at, bytes } from './memory'
import { matmul, matmul_half, matmul_quantized, UNIT_COLUMNS } from './matmul'

/** EPILOGUES of the kernel table; else it is gate or residual. */
const ACTIVATION: u32 = 0
const SLOPE: u32 = 2
const GATED_SLOPE: u32 = 3
const LOW_RANK: u32 = 4

export function matmul_epilogue(
  a: usize, b: usize, bias: usize, with0: usize, with1: usize, c: usize, beside: usize,
  M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32,
  epilogue: u32, kind: u32, hasBeside: u32, rank: u32, factor: f32,
  begin: u32, end: u32,
): void {
  const v = placeOf(c, beside, accumulate, hasBeside, epilogue)
  matmul(a, b, bias, v, M, N, K, transposeA, transposeB, accumulate, hasBias, alpha, begin, end)
  finish(v, with0, with1, c, hasBeside, M, N, epilogue, kind, rank, factor, beside, begin, end)
}

export function matmul_half_epilogue(
  a: usize, b: usize, bias: usize, with0: usize, with1: usize, c: usize, beside: usize,
  M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32, format: u32,
  epilogue: u32, kind: u32, hasBeside: u32, rank: u32, factor: f32,
  begin: u32, end: u32,
): void {
  const v = placeOf(c, beside, accumulate, hasBeside, epilogue)
  matmul_half(a, b, bias, v, M, N, K, transposeA, transposeB, accumulate, hasBias, alpha, format, begin, end)
  finish(v, with0, with1, c, hasBeside, M, N, epilogue, kind, rank, factor, beside, begin, end)
}

export function matmul_quantized_epilogue(
  a: usize, b: usize, groups: usize, bias: usize, with0: usize, with1: usize, c: usize, beside: usize,
  M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32, bits: u32,
  epilogue: u32, kind: u32, hasBeside: u32, rank: u32, factor: f32,
  begin: u32, end: u32,
): void {
  const v = placeOf(c, beside, accumulate, hasBeside, epilogue)
  matmul_quantized(a, b, groups, bias, v, M, N, K, transposeA, transposeB, accumulate, hasBias, alpha, bits, begin, end)
  finish(v, with0, with1, c, hasBeside, M, N, epilogue, kind, rank, factor, beside, begin, end)
}

/** Where the sums go first: where they are kept, unless they are added to what c holds. */
@inline
function placeOf(c: usize, beside: usize, accumulate: u32, hasBeside: u32, epilogue: u32): usize {
  return hasBeside && !accumulate && epilogue < SLOPE ? beside : c
}

/** `v` is c or beside. */
function finish(
  v: usize, with0: usize, with1: usize, c: usize, hasBeside: u32, M: u32, N: u32,
  epilogue: u32, kind: u32, rank: u32, factor: f32, beside: usize, begin: u32, end: u32,
): void {
  if (epilogue == LOW_RANK) {
    matmul(with0, with1, 0, c, M, N, rank, 0, 1, 1, 0, factor, begin, end)
    return
  }
  // Whole rows are one piece.
  if (M >= N) {
    finishElements(v, with0, with1, c, hasBeside, epilogue, kind, beside, begin * N, end * N)
    return
  }
  const first = begin * UNIT_COLUMNS
  const last = min(N, end * UNIT_COLUMNS)
  if (first >= last) return
  for (let m: u32 = 0; m < M; m++) {
    finishElements(v, with0, with1, c, hasBeside, epilogue, kind, beside, m * N + first, m * N + last)
  }
}

function finishElements(
  v: usize, with0: usize, with1: usize, c: usize, hasBeside: u32, epilogue: u32, kind: u32, beside: usize, begin: u32, end: u32,
): void {
  if (epilogue == SLOPE) {
    activation_backward(with0, c, c, end, kind, begin, end)
    return
  }
  if (epilogue > LOW_RANK) {
    addResidual(with0, c, begin, end)
    return
  }
  if (epilogue == GATED_SLOPE) {
    gated_activation_backward(with0, with1, c, beside, c, end, kind, begin, end)
    return
  }
  if (hasBeside && v == c) memory.copy(at(beside, begin), at(c, begin), bytes(end - begin))
  if (epilogue == ACTIVATION) activation_forward(v, c, end, kind, begin, end)
  else gated_activation_forward(with0, v, c, end, kind, begin, end)
}

function addResidual(x: usize, c: usize, begin: u32, end: u32): void {
  let i = begin
  for (; i + 4 <= end; i += 4) v128.store(at(c, i), f32x4.add(v128.load(at(c, i)), v128.load(at(x, i))))
  for (; i < end; i++) store<f32>(at(c, i), load<f32>(at(c, i)) + load<f32>(at(x, i)))
}
