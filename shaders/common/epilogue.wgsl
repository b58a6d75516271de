// What a product does with its tile of c, v = [c +] alpha · op(a) · op(b) [+ bias], once it is whole (EPILOGUES of the kernel table). The workgroup
// reads back what it has just written, coalesced and from the nearest cache: with the slopes of activations inside the unrolled stores a compiler
// would give up on keeping sums in registers.
// A kernel declares params, with0, with1, c and beside, in cells of scalar.wgsl or vector.wgsl.

const ACTIVATION = 0u; // c = act(v); beside = v
const GATE = 1u; // c = act(with0) · v; beside = v
const SLOPE = 2u; // c = v · act'(with0)
const GATED_SLOPE = 3u; // c = v · act(with0); beside = v · with1 · act'(with0)
const LOW_RANK = 4u; // c = v + factor · with0 · with1ᵀ
const RESIDUAL = 5u; // c = v + with0

fn finish_tile(tile: u32, local: u32) {
  // Written by other invocations of this workgroup
  storageBarrier();
  let tiles_n = (params.N + TILE_N - 1u) / TILE_N;
  let first_m = (tile / tiles_n) * TILE_M;
  let first_n = (tile % tiles_n) * TILE_N;
  let row = TILE_N / WIDTH;
  for (var e = local; e < TILE_M * row; e += LANES) {
    let m = first_m + e / row;
    let n = first_n + WIDTH * (e % row);
    if (m < params.M && n < params.N) {
      finish(m, n);
    }
  }
}

fn finish(m: u32, n: u32) {
  let at = (m * params.N + n) / WIDTH;
  let v = c[at];
  switch params.epilogue {
    case ACTIVATION, GATE: {
      if (params.has_beside == 1u) {
        beside[at] = v;
      }
      if (params.epilogue == GATE) {
        c[at] = activations(params.kind, with0[at]) * v;
      } else {
        c[at] = activations(params.kind, v);
      }
    }
    case SLOPE: {
      c[at] = v * activation_slopes(params.kind, with0[at]);
    }
    case GATED_SLOPE: {
      let gate = with0[at];
      beside[at] = v * with1[at] * activation_slopes(params.kind, gate);
      c[at] = v * activations(params.kind, gate);
    }
    case RESIDUAL: {
      c[at] = v + with0[at];
    }
    default: {
      c[at] = v + params.factor * low_rank(m, n);
    }
  }
}
