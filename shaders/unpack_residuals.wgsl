// y = centroid + level of each channel, rows scaled to length 1 where `normalize`: vectors of 2 bits a channel on top of
// centroids. One workgroup a row.

struct Params {
  rows: u32,
  columns: u32,
  normalize: u32,
}

@group(0) @binding(0) var<storage, read> codes: array<i32>; // (rows): the centroid of each
@group(0) @binding(1) var<storage, read> residuals: array<u32>; // (rows, ⌈columns / 16⌉), channel 0 in the lowest bits
@group(0) @binding(2) var<storage, read> centroids: array<f32>; // (·, columns)
@group(0) @binding(3) var<storage, read> levels: array<f32>; // (4, columns)
@group(0) @binding(4) var<storage, read_write> y: array<f32>; // (rows, columns), =
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) {
    return;
  }
  let words = (params.columns + 15u) / 16u;
  let centroid = u32(codes[row]) * params.columns;
  var partial = 0.0;
  for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
    let level = (residuals[row * words + c / 16u] >> (2u * (c % 16u))) & 3u;
    let value = centroids[centroid + c] + levels[level * params.columns + c];
    y[row * params.columns + c] = value;
    partial += value * value;
  }
  let length = sqrt(workgroup_sum(local, partial));
  if (params.normalize == 1u) {
    let scale = select(0.0, 1.0 / length, length > 0.0);
    for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
      y[row * params.columns + c] *= scale;
    }
  }
}
