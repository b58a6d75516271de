// ddocument = [ddocument +] alpha · Σ over queries of dscores · the gradient of the greatest similarities that lie at a
// document token: the query token, or 2 (q − d) where similarities are −‖q − d‖². One workgroup a document; an
// invocation has channels of its own, so that sums run in one order without atomics.

override WORKGROUP_SIZE: u32 = 64;

struct Params {
  queries: u32,
  documents: u32,
  columns: u32,
  query_tokens: u32,
  document_tokens: u32,
  width: u32,
  grouped: u32,
  l2: u32,
  accumulate: u32,
  alpha: f32,
  first_group: u32, // of a piece of the call
}

@group(0) @binding(0) var<storage, read> dscores: array<f32>; // (queries, columns)
@group(0) @binding(1) var<storage, read> best: array<i32>; // (query tokens, columns)
@group(0) @binding(2) var<storage, read> queryOffsets: array<i32>; // (queries + 1)
@group(0) @binding(3) var<storage, read> documentOffsets: array<i32>; // (documents + 1)
@group(0) @binding(4) var<storage, read> query: array<f32>; // (query tokens, width)
@group(0) @binding(5) var<storage, read> document: array<f32>; // (document tokens, width)
@group(0) @binding(6) var<storage, read_write> ddocument: array<f32>; // (document tokens, width), = or +=
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let d = params.first_group + group.y * groups.x + group.x;
  if (d >= params.documents) {
    return;
  }
  let start = u32(documentOffsets[d]);
  let end = u32(documentOffsets[d + 1u]);
  var column = d;
  var first = 0u;
  var last = params.queries;
  if (params.grouped == 1u) {
    column = d % params.columns;
    first = d / params.columns;
    last = first + 1u;
  }
  for (var c = local; c < params.width; c += WORKGROUP_SIZE) {
    if (params.accumulate == 0u) {
      for (var row = start; row < end; row++) {
        ddocument[row * params.width + c] = 0.0;
      }
    }
    for (var i = first; i < last; i++) {
      let factor = params.alpha * dscores[i * params.columns + column];
      let to = u32(queryOffsets[i + 1u]);
      for (var t = u32(queryOffsets[i]); t < to; t++) {
        let place = best[t * params.columns + column];
        if (place >= 0) {
          let at = u32(place) * params.width + c;
          var slope = query[t * params.width + c];
          if (params.l2 == 1u) {
            slope = 2.0 * (slope - document[at]);
          }
          ddocument[at] += factor * slope;
        }
      }
    }
  }
}
