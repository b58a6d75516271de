// Products of one a with up to three b_i, see common/grouped.wgsl and common/matmul.wgsl. A store writes one element.

@group(0) @binding(0) var<storage, read> a: array<f32>; // (M, K)
@group(0) @binding(1) var<storage, read> b: array<u32>; // b_i (N_i, K), f32 or two numbers a word
@group(0) @binding(2) var<storage, read> bias: array<f32>; // bias_i (N_i), optional
@group(0) @binding(3) var<storage, read> down: array<f32>; // (M, Σ ranks), optional
@group(0) @binding(4) var<storage, read> up: array<f32>; // up_i (N_i, rank_i), optional
@group(0) @binding(5) var<storage, read_write> c0: array<f32>; // (M, N0), =
@group(0) @binding(6) var<storage, read_write> c1: array<f32>; // (M, N1), =, optional
@group(0) @binding(7) var<storage, read_write> c2: array<f32>; // (M, N2), =, optional
@group(0) @binding(8) var<uniform> params: Params;

fn element_a(m: u32, k: u32) -> f32 {
  return a[m * params.K + k];
}

fn element_b(at: u32) -> f32 {
  if (params.format == FLOAT) {
    return bitcast<f32>(b[at]);
  }
  return widen_at(b[at / 2u], at);
}

fn look(result: u32, at: u32) -> f32 {
  switch result {
    case 0u: { return c0[at]; }
    case 1u: { return c1[at]; }
    default: { return c2[at]; }
  }
}

fn put(result: u32, at: u32, value: f32) {
  switch result {
    case 0u: { c0[at] = value; }
    case 1u: { c1[at] = value; }
    default: { c2[at] = value; }
  }
}

fn store(m: u32, n: u32, sum: f32) {
  if (m >= params.M || !has_column(n)) {
    return;
  }
  let place = place_of(n);
  var value = sum;
  if (params.has_bias == 1u) {
    value += bias[bias_of(place)];
  }
  put(target_of(place.product), m * width_of(place.product) + place.column, value);
}

fn low_rank(product: u32, first: u32, m: u32, n: u32) -> f32 {
  let rank = rank_of(product);
  let left = m * (params.rank0 + params.rank1 + params.rank2) + first;
  let right = of_product(product, vec3(params.up0, params.up1, params.up2)) + n * rank;
  var sum = 0.0;
  for (var r = 0u; r < rank; r++) {
    sum += down[left + r] * up[right + r];
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
