// The gradient of attention_forward for the queries: ds_ij = p_ij · (mask_ij · scale · (dout_i · v_j) − delta_i), dq_i
// = softmaxScale · Σ_j ds_ij k_j, the probabilities recomputed, p_ij = exp(softmaxScale · q_i · k_j − lse_i)
// (FlashAttention, Dao et al. 2022, algorithm 4).

@group(0) @binding(0) var<storage, read> q: array<f32>; // (T, heads · headSize)
@group(0) @binding(1) var<storage, read> k: array<f32>; // (T, heads · headSize)
@group(0) @binding(2) var<storage, read> v: array<f32>; // (T, heads · headSize)
@group(0) @binding(3) var<storage, read> dout: array<f32>; // (T, heads · headSize)
@group(0) @binding(4) var<storage, read> stats: array<f32>; // (T, heads, 2) = (lse, delta)
@group(0) @binding(5) var<storage, read> tiles: array<i32>; // (tiles, TILE_STRIDE)
@group(0) @binding(6) var<storage, read_write> dq: array<f32>; // (T, heads · headSize), =
@group(0) @binding(7) var<uniform> params: Params;

const Q = 0u;
const K = 1u;
const V = 2u;
const DOUT = 3u;

fn element(tensor: u32, at: u32) -> f32 {
  switch tensor {
    case Q: { return q[at]; }
    case K: { return k[at]; }
    case V: { return v[at]; }
    default: { return dout[at]; }
  }
}

fn differentiate(place: Place, tile: Tile, first_row: u32) {
  let row = first_row + 4u * place.own;
  var lse: vec4<f32>;
  var delta: vec4<f32>;
  for (var i = 0u; i < 4u; i++) {
    if (row + i < tile.last) {
      let at = 2u * ((row + i) * params.heads + place.head);
      lse[i] = stats[at];
      delta[i] = stats[at + 1u];
    }
  }
  var sums: Sums;
  for (var first = tile.begin; first < tile.key_end; first += ROWS) {
    var scores = products(place, Q, first_row, tile.last, K, first, tile.key_end);
    let dp = products(place, DOUT, first_row, tile.last, V, first, tile.key_end);
    let key = first + 4u * place.other;
    let mask = mask_queries_by_keys(tile.sequence_key, row - tile.begin, place.head, key - tile.begin);
    for (var j = 0u; j < 4u; j++) {
      let ds = exp(params.softmax_scale * scores[j] - lse) * (mask[j] * dp[j] - delta);
      scores[j] = select(vec4(0.0), ds, key + j < tile.key_end);
    }
    put_weights(place, scores);
    accumulate(place, &sums, K, first, tile.key_end);
  }
  for (var i = 0u; i < bound(4u); i++) {
    if (row + i >= tile.last) {
      break;
    }
    let at = ((row + i) * params.heads + place.head) * params.head_size;
    for (var v = 0u; v < bound(VECTORS); v++) {
      for (var d = 0u; d < 4u; d++) {
        let c = 4u * (8u * v + place.other) + d;
        if (c < params.head_size) {
          dq[at + c] = params.softmax_scale * sums[4u * v + i][d];
        }
      }
    }
  }
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let unit = group.y * groups.x + group.x;
  if (unit >= params.tiles * params.heads) {
    return;
  }
  let tile = tile_at(unit / params.heads);
  let place = Place(local, local / 8u, local % 8u, unit % params.heads);
  for (var first_row = tile.first; first_row < tile.last; first_row += ROWS) {
    differentiate(place, tile, first_row);
  }
}
