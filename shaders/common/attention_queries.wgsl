// The gradient of attention_forward for the queries: ds_ij = p_ij · (mask_ij · scale · (dout_i · v_j) − delta_i), dq_i
// = softmaxScale · Σ_j ds_ij k_j, the probabilities recomputed, p_ij = exp(softmaxScale · q_i · k_j + bias_ij − lse_i)
// (FlashAttention, Dao et al. 2022, algorithm 4). A kernel declares the tensors and delta_of(place, tile, row), the deltas of the invocation's four rows, and
// see_gradients(place, base), for when `weights` are about to hold ds of own rows that begin `base` rows behind the others.

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

fn differentiate(place: Place, tile: Tile, first_row: u32) {
  let row = first_row + 4u * place.own;
  let delta = delta_of(place, tile, row);
  var lse: vec4<f32>;
  for (var i = 0u; i < 4u; i++) {
    if (row + i < tile.last) {
      lse[i] = stats[(row + i) * params.heads + place.head];
    }
  }
  var sums: Sums;
  let end = min(tile.key_end, min(first_row + ROWS, tile.last) + params.after);
  for (var first = first_seen(tile, first_row, params.before); first < end; first += ROWS) {
    var scores = products(place, Q, first_row, tile.last, K, first, end);
    let dp = products(place, DOUT, first_row, tile.last, V, first, end);
    let key = first + 4u * place.other;
    let apart = i32(row) - i32(key) + vec4(0, 1, 2, 3);
    let mask = mask_queries_by_keys(tile.sequence_key, row - tile.begin, place.head, key - tile.begin);
    for (var j = 0u; j < 4u; j++) {
      let p = exp(params.softmax_scale * scores[j] + score_bias(apart - i32(j), place.head) - lse);
      let ds = p * (mask[j] * dp[j] - delta);
      scores[j] = select(vec4(0.0), ds, seen(apart - i32(j)) & vec4(key + j < end));
    }
    put_weights(place, scores);
    see_gradients(place, i32(first_row) - i32(first));
    accumulate(place, &sums, K, first, end);
  }
  for (var i = 0u; i < bound(4u); i++) {
    if (row + i >= tile.last) {
      break;
    }
    let at = ((row + i) * params.heads + place.head) * params.head_size;
    for (var v = 0u; v < bound(VECTORS); v++) {
      for (var d = 0u; d < 4u; d += WIDTH) {
        let c = 4u * (8u * v + place.other) + d;
        if (c < params.head_size) {
          dq[(at + c) / WIDTH] = cell_of(params.softmax_scale * sums[4u * v + i], d);
        }
      }
    }
  }
}
