// dquery = [dquery +] alpha · Σ over documents of dscores · the gradient of a query token's greatest similarity: the document
// token it was with, or 2 (d − q) where similarities are −‖q − d‖². One invocation an element.

override WORKGROUP_SIZE: u32 = 64;

struct Params {
  query_tokens: u32,
  columns: u32,
  width: u32,
  l2: u32,
  accumulate: u32,
  alpha: f32,
  first_group: u32, // of a piece of the call
}

@group(0) @binding(0) var<storage, read> dscores: array<f32>; // (queries, columns)
@group(0) @binding(1) var<storage, read> best: array<i32>; // (query tokens, columns)
@group(0) @binding(2) var<storage, read> owners: array<i32>; // (query tokens): the query of each
@group(0) @binding(3) var<storage, read> query: array<f32>; // (query tokens, width)
@group(0) @binding(4) var<storage, read> document: array<f32>; // (document tokens, width)
@group(0) @binding(5) var<storage, read_write> dquery: array<f32>; // (query tokens, width), = or +=
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let e = (params.first_group + group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (e >= params.query_tokens * params.width) {
    return;
  }
  let token = e / params.width;
  let channel = e % params.width;
  let line = u32(owners[token]) * params.columns;
  var sum = 0.0;
  for (var j = 0u; j < params.columns; j++) {
    let place = best[token * params.columns + j];
    if (place >= 0) {
      var slope = document[u32(place) * params.width + channel];
      if (params.l2 == 1u) {
        slope = 2.0 * (slope - query[e]);
      }
      sum += dscores[line + j] * slope;
    }
  }
  sum *= params.alpha;
  if (params.accumulate == 1u) {
    sum += dquery[e];
  }
  dquery[e] = sum;
}
