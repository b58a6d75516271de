// The gradients of attention_forward for keys and values: dv_j = Σ_i mask_ij · scale · p_ij · dout_i; dk_j =
// softmaxScale · Σ_i ds_ij q_i, ds and p as in attention_backward_q; zero for rows ≥ key end. Tiles are key rows here,
// the other rows queries.

@group(0) @binding(0) var<storage, read> q: array<f32>; // (T, heads · headSize)
@group(0) @binding(1) var<storage, read> k: array<f32>; // (T, heads · headSize)
@group(0) @binding(2) var<storage, read> v: array<f32>; // (T, heads · headSize)
@group(0) @binding(3) var<storage, read> dout: array<f32>; // (T, heads · headSize)
@group(0) @binding(4) var<storage, read> stats: array<f32>; // (T, heads, 2) = (lse, delta)
@group(0) @binding(5) var<storage, read> tiles: array<i32>; // (tiles, TILE_STRIDE)
@group(0) @binding(6) var<storage, read_write> dk: array<f32>; // (T, heads · headSize), =
@group(0) @binding(7) var<storage, read_write> dv: array<f32>; // (T, heads · headSize), =
@group(0) @binding(8) var<uniform> params: Params;

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

// The factors of 4 queries from position i and 4 keys (components) from position j, even.
fn mask_keys_by_queries(sequence_key: u32, i: u32, head: u32, j: u32) -> Scores {
  var mask: Scores;
  for (var query = 0u; query < bound(4u); query++) {
    let first = probability_mask(sequence_key, i + query, head, j / 2u);
    let second = probability_mask(sequence_key, i + query, head, j / 2u + 1u);
    mask[query] = vec4(first, second);
  }
  return mask;
}

// first_row lies at an even position, so that pairs of keys share their counter; it may lie one before the tile.
fn differentiate(place: Place, tile: Tile, first_row: u32) {
  let row = first_row + 4u * place.own;
  let last = min(tile.last, tile.key_end);
  var dkey: Sums;
  var dvalue: Sums;
  for (var first = tile.begin; first < tile.end; first += ROWS) {
    var scores = products(place, K, first_row, last, Q, first, tile.end);
    var dp = products(place, V, first_row, last, DOUT, first, tile.end);
    let query = first + 4u * place.other;
    let mask = mask_keys_by_queries(tile.sequence_key, query - tile.begin, place.head, row - tile.begin);
    for (var i = 0u; i < 4u; i++) {
      var p = vec4(0.0);
      var delta = 0.0;
      if (query + i < tile.end) {
        let at = 2u * ((query + i) * params.heads + place.head);
        p = exp(params.softmax_scale * scores[i] - stats[at]);
        delta = stats[at + 1u];
      }
      scores[i] = mask[i] * p;
      dp[i] = p * (mask[i] * dp[i] - delta);
    }
    put_weights(place, scores);
    accumulate(place, &dvalue, DOUT, first, tile.end);
    put_weights(place, dp);
    accumulate(place, &dkey, Q, first, tile.end);
  }
  for (var i = 0u; i < bound(4u); i++) {
    if (row + i < tile.first || row + i >= tile.last) {
      continue;
    }
    let at = ((row + i) * params.heads + place.head) * params.head_size;
    let attended = row + i < tile.key_end;
    for (var v = 0u; v < bound(VECTORS); v++) {
      for (var d = 0u; d < 4u; d++) {
        let c = 4u * (8u * v + place.other) + d;
        if (c < params.head_size) {
          dk[at + c] = select(0.0, params.softmax_scale * dkey[4u * v + i][d], attended);
          dv[at + c] = select(0.0, dvalue[4u * v + i][d], attended);
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
  for (var first_row = tile.first - (tile.first - tile.begin) % 2u; first_row < tile.last; first_row += ROWS) {
    differentiate(place, tile, first_row);
  }
}
