// Products of matrices of which every row of a, b and c is a whole number of vectors of four. Blocks of 4 × 4 elements are read as four vectors, turned in
// registers where they lie along k, and stored in workgroup memory with neighbours along m or n side by side; the next tile's are read while this
// one's are multiplied. With SPLITS > 1 several workgroups share the terms of one tile. Accumulates in f32.
// Header: TILE_M, TILE_N, TILE_K, THREAD_M, THREAD_N, multiples of 4; SPLITS; TileElement, f32 or f16: what factors are narrowed to.
// What is multiplied is for product.wgsl and product_vector.wgsl to say, or for a group of products. A kernel declares params,
// `vector_b(at)`, four neighbours of b as stored from element `at` on, and `store(m, n, part, sum)`.

const LANES_M = TILE_M / THREAD_M;
const LANES_N = TILE_N / THREAD_N;
const LANES = LANES_M * LANES_N;
const VECTORS_M = THREAD_M / 4u;
const VECTORS_N = THREAD_N / 4u;
const ROW_M = TILE_M / 4u;
const ROW_N = TILE_N / 4u;
// Blocks of a tile of a, of both, and of one invocation at most.
const BLOCKS_K = TILE_K / 4u;
const BLOCKS_A = ROW_M * BLOCKS_K;
const BLOCKS = BLOCKS_A + ROW_N * BLOCKS_K;
const OWN_BLOCKS = (BLOCKS + LANES - 1u) / LANES;

var<workgroup> a_tile: array<vec4<TileElement>, 2u * TILE_K * ROW_M>; // (2, TILE_K, TILE_M)
var<workgroup> b_tile: array<vec4<TileElement>, 2u * TILE_K * ROW_N>; // (2, TILE_K, TILE_N)

// The same bound, hidden from a compiler that would take seconds over the unrolled loop (params.M is never 0).
fn bound(count: u32) -> u32 {
  return select(count, count * min(params.M, 1u), ROLLED);
}

// Four vectors, for k, k + 1, k + 2 and k + 3, of four neighbours along m; zeros beyond the matrix and from term `end` on.
fn read_a(m: u32, k: u32, end: u32) -> mat4x4<f32> {
  var rows: mat4x4<f32>;
  if (turned_a()) {
    for (var i = 0u; i < 4u; i++) {
      if (k + i < end && m < params.M) {
        rows[i] = vector_a(k + i, m);
      }
    }
    return rows;
  }
  for (var i = 0u; i < 4u; i++) {
    if (m + i < params.M && k < end) {
      rows[i] = vector_a(m + i, k);
    }
  }
  return transpose(rows);
}

fn read_b(n: u32, k: u32, end: u32) -> mat4x4<f32> {
  var rows: mat4x4<f32>;
  if (!has_column(n)) {
    return rows;
  }
  if (!turned_b()) {
    for (var i = 0u; i < 4u; i++) {
      if (k + i < end) {
        rows[i] = vector_b(row_b(k + i) + n);
      }
    }
    return rows;
  }
  if (k < end) {
    // Of one matrix, all four
    let first = row_b(n) + k;
    for (var i = 0u; i < 4u; i++) {
      rows[i] = vector_b(first + i * stride_b());
    }
  }
  return transpose(rows);
}

// Where in its tile block `block` lies: (vector along m or n, k). Neighbouring invocations read neighbouring addresses in either storage order.
fn place(block: u32, row: u32, along_k: bool) -> vec2<u32> {
  if (along_k) {
    return vec2(block / BLOCKS_K, 4u * (block % BLOCKS_K));
  }
  return vec2(block % row, 4u * (block / row));
}

fn read_block(block: u32, first_m: u32, first_n: u32, first_k: u32, end: u32) -> mat4x4<f32> {
  if (block < BLOCKS_A) {
    let at = place(block, ROW_M, !turned_a());
    return read_a(first_m + 4u * at.x, first_k + at.y, end);
  }
  let at = place(block - BLOCKS_A, ROW_N, turned_b());
  return read_b(first_n + 4u * at.x, first_k + at.y, end);
}

fn store_block(block: u32, half: u32, values: mat4x4<f32>) {
  if (block < BLOCKS_A) {
    let at = place(block, ROW_M, !turned_a());
    for (var i = 0u; i < 4u; i++) {
      a_tile[(half * TILE_K + at.y + i) * ROW_M + at.x] = vec4<TileElement>(values[i]);
    }
    return;
  }
  let at = place(block - BLOCKS_A, ROW_N, turned_b());
  for (var i = 0u; i < 4u; i++) {
    b_tile[(half * TILE_K + at.y + i) * ROW_N + at.x] = vec4<TileElement>(values[i]);
  }
}

// Part index % SPLITS of tile index / SPLITS.
fn multiply(index: u32, local: u32) {
  let tiles_n = (columns() + TILE_N - 1u) / TILE_N;
  let tile = index / SPLITS;
  let part = index % SPLITS;
  let first_m = (tile / tiles_n) * TILE_M;
  let first_n = (tile % tiles_n) * TILE_N;
  if (first_m >= params.M) {
    return;
  }
  // Whole tiles of terms for each part.
  let span = (terms() + SPLITS * TILE_K - 1u) / (SPLITS * TILE_K) * TILE_K;
  let begin = min(part * span, terms());
  let end = min(begin + span, terms());
  let lane_m = local / LANES_N;
  let lane_n = local % LANES_N;

  var next: array<mat4x4<f32>, OWN_BLOCKS>;
  for (var i = 0u; i < bound(OWN_BLOCKS); i++) {
    let block = local + i * LANES;
    if (block < BLOCKS) {
      store_block(block, 0u, read_block(block, first_m, first_n, begin, end));
    }
  }
  workgroupBarrier();

  var sums: array<array<vec4<f32>, VECTORS_N>, THREAD_M>;
  var half = 0u;
  for (var first_k = begin; first_k < end; first_k += TILE_K) {
    for (var i = 0u; i < bound(OWN_BLOCKS); i++) {
      let block = local + i * LANES;
      if (block < BLOCKS) {
        next[i] = read_block(block, first_m, first_n, first_k + TILE_K, end);
      }
    }
    for (var k = 0u; k < bound(TILE_K); k++) {
      var right: array<vec4<f32>, VECTORS_N>;
      for (var j = 0u; j < VECTORS_N; j++) {
        right[j] = vec4<f32>(b_tile[(half * TILE_K + k) * ROW_N + lane_n + j * LANES_N]);
      }
      for (var i = 0u; i < VECTORS_M; i++) {
        let left = vec4<f32>(a_tile[(half * TILE_K + k) * ROW_M + lane_m + i * LANES_M]);
        for (var j = 0u; j < VECTORS_N; j++) {
          sums[4u * i][j] += left.x * right[j];
          sums[4u * i + 1u][j] += left.y * right[j];
          sums[4u * i + 2u][j] += left.z * right[j];
          sums[4u * i + 3u][j] += left.w * right[j];
        }
      }
    }
    half = 1u - half;
    for (var i = 0u; i < bound(OWN_BLOCKS); i++) {
      let block = local + i * LANES;
      if (block < BLOCKS) {
        store_block(block, half, next[i]);
      }
    }
    workgroupBarrier();
  }

  for (var i = 0u; i < bound(THREAD_M); i++) {
    for (var j = 0u; j < VECTORS_N; j++) {
      let m = first_m + 4u * (lane_m + (i / 4u) * LANES_M) + i % 4u;
      let n = first_n + 4u * (lane_n + j * LANES_N);
      store(m, n, part, sums[i][j]);
    }
  }
}
