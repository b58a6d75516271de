// partials[first + u] = Σ of squares of x[u · NORM_CHUNK …], u < ⌈count / NORM_CHUNK⌉. One workgroup a chunk.

struct Params {
  count: u32,
  first: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // (count)
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
  var sum = 0.0;
  for (var i = begin + local; i < end; i += WORKGROUP_SIZE) {
    sum += x[i] * x[i];
  }
  sum = workgroup_sum(local, sum);
  if (local == 0u) {
    partials[params.first + chunk] = sum;
  }
}
