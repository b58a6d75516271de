// partials[first + u] = Σ of squares of x[u · NORM_CHUNK …], u < ⌈count / NORM_CHUNK⌉. One workgroup a chunk.

struct Params {
  count: u32,
  first: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Cell>; // (count)
@group(0) @binding(1) var<storage, read_write> partials: array<f32>; // (any)
@group(0) @binding(2) var<uniform> params: Params;

override NORM_CHUNK: u32 = 16384;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let chunk = group.y * groups.x + group.x;
  let begin = chunk * NORM_CHUNK;
  if (begin >= params.count) {
    return;
  }
  let end = min(begin + NORM_CHUNK, params.count);
  var squares = Cell(0.0);
  for (var i = begin / WIDTH + local; i < end / WIDTH; i += WORKGROUP_SIZE) {
    squares += x[i] * x[i];
  }
  let sum = workgroup_sum(local, cell_sum(squares));
  if (local == 0u) {
    partials[params.first + chunk] = sum;
  }
}
