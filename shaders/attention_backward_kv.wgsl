// The gradients of attention_forward for keys and values: dv_j = Σ_i mask_ij · scale · p_ij · dout_i; dk_j =
// softmaxScale · Σ_i ds_ij q_i, ds and p as in attention_backward_q; zero for rows ≥ key end. Tiles are key rows here,
// the other rows queries.

@group(0) @binding(0) var<storage, read> q: array<Cell>; // (T, heads · headSize)
@group(0) @binding(1) var<storage, read> k: array<Cell>; // (T, keyValueHeads · headSize)
@group(0) @binding(2) var<storage, read> v: array<Cell>; // (T, keyValueHeads · headSize)
@group(0) @binding(3) var<storage, read> dout: array<Cell>; // (T, heads · headSize)
@group(0) @binding(4) var<storage, read> stats: array<f32>; // lse, delta (T, heads) each, then the bias (biasRows, heads)
@group(0) @binding(5) var<storage, read> tiles: array<i32>; // (tiles, TILE_STRIDE)
@group(0) @binding(6) var<storage, read_write> dk: array<Cell>; // (T, keyValueHeads · headSize), =
@group(0) @binding(7) var<storage, read_write> dv: array<Cell>; // (T, keyValueHeads · headSize), =
@group(0) @binding(8) var<uniform> params: Params;

const Q = 0u;
const K = 1u;
const V = 2u;
const DOUT = 3u;

fn element(tensor: u32, row: u32, place: Place, d: u32) -> Cell {
  switch tensor {
    case Q: { return q[(query_at(row, place) + d) / WIDTH]; }
    case K: { return k[(key_at(row, place) + d) / WIDTH]; }
    case V: { return v[(key_at(row, place) + d) / WIDTH]; }
    default: { return dout[(query_at(row, place) + d) / WIDTH]; }
  }
}

fn bias_at(index: u32) -> f32 {
  return stats[2u * params.rows * params.heads + index];
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
fn differentiate(tile: Tile, keys: Place, key_head: u32, first_row: u32) {
  let row = first_row + 4u * keys.own;
  let last = min(tile.last, tile.key_end);
  let end = min(tile.end, min(first_row + ROWS, tile.last) + params.before);
  let group = params.heads / params.key_value_heads;
  var dkey: Sums;
  var dvalue: Sums;
  for (var head = key_head * group; head < (key_head + 1u) * group; head++) {
    let place = Place(keys.local, keys.own, keys.other, head, key_head);
    for (var first = first_seen(tile, first_row, params.after); first < end; first += ROWS) {
      var scores = products(place, K, first_row, last, Q, first, end);
      var dp = products(place, V, first_row, last, DOUT, first, end);
      let query = first + 4u * place.other;
      let apart = i32(query) - i32(row) - vec4(0, 1, 2, 3);
      let mask = mask_keys_by_queries(tile.sequence_key, query - tile.begin, head, row - tile.begin);
      for (var i = 0u; i < 4u; i++) {
        var p = vec4(0.0);
        var delta = 0.0;
        if (query + i < end) {
          let at = (query + i) * params.heads + head;
          let score = params.softmax_scale * scores[i] + score_bias(apart + i32(i), head);
          p = select(vec4(0.0), exp(score - stats[at]), seen(apart + i32(i)));
          delta = stats[params.rows * params.heads + at];
        }
        scores[i] = mask[i] * p;
        dp[i] = p * (mask[i] * dp[i] - delta);
      }
      put_weights(place, scores);
      accumulate(place, &dvalue, DOUT, first, end);
      put_weights(place, dp);
      accumulate(place, &dkey, Q, first, end);
    }
  }
  for (var i = 0u; i < bound(4u); i++) {
    if (row + i < tile.first || row + i >= tile.last) {
      continue;
    }
    let at = key_at(row + i, keys);
    let attended = row + i < tile.key_end;
    for (var v = 0u; v < bound(VECTORS); v++) {
      for (var d = 0u; d < 4u; d += WIDTH) {
        let c = 4u * (8u * v + keys.other) + d;
        if (c < params.head_size) {
          dk[(at + c) / WIDTH] = cell_of(select(vec4(0.0), params.softmax_scale * dkey[4u * v + i], attended), d);
          dv[(at + c) / WIDTH] = cell_of(select(vec4(0.0), dvalue[4u * v + i], attended), d);
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
  if (unit >= params.tiles * params.key_value_heads) {
    return;
  }
  let tile = tile_at(unit / params.key_value_heads);
  let key_head = unit % params.key_value_heads;
  let place = Place(local, local / 8u, local % 8u, 0u, key_head);
  for (var first_row = tile.first - (tile.first - tile.begin) % 2u; first_row < tile.last; first_row += ROWS) {
    differentiate(tile, place, key_head, first_row);
  }
}
