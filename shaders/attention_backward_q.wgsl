// The gradient of attention_forward for the queries: ds_ij = p_ij · (mask_ij · scale · (dout_i · v_j) − delta_i), dq_i
// = softmaxScale · Σ_j ds_ij k_j, the probabilities recomputed, p_ij = exp(softmaxScale · q_i · k_j + bias_ij − lse_i)
// (FlashAttention, Dao et al. 2022, algorithm 4). With a bias, dbias of a tile: Σ of ds_ij along the diagonals.

@group(0) @binding(0) var<storage, read> q: array<f32>; // (T, heads · headSize)
@group(0) @binding(1) var<storage, read> k: array<f32>; // (T, keyValueHeads · headSize)
@group(0) @binding(2) var<storage, read> v: array<f32>; // (T, keyValueHeads · headSize)
@group(0) @binding(3) var<storage, read> dout: array<f32>; // (T, heads · headSize)
@group(0) @binding(4) var<storage, read> stats: array<f32>; // (T, heads, 2) = (lse, delta), then the bias (biasRows, heads)
@group(0) @binding(5) var<storage, read> tiles: array<i32>; // (tiles, TILE_STRIDE)
@group(0) @binding(6) var<storage, read_write> dq: array<f32>; // (T, heads · headSize), =
@group(0) @binding(7) var<storage, read_write> dbias: array<f32>; // (tiles, biasRows, heads), =, optional
@group(0) @binding(8) var<uniform> params: Params;

const Q = 0u;
const K = 1u;
const V = 2u;
const DOUT = 3u;

fn element(tensor: u32, row: u32, place: Place, d: u32) -> f32 {
  switch tensor {
    case Q: { return q[query_at(row, place) + d]; }
    case K: { return k[key_at(row, place) + d]; }
    case V: { return v[key_at(row, place) + d]; }
    default: { return dout[query_at(row, place) + d]; }
  }
}

fn bias_at(index: u32) -> f32 {
  return stats[2u * params.rows * params.heads + index];
}

// Adds the weights' diagonals, each to the element of dbias of its difference; `first_bias` is where those of the tile
// and head begin. An invocation has the same differences in every block, those alike modulo 64; what lies beyond the
// ends of the bias it adds up in `ends`.
fn add_diagonals(place: Place, base: i32, first_bias: u32, ends: ptr<function, vec2<f32>>) {
  let reach = i32(params.bias_rows / 2u);
  let diagonal = ((i32(place.local) - base + 31) & 63) - 31;
  var sum = 0.0;
  for (var own = max(diagonal, 0); own < min(32, 32 + diagonal); own++) {
    sum += weights[u32(own - diagonal) * STRIDE + u32(own) / 4u][u32(own) % 4u];
  }
  let apart = base + diagonal;
  if (apart <= -reach) {
    (*ends).x += sum;
  } else if (apart >= reach) {
    (*ends).y += sum;
  } else {
    dbias[first_bias + u32(apart + reach) * params.heads] += sum;
  }
}

// The elements that the same invocation will add to.
fn clear_diagonals(place: Place, first_bias: u32) {
  for (var row = (place.local + params.bias_rows / 2u) & 63u; row < params.bias_rows; row += LANES) {
    dbias[first_bias + row * params.heads] = 0.0;
  }
}

fn store_ends(place: Place, first_bias: u32, ends: vec2<f32>) {
  workgroupBarrier();
  weights[place.local] = vec4(ends, 0.0, 0.0);
  workgroupBarrier();
  if (place.local != 0u) {
    return;
  }
  var sum = vec2(0.0);
  for (var i = 0u; i < LANES; i++) {
    sum += weights[i].xy;
  }
  let last = params.bias_rows - 1u;
  dbias[first_bias] = select(sum.x, sum.x + sum.y, last == 0u);
  if (last > 0u) {
    dbias[first_bias + last * params.heads] = sum.y;
  }
}

fn differentiate(place: Place, tile: Tile, first_row: u32, first_bias: u32, ends: ptr<function, vec2<f32>>) {
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
    if (params.bias_rows != 0u) {
      workgroupBarrier();
      add_diagonals(place, i32(first_row) - i32(first), first_bias, ends);
    }
    accumulate(place, &sums, K, first, end);
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
  let head = unit % params.heads;
  let place = Place(local, local / 8u, local % 8u, head, head / (params.heads / params.key_value_heads));
  let first_bias = (unit / params.heads) * params.bias_rows * params.heads + head;
  var ends: vec2<f32>;
  clear_diagonals(place, first_bias);
  for (var first_row = tile.first; first_row < tile.last; first_row += ROWS) {
    differentiate(place, tile, first_row, first_bias, &ends);
  }
  if (params.bias_rows != 0u) {
    store_ends(place, first_bias, ends);
  }
}
