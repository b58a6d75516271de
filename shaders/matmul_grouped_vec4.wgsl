// Products of one a with up to three b_i in vectors of four, see common/grouped.wgsl and common/matmul_vec4.wgsl. All widths and ranks are multiples of
// four; b is f32.

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>; // (M, K)
@group(0) @binding(1) var<storage, read> b: array<vec4<u32>>; // b_i (N_i, K)
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>; // bias_i (N_i), optional
@group(0) @binding(3) var<storage, read> down: array<vec4<f32>>; // (M, Σ ranks), optional
@group(0) @binding(4) var<storage, read> up: array<vec4<f32>>; // up_i (N_i, rank_i), optional
@group(0) @binding(5) var<storage, read_write> c0: array<vec4<f32>>; // (M, N0), =
@group(0) @binding(6) var<storage, read_write> c1: array<vec4<f32>>; // (M, N1), =, optional
@group(0) @binding(7) var<storage, read_write> c2: array<vec4<f32>>; // (M, N2), =, optional
@group(0) @binding(8) var<uniform> params: Params;

fn vector_a(m: u32, k: u32) -> vec4<f32> {
  return a[(m * params.K + k) / 4u];
}

fn vector_b(at: u32) -> vec4<f32> {
  return bitcast<vec4<f32>>(b[at / 4u]);
}

fn stride_b() -> u32 {
  return params.K;
}

fn look(result: u32, at: u32) -> vec4<f32> {
  switch result {
    case 0u: { return c0[at]; }
    case 1u: { return c1[at]; }
    default: { return c2[at]; }
  }
}

fn put(result: u32, at: u32, value: vec4<f32>) {
  switch result {
    case 0u: { c0[at] = value; }
    case 1u: { c1[at] = value; }
    default: { c2[at] = value; }
  }
}

fn store(m: u32, n: u32, part: u32, sum: vec4<f32>) {
  if (m >= params.M || !has_column(n)) {
    return;
  }
  let place = place_of(n);
  var value = sum;
  if (params.has_bias == 1u) {
    value += bias[bias_of(place) / 4u];
  }
  put(target_of(place.product), (m * width_of(place.product) + place.column) / 4u, value);
}

// By rows n to n + 3 of up_i.
fn low_rank(product: u32, first: u32, m: u32, n: u32) -> vec4<f32> {
  let rank = rank_of(product);
  let left = (m * (params.rank0 + params.rank1 + params.rank2) + first) / 4u;
  let right = (of_product(product, vec3(params.up0, params.up1, params.up2)) + n * rank) / 4u;
  let count = rank / 4u;
  var sum = vec4(0.0);
  for (var r = 0u; r < count; r++) {
    let factor = down[left + r];
    for (var j = 0u; j < 4u; j++) {
      sum[j] += dot(factor, up[right + j * count + r]);
    }
  }
  return sum;
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let tile = group.y * groups.x + group.x;
  multiply(tile, local);
  finish_tile(tile, local);
}
