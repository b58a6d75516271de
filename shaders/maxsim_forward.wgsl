// MaxSim: scores (queries, columns) = alpha · Σ over a query's tokens of the greatest similarity with a token of the
// document, dot product or −‖q − d‖². One workgroup a query and document: tiles of 32 query tokens × 32 document tokens,
// 16 channels at a time through workgroup memory, 4 × 4 similarities an invocation; of them only each query token's
// greatest, and where it was, are kept.

struct Params {
  queries: u32,
  columns: u32,
  query_tokens: u32,
  document_tokens: u32,
  width: u32,
  grouped: u32,
  l2: u32,
  has_keep: u32,
  has_best: u32,
  alpha: f32,
  first_group: u32, // of a piece of the call
}

@group(0) @binding(0) var<storage, read> query: array<f32>; // (query tokens, width)
@group(0) @binding(1) var<storage, read> document: array<f32>; // (document tokens, width)
@group(0) @binding(2) var<storage, read> queryOffsets: array<i32>; // (queries + 1)
@group(0) @binding(3) var<storage, read> documentOffsets: array<i32>;
@group(0) @binding(4) var<storage, read> keep: array<i32>; // (document tokens), optional: 0 is skipped
@group(0) @binding(5) var<storage, read_write> scores: array<f32>; // (queries, columns), =
@group(0) @binding(6) var<storage, read_write> best: array<i32>; // (query tokens, columns), =, optional
@group(0) @binding(7) var<uniform> params: Params;

const TILE = 32u;
const DEPTH = 16u;
const STRIDE = DEPTH + 1u; // off one memory bank
const LANES = 64u;
const LOWEST = -3.4028234e38;

var<workgroup> q_tile: array<f32, TILE * STRIDE>;
var<workgroup> d_tile: array<f32, TILE * STRIDE>;
var<workgroup> values: array<f32, TILE * 8u>; // (TILE, 8): the greatest of each group of lanes
var<workgroup> places: array<i32, TILE * 8u>;

fn load_tiles(first_q: u32, end_q: u32, first_d: u32, end_d: u32, channel: u32, local: u32) {
  for (var e = local; e < TILE * DEPTH; e += LANES) {
    let row = e / DEPTH;
    let c = channel + e % DEPTH;
    let at = row * STRIDE + e % DEPTH;
    var x = 0.0;
    var y = 0.0;
    if (c < params.width) {
      if (first_q + row < end_q) {
        x = query[(first_q + row) * params.width + c];
      }
      if (first_d + row < end_d) {
        y = document[(first_d + row) * params.width + c];
      }
    }
    q_tile[at] = x;
    d_tile[at] = y;
  }
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let pair = params.first_group + group.y * groups.x + group.x;
  if (pair >= params.queries * params.columns) {
    return;
  }
  let i = pair / params.columns;
  let column = pair % params.columns;
  let d = select(column, pair, params.grouped == 1u);
  let end_q = u32(queryOffsets[i + 1u]);
  let start_d = u32(documentOffsets[d]);
  let end_d = u32(documentOffsets[d + 1u]);
  let lane_q = local / 8u;
  let lane_d = local % 8u;
  var score = 0.0;
  var none = false;
  for (var first_q = u32(queryOffsets[i]); first_q < end_q; first_q += TILE) {
    var most = vec4(LOWEST);
    var spots = vec4(-1);
    for (var first_d = start_d; first_d < end_d; first_d += TILE) {
      var sums = array<vec4<f32>, 4>(); // [document token][query token]
      for (var channel = 0u; channel < params.width; channel += DEPTH) {
        workgroupBarrier();
        load_tiles(first_q, end_q, first_d, end_d, channel, local);
        workgroupBarrier();
        for (var k = 0u; k < min(DEPTH, params.width - channel); k++) {
          let x = vec4(
            q_tile[(lane_q) * STRIDE + k],
            q_tile[(lane_q + 8u) * STRIDE + k],
            q_tile[(lane_q + 16u) * STRIDE + k],
            q_tile[(lane_q + 24u) * STRIDE + k],
          );
          for (var r = 0u; r < 4u; r++) {
            let y = d_tile[(lane_d + 8u * r) * STRIDE + k];
            let difference = x - y;
            sums[r] += select(x * y, -difference * difference, params.l2 == 1u);
          }
        }
      }
      for (var r = 0u; r < 4u; r++) {
        let row = first_d + lane_d + 8u * r;
        if (row < end_d && (params.has_keep == 0u || keep[row] != 0)) {
          let higher = sums[r] > most;
          most = select(most, sums[r], higher);
          spots = select(spots, vec4(i32(row)), higher);
        }
      }
    }
    workgroupBarrier();
    for (var r = 0u; r < 4u; r++) {
      values[(lane_q + 8u * r) * 8u + lane_d] = most[r];
      places[(lane_q + 8u * r) * 8u + lane_d] = spots[r];
    }
    workgroupBarrier();
    if (local < TILE && first_q + local < end_q) {
      var value = LOWEST;
      var place = -1;
      for (var l = 0u; l < 8u; l++) {
        let other = values[local * 8u + l];
        let at = places[local * 8u + l];
        if (at >= 0 && (place < 0 || other > value || (other == value && at < place))) {
          value = other;
          place = at;
        }
      }
      if (params.has_best == 1u) {
        best[(first_q + local) * params.columns + column] = place;
      }
      values[local * 8u] = value;
      places[local * 8u] = place;
    }
    workgroupBarrier();
    // Every lane alike, in one order
    var sum = 0.0;
    for (var t = 0u; t < min(TILE, end_q - first_q); t++) {
      sum += values[t * 8u];
      none = none || places[t * 8u] < 0;
    }
    score += params.alpha * sum;
  }
  if (local == 0u) {
    scores[pair] = select(score, LOWEST, none);
  }
}
