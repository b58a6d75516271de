// c (M, N) = (a bᵀ) · (aScales · bScales) [+ bias]: whole numbers of 8 bits, four a word along k, summed exactly in i32. A workgroup computes a
// TILE × TILE tile of c, TILE words of k at a time through workgroup memory; an invocation computes one element.

struct Params {
  M: u32,
  N: u32,
  K: u32,
  has_bias: u32,
}

@group(0) @binding(0) var<storage, read> a: array<u32>; // (M, words)
@group(0) @binding(1) var<storage, read> aScales: array<f32>; // (M)
@group(0) @binding(2) var<storage, read> b: array<u32>; // (N, words)
@group(0) @binding(3) var<storage, read> bScales: array<f32>; // (N)
@group(0) @binding(4) var<storage, read> bias: array<f32>; // (N), optional
@group(0) @binding(5) var<storage, read_write> c: array<f32>; // (M, N), =
@group(0) @binding(6) var<uniform> params: Params;

const TILE = 16u;
// One word of padding keeps the rows of b_tile off one memory bank.
const STRIDE = TILE + 1u;

var<workgroup> a_tile: array<u32, TILE * STRIDE>; // (TILE rows, TILE words)
var<workgroup> b_tile: array<u32, TILE * STRIDE>;

@compute @workgroup_size(TILE * TILE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let tiles_n = (params.N + TILE - 1u) / TILE;
  let tile = group.y * groups.x + group.x;
  let first_m = (tile / tiles_n) * TILE;
  let first_n = (tile % tiles_n) * TILE;
  if (first_m >= params.M) {
    return;
  }
  let words = 4u * ((params.K + 15u) / 16u);
  let row = local / TILE;
  let column = local % TILE;
  var sum = 0i;
  for (var first = 0u; first < words; first += TILE) {
    let word = first + column;
    // Rows beyond the last are zeros
    var left = 0u;
    var right = 0u;
    if (word < words && first_m + row < params.M) {
      left = a[(first_m + row) * words + word];
    }
    if (word < words && first_n + row < params.N) {
      right = b[(first_n + row) * words + word];
    }
    a_tile[row * STRIDE + column] = left;
    b_tile[row * STRIDE + column] = right;
    workgroupBarrier();
    for (var k = 0u; k < TILE; k++) {
      sum += dot4I8Packed(a_tile[row * STRIDE + k], b_tile[column * STRIDE + k]);
    }
    workgroupBarrier();
  }
  let m = first_m + row;
  let n = first_n + column;
  if (m >= params.M || n >= params.N) {
    return;
  }
  var value = f32(sum) * (aScales[m] * bScales[n]);
  if (params.has_bias == 1u) {
    value += bias[n];
  }
  c[m * params.N + n] = value;
}
