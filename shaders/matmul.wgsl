// c (M, N) = [c +] alpha · op(a) · op(b) [+ bias]; op(a) is (M, K), stored (K, M) with transpose_a; op(b) is (K, N), stored (N, K) with
// transpose_b. A workgroup computes a TILE_M × TILE_N tile of c, TILE_K columns of op(a) at a time through workgroup memory; an invocation
// computes THREAD_M × THREAD_N elements of it, strided so that neighbours read and write neighbours. Accumulates in f32.
// Header: TILE_M, TILE_N, TILE_K, THREAD_M, THREAD_N.

struct Params {
  M: u32,
  N: u32,
  K: u32,
  transpose_a: u32,
  transpose_b: u32,
  accumulate: u32,
  has_bias: u32,
  alpha: f32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>; // (N), optional
@group(0) @binding(3) var<storage, read_write> c: array<f32>; // (M, N), = or +=
@group(0) @binding(4) var<uniform> params: Params;

const LANES_M = TILE_M / THREAD_M;
const LANES_N = TILE_N / THREAD_N;
const LANES = LANES_M * LANES_N;
// One element of padding keeps the transposed stores off one memory bank.
const STRIDE_M = TILE_M + 1u;
const STRIDE_N = TILE_N + 1u;

var<workgroup> a_tile: array<f32, TILE_K * STRIDE_M>; // (TILE_K, TILE_M)
var<workgroup> b_tile: array<f32, TILE_K * STRIDE_N>; // (TILE_K, TILE_N)

// Neighbouring invocations read neighbouring addresses in either storage order.
fn load_a(first_m: u32, first_k: u32, local: u32) {
  for (var e = local; e < TILE_M * TILE_K; e += LANES) {
    var m = e / TILE_K;
    var k = e % TILE_K;
    if (params.transpose_a == 1u) {
      m = e % TILE_M;
      k = e / TILE_M;
    }
    var value = 0.0;
    if (first_m + m < params.M && first_k + k < params.K) {
      let at = select((first_m + m) * params.K + first_k + k, (first_k + k) * params.M + first_m + m, params.transpose_a == 1u);
      value = a[at];
    }
    a_tile[k * STRIDE_M + m] = value;
  }
}

fn load_b(first_n: u32, first_k: u32, local: u32) {
  for (var e = local; e < TILE_N * TILE_K; e += LANES) {
    var n = e % TILE_N;
    var k = e / TILE_N;
    if (params.transpose_b == 1u) {
      n = e / TILE_K;
      k = e % TILE_K;
    }
    var value = 0.0;
    if (first_n + n < params.N && first_k + k < params.K) {
      let at = select((first_k + k) * params.N + first_n + n, (first_n + n) * params.K + first_k + k, params.transpose_b == 1u);
      value = b[at];
    }
    b_tile[k * STRIDE_N + n] = value;
  }
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let tiles_n = (params.N + TILE_N - 1u) / TILE_N;
  let tile = group.y * groups.x + group.x;
  let first_m = (tile / tiles_n) * TILE_M;
  let first_n = (tile % tiles_n) * TILE_N;
  if (first_m >= params.M) {
    return;
  }
  let lane_m = local / LANES_N;
  let lane_n = local % LANES_N;
  var sums: array<array<f32, THREAD_N>, THREAD_M>;
  for (var first_k = 0u; first_k < params.K; first_k += TILE_K) {
    load_a(first_m, first_k, local);
    load_b(first_n, first_k, local);
    workgroupBarrier();
    for (var k = 0u; k < TILE_K; k++) {
      var row: array<f32, THREAD_N>;
      for (var j = 0u; j < THREAD_N; j++) {
        row[j] = b_tile[k * STRIDE_N + lane_n + j * LANES_N];
      }
      for (var i = 0u; i < THREAD_M; i++) {
        let left = a_tile[k * STRIDE_M + lane_m + i * LANES_M];
        for (var j = 0u; j < THREAD_N; j++) {
          sums[i][j] += left * row[j];
        }
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < THREAD_M; i++) {
    for (var j = 0u; j < THREAD_N; j++) {
      store(first_m + lane_m + i * LANES_M, first_n + lane_n + j * LANES_N, sums[i][j]);
    }
  }
}

fn store(m: u32, n: u32, sum: f32) {
  if (m >= params.M || n >= params.N) {
    return;
  }
  var value = params.alpha * sum;
  if (params.has_bias == 1u) {
    value += bias[n];
  }
  if (params.accumulate == 1u) {
    value += c[m * params.N + n];
  }
  c[m * params.N + n] = value;
}
