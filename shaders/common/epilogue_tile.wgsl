// The epilogue of a tile of c, see epilogue.wgsl. The workgroup reads back what it has just written, coalesced and from the nearest cache: with the slopes
// of activations inside the unrolled stores a compiler would give up on keeping sums in registers.

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
