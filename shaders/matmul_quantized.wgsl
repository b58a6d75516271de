// c (M, N) = [c +] alpha · op(a) · op(b) [+ bias] with b of 8 or 4 bits a number, see common/matmul.wgsl. Groups of 32 neighbours of a row of b as
// stored, rows filled up to whole groups: value = least + step · code, in f32.

struct Params {
  M: u32,
  N: u32,
  K: u32,
  transpose_a: u32,
  transpose_b: u32,
  accumulate: u32,
  has_bias: u32,
  alpha: f32,
  bits: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<u32>; // 4 or 8 codes a word
@group(0) @binding(2) var<storage, read> groups: array<u32>; // step and least as bf16, step in the lower half
@group(0) @binding(3) var<storage, read> bias: array<f32>; // (N), optional
@group(0) @binding(4) var<storage, read_write> c: array<f32>; // (M, N), = or +=
@group(0) @binding(5) var<uniform> params: Params;

const GROUP = 32u;

fn element_b(at: u32) -> f32 {
  let columns = select(params.N, params.K, params.transpose_b == 1u);
  // Where rows are whole groups the place in the matrix is that in the buffer.
  var place = at;
  if (columns % GROUP != 0u) {
    place = at / columns * ((columns + GROUP - 1u) / GROUP * GROUP) + at % columns;
  }
  let bit = place % GROUP * params.bits;
  let word = groups[place / GROUP];
  let code = extractBits(b[place / GROUP * params.bits + bit / 32u], bit % 32u, params.bits);
  return bitcast<f32>(word & 0xffff0000u) + bitcast<f32>(word << 16u) * f32(code);
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  multiply(group.y * workgroups.x + group.x, local);
}
