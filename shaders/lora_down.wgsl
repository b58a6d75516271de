// down_i (rows, rank_i) = (x · mask_i · scale) A_iᵀ for up to three products of one x. A workgroup has 16 rows and takes CHANNELS columns at a time: x is
// read once, masked for each product in workgroup memory, and multiplied with A, 16 ranks at a time; an invocation has one row and one rank of each
// product and block. More than RANKS ranks: more workgroups. Joined, the results lie side by side in down0.

struct Params {
  rows: u32,
  columns: u32,
  rank0: u32,
  rank1: u32,
  rank2: u32,
  joined: u32,
  threshold: u32,
  scale: f32,
  key0: u32,
  key1: u32,
  key2: u32,
  key3: u32,
  key4: u32,
  key5: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read> keys: array<u32>; // (rows), optional
@group(0) @binding(2) var<storage, read> a0: array<f32>; // (rank0, columns)
@group(0) @binding(3) var<storage, read> a1: array<f32>; // (rank1, columns), optional
@group(0) @binding(4) var<storage, read> a2: array<f32>; // (rank2, columns), optional
@group(0) @binding(5) var<storage, read_write> down0: array<f32>; // (rows, rank0), or joined (rows, Σ ranks), =
@group(0) @binding(6) var<storage, read_write> down1: array<f32>; // (rows, rank1), =, optional
@group(0) @binding(7) var<storage, read_write> down2: array<f32>; // (rows, rank2), =, optional
@group(0) @binding(8) var<uniform> params: Params;

const ROWS = 16u;
const CHANNELS = 64u;
const BLOCK = 16u; // ranks
const BLOCKS = RANKS / BLOCK;
// In vectors of four; one of padding keeps the ranks of a warp off one memory bank.
const STRIDE = CHANNELS / 4u + 1u;

var<workgroup> masked: array<vec4<f32>, ROWS * STRIDE>; // (ROWS, CHANNELS)
var<workgroup> factor: array<vec4<f32>, BLOCK * STRIDE>; // (BLOCK, CHANNELS)

fn element_a(product: u32, at: u32) -> f32 {
  if (product == 0u) {
    return a0[at];
  }
  if (product == 1u) {
    return a1[at];
  }
  return a2[at];
}

fn load_factor(product: u32, first_rank: u32, channel: u32, local: u32) {
  let rank = first_rank + local / 16u;
  let c = channel + 4u * (local % 16u);
  var values = vec4(0.0);
  for (var i = 0u; i < 4u; i++) {
    if (rank < rank_of(product) && c + i < params.columns) {
      values[i] = element_a(product, rank * params.columns + c + i);
    }
  }
  factor[(local / 16u) * STRIDE + local % 16u] = values;
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = group.y * groups.x + group.x;
  let row_groups = (params.rows + ROWS - 1u) / ROWS;
  let first_row = ROWS * (index % row_groups);
  let first_rank = RANKS * (index / row_groups);
  if (first_rank >= max(params.rank0, max(params.rank1, params.rank2))) {
    return;
  }
  // A vector of four channels of one row each.
  let row = first_row + local / 16u;
  let vector = local % 16u;
  var sums: array<f32, 3u * BLOCKS>;
  for (var channel = 0u; channel < params.columns; channel += CHANNELS) {
    let c = channel + 4u * vector;
    var values = vec4(0.0);
    for (var i = 0u; i < 4u; i++) {
      if (row < params.rows && c + i < params.columns) {
        values[i] = x[row * params.columns + c + i];
      }
    }
    for (var product = 0u; product < 3u; product++) {
      if (first_rank >= rank_of(product)) {
        continue;
      }
      var mask = vec4(0.0);
      if (row < params.rows) {
        mask = vec4(mask_of(product, row, c / 2u), mask_of(product, row, c / 2u + 1u));
      }
      masked[(local / 16u) * STRIDE + vector] = values * mask;
      for (var block = 0u; block < BLOCKS; block++) {
        if (first_rank + BLOCK * block >= rank_of(product)) {
          continue;
        }
        load_factor(product, first_rank + BLOCK * block, channel, local);
        workgroupBarrier();
        var sum = 0.0;
        for (var k = 0u; k < CHANNELS / 4u; k++) {
          sum += dot(masked[(local / 16u) * STRIDE + k], factor[(local % 16u) * STRIDE + k]);
        }
        sums[product * BLOCKS + block] += sum;
        workgroupBarrier();
      }
    }
  }
  if (row >= params.rows) {
    return;
  }
  let width0 = params.rank0 + select(0u, params.rank1 + params.rank2, params.joined == 1u);
  for (var block = 0u; block < BLOCKS; block++) {
    let rank = first_rank + BLOCK * block + local % 16u;
    if (rank < params.rank0) {
      down0[row * width0 + rank] = sums[block];
    }
    if (params.joined == 1u) {
      if (rank < params.rank1) {
        down0[row * width0 + params.rank0 + rank] = sums[BLOCKS + block];
      }
      if (rank < params.rank2) {
        down0[row * width0 + params.rank0 + params.rank1 + rank] = sums[2u * BLOCKS + block];
      }
      continue;
    }
    if (rank < params.rank1) {
      down1[row * params.rank1 + rank] = sums[BLOCKS + block];
    }
    if (rank < params.rank2) {
      down2[row * params.rank2 + rank] = sums[2u * BLOCKS + block];
    }
  }
}
