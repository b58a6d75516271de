// dx (rows, columns) = [dx +] Σ_i mask_i · scale · (ddown_i A_i) for up to three products of one x. Two neighbouring channels of ROWS rows an invocation.

struct Params {
  rows: u32,
  columns: u32,
  rank0: u32,
  rank1: u32,
  rank2: u32,
  accumulate: u32,
  threshold: u32,
  scale: f32,
  key0: u32,
  key1: u32,
  key2: u32,
  key3: u32,
  key4: u32,
  key5: u32,
}

@group(0) @binding(0) var<storage, read> keys: array<u32>; // (rows), optional
@group(0) @binding(1) var<storage, read> ddown0: array<f32>; // (rows, rank0)
@group(0) @binding(2) var<storage, read> ddown1: array<f32>; // (rows, rank1), optional
@group(0) @binding(3) var<storage, read> ddown2: array<f32>; // (rows, rank2), optional
@group(0) @binding(4) var<storage, read> a0: array<f32>; // (rank0, columns)
@group(0) @binding(5) var<storage, read> a1: array<f32>; // (rank1, columns), optional
@group(0) @binding(6) var<storage, read> a2: array<f32>; // (rank2, columns), optional
@group(0) @binding(7) var<storage, read_write> dx: array<f32>; // (rows, columns), = or +=
@group(0) @binding(8) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 64;
const ROWS = 4u;

fn element_a(product: u32, at: u32) -> f32 {
  if (product == 0u) {
    return a0[at];
  }
  if (product == 1u) {
    return a1[at];
  }
  return a2[at];
}

fn element_ddown(product: u32, at: u32) -> f32 {
  if (product == 0u) {
    return ddown0[at];
  }
  if (product == 1u) {
    return ddown1[at];
  }
  return ddown2[at];
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let pairs = (params.columns + 1u) / 2u;
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  let first_row = ROWS * (i / pairs);
  if (first_row >= params.rows) {
    return;
  }
  let channel = 2u * (i % pairs);
  let both = channel + 1u < params.columns;
  var total: array<vec2<f32>, ROWS>;
  for (var product = 0u; product < 3u; product++) {
    let rank = rank_of(product);
    if (rank == 0u) {
      continue;
    }
    // Said in so many words: lavapipe keeps a loop's own array from one round to the next.
    var sums = array<vec2<f32>, ROWS>(vec2(0.0), vec2(0.0), vec2(0.0), vec2(0.0));
    for (var r = 0u; r < rank; r++) {
      let at = r * params.columns + channel;
      var a = vec2(element_a(product, at), 0.0);
      if (both) {
        a.y = element_a(product, at + 1u);
      }
      for (var j = 0u; j < ROWS; j++) {
        sums[j] += a * element_ddown(product, min(first_row + j, params.rows - 1u) * rank + r);
      }
    }
    for (var j = 0u; j < ROWS; j++) {
      total[j] += sums[j] * mask_of(product, min(first_row + j, params.rows - 1u), channel / 2u);
    }
  }
  for (var j = 0u; j < ROWS; j++) {
    if (first_row + j < params.rows) {
      let at = (first_row + j) * params.columns + channel;
      dx[at] = total[j].x + select(0.0, dx[at], params.accumulate == 1u);
      if (both) {
        dx[at + 1u] = total[j].y + select(0.0, dx[at + 1u], params.accumulate == 1u);
      }
    }
  }
}
