// Channels d and d + h of every head of 2 h turned by the angle of their row's position (Su et al. 2021): y_d = x_d cos −
// direction · x_{d+h} sin, y_{d+h} = x_{d+h} cos + direction · x_d sin. One pair of cells an invocation.

struct Params {
  rows: u32,
  columns: u32,
  head_size: u32,
  direction: f32,
}

@group(0) @binding(0) var<storage, read> x: array<Cell>; // (rows, columns)
@group(0) @binding(1) var<storage, read> positions: array<i32>; // (rows)
@group(0) @binding(2) var<storage, read> table: array<Cell>; // (any, headSize) = [cos | sin]
@group(0) @binding(3) var<storage, read_write> y: array<Cell>; // (rows, columns), =
@group(0) @binding(4) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 256;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  let half = params.head_size / (2u * WIDTH);
  let pairs = params.columns / (2u * WIDTH);
  if (i >= params.rows * pairs) {
    return;
  }
  let row = i / pairs;
  let low = (i / half) * 2u * half + i % half;
  let at = u32(positions[row]) * 2u * half + i % half;
  let cosine = table[at];
  let sine = params.direction * table[at + half];
  let a = x[low];
  let b = x[low + half];
  y[low] = a * cosine - b * sine;
  y[low + half] = b * cosine + a * sine;
}
