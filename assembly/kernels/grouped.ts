// Products that share a factor, see grouped-kernels.ts: one after the other, each over its part of a range of units. A unit is a row of all, or UNIT_COLUMNS
// columns where all have more columns, side by side, than rows.
import { gated_activation_forward } from './activation'
import { at } from './memory'
import { F32, halfAt } from './half'
import { blocks, part, UNIT_COLUMNS, widenedPart } from './matmul'

export function matmul_grouped(
  a: usize, b: usize, bias: usize, down: usize, up: usize, c0: usize, c1: usize, c2: usize,
  M: u32, K: u32, N0: u32, N1: u32, N2: u32, b0: u32, b1: u32, b2: u32, format: u32,
  hasBias: u32, bias0: u32, bias1: u32, bias2: u32,
  rank0: u32, rank1: u32, rank2: u32, up0: u32, up1: u32, up2: u32, factor0: f32, factor1: f32, factor2: f32,
  gated: u32, kind: u32, hasBeside: u32,
  begin: u32, end: u32,
): void {
  const all = gated ? N0 : N0 + N1 + N2
  const byRows = M >= all
  const row: u32 = byRows ? begin : 0
  const last = byRows ? end : M
  const first: u32 = byRows ? 0 : begin * UNIT_COLUMNS
  const behind = byRows ? all : min(all, end * UNIT_COLUMNS)
  const ranks = rank0 + rank1 + rank2
  // Up's sums lie where the gated result will be, unless they are kept.
  const v1 = gated && !hasBeside ? c2 : c1
  one(a, b, b0, bias, bias0, down, ranks, up, up0, rank0, factor0, c0, M, N0, K, format, hasBias, row, last, first, behind)
  const second: u32 = gated ? 0 : N0
  one(a, b, b1, bias, bias1, at(down, rank0), ranks, up, up1, rank1, factor1, v1, M, N1, K, format, hasBias, row, last, left(first, second), left(behind, second))
  if (!gated) {
    const third = N0 + N1
    one(a, b, b2, bias, bias2, at(down, rank0 + rank1), ranks, up, up2, rank2, factor2, c2, M, N2, K, format, hasBias, row, last, left(first, third), left(behind, third))
    return
  }
  if (byRows) {
    gated_activation_forward(c0, v1, c2, last * N0, kind, row * N0, last * N0)
    return
  }
  for (let m: u32 = 0; m < M && first < behind; m++)
    gated_activation_forward(c0, v1, c2, M * N0, kind, m * N0 + first, m * N0 + behind)
}

@inline
function left(column: u32, before: u32): u32 {
  return column > before ? column - before : 0
}

/** One product and its update; columns beyond N are no more than meant. */
function one(
  a: usize, b: usize, place: u32, bias: usize, biasPlace: u32, down: usize, ranks: u32, up: usize, upPlace: u32, rank: u32, factor: f32, c: usize,
  M: u32, N: u32, K: u32, format: u32, hasBias: u32, row: u32, last: u32, first: u32, behind: u32,
): void {
  const end = min(behind, N)
  if (first >= end || row >= last) return
  const added = hasBias ? at(bias, biasPlace) : 0
  multiply(a, b, place, added, c, M, N, K, 1, 0, format, hasBias, row, last, first, end)
  if (rank) blocks(down, ranks, at(up, upPlace), rank, 0, 0, c, N, rank, 0, 1, 1, 0, factor, F32, row, last, first, end)
}

function multiply(
  a: usize, b: usize, place: u32, bias: usize, c: usize, M: u32, N: u32, K: u32, transposeB: u32, accumulate: u32, format: u32, hasBias: u32,
  row: u32, last: u32, first: u32, end: u32,
): void {
  if (format == F32) part(a, at(b, place), bias, c, M, N, K, 0, transposeB, accumulate, hasBias, 1, row, last, first, end)
  else widenedPart(a, halfAt(b, place), 0, bias, c, M, N, K, 0, transposeB, accumulate, hasBias, 1, format, row, last, first, end)
}

export function matmul_grouped_sum(
  a0: usize, a1: usize, a2: usize, b: usize, c: usize,
  M: u32, N: u32, K0: u32, K1: u32, K2: u32, b0: u32, b1: u32, b2: u32, format: u32, accumulate: u32,
  begin: u32, end: u32,
): void {
  const byRows = M >= N
  const row: u32 = byRows ? begin : 0
  const last = byRows ? end : M
  const first: u32 = byRows ? 0 : begin * UNIT_COLUMNS
  const behind = byRows ? N : min(N, end * UNIT_COLUMNS)
  multiply(a0, b, b0, 0, c, M, N, K0, 0, accumulate, format, 0, row, last, first, behind)
  if (K1) multiply(a1, b, b1, 0, c, M, N, K1, 0, 1, format, 0, row, last, first, behind)
  if (K2) multiply(a2, b, b2, 0, c, M, N, K2, 0, 1, format, 0, row, last, first, behind)
}
