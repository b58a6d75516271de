// Products of matrices. A workgroup computes a TILE_M × TILE_N tile of c, TILE_K columns of op(a) at a time
// through workgroup memory; an invocation computes THREAD_M × THREAD_N elements of it, in blocks of 4 × 4. Accumulates
// in f32. Header: TILE_M, TILE_N, TILE_K, THREAD_M, THREAD_N, all multiples of 4; TileElement, f32 or f16: what factors are narrowed to.
// What is multiplied, and where it goes, is for product.wgsl and product_scalar.wgsl to say, or for a group of products: turned_a, turned_b, columns,
// terms, has_column, row_b, element_a, store. A kernel declares params and `element_b(at)`.

const LANES_M = TILE_M / THREAD_M;
const LANES_N = TILE_N / THREAD_N;
const LANES = LANES_M * LANES_N;
const VECTORS_M = THREAD_M / 4u;
const VECTORS_N = THREAD_N / 4u;
// In vectors of four neighbours along m and n. One vector of padding keeps the stores of a column off one memory bank.
const STRIDE_M = TILE_M / 4u + 1u;
const STRIDE_N = TILE_N / 4u + 1u;

var<workgroup> a_tile: array<vec4<TileElement>, TILE_K * STRIDE_M>; // (TILE_K, TILE_M)
var<workgroup> b_tile: array<vec4<TileElement>, TILE_K * STRIDE_N>; // (TILE_K, TILE_N)

// The same bound, hidden from a compiler that would take seconds over the unrolled loop (params.M is never 0).
fn bound(count: u32) -> u32 {
  return select(count, count * min(params.M, 1u), ROLLED);
}

// Whole vectors are stored: writing one component may touch its neighbours. Neighbouring invocations read neighbouring
// addresses in either storage order.
fn load_a(first_m: u32, first_k: u32, local: u32) {
  for (var e = local; e < bound(TILE_M / 4u * TILE_K); e += LANES) {
    var vector = e / TILE_K;
    var k = e % TILE_K;
    if (turned_a()) {
      vector = e % (TILE_M / 4u);
      k = e / (TILE_M / 4u);
    }
    var values = vec4(0.0);
    if (first_k + k < terms()) {
      let m = first_m + 4u * vector;
      for (var i = 0u; i < 4u; i++) {
        if (m + i < params.M) {
          values[i] = element_a(m + i, first_k + k);
        }
      }
    }
    a_tile[k * STRIDE_M + vector] = vec4<TileElement>(values);
  }
}

fn load_b(first_n: u32, first_k: u32, local: u32) {
  for (var e = local; e < bound(TILE_N / 4u * TILE_K); e += LANES) {
    var vector = e % (TILE_N / 4u);
    var k = e / (TILE_N / 4u);
    if (turned_b()) {
      vector = e / TILE_K;
      k = e % TILE_K;
    }
    var values = vec4(0.0);
    if (first_k + k < terms()) {
      let n = first_n + 4u * vector;
      for (var j = 0u; j < 4u; j++) {
        if (has_column(n + j)) {
          values[j] = element_b(place_b(n + j, first_k + k));
        }
      }
    }
    b_tile[k * STRIDE_N + vector] = vec4<TileElement>(values);
  }
}

// Of an element of op(b) in its buffer.
fn place_b(n: u32, k: u32) -> u32 {
  if (turned_b()) {
    return row_b(n) + k;
  }
  return row_b(k) + n;
}

fn multiply(tile: u32, local: u32) {
  let tiles_n = (columns() + TILE_N - 1u) / TILE_N;
  let first_m = (tile / tiles_n) * TILE_M;
  let first_n = (tile % tiles_n) * TILE_N;
  if (first_m >= params.M) {
    return;
  }
  let lane_m = local / LANES_N;
  let lane_n = local % LANES_N;
  var sums: array<array<vec4<f32>, VECTORS_N>, THREAD_M>;
  for (var first_k = 0u; first_k < terms(); first_k += TILE_K) {
    load_a(first_m, first_k, local);
    load_b(first_n, first_k, local);
    workgroupBarrier();
    for (var k = 0u; k < bound(TILE_K); k++) {
      var right: array<vec4<f32>, VECTORS_N>;
      for (var j = 0u; j < VECTORS_N; j++) {
        right[j] = vec4<f32>(b_tile[k * STRIDE_N + lane_n + j * LANES_N]);
      }
      for (var i = 0u; i < VECTORS_M; i++) {
        let left = vec4<f32>(a_tile[k * STRIDE_M + lane_m + i * LANES_M]);
        for (var j = 0u; j < VECTORS_N; j++) {
          sums[4u * i][j] += left.x * right[j];
          sums[4u * i + 1u][j] += left.y * right[j];
          sums[4u * i + 2u][j] += left.z * right[j];
          sums[4u * i + 3u][j] += left.w * right[j];
        }
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < bound(THREAD_M); i++) {
    for (var j = 0u; j < bound(THREAD_N); j++) {
      let m = first_m + 4u * (lane_m + (i / 4u) * LANES_M) + i % 4u;
      let n = first_n + 4u * (lane_n + (j / 4u) * LANES_N) + j % 4u;
      store(m, n, sums[i][j / 4u][j % 4u]);
    }
  }
}
