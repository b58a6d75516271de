// out = dropout(softmax(softmaxScale · q kᵀ + bias)) v over packed sequences, lse = log Σ exp, by the online softmax
// (FlashAttention, Dao et al. 2022): blocks of keys pass by; each query row keeps its maximum, its sum and its output,
// rescaled when the maximum rises.

@group(0) @binding(0) var<storage, read> q: array<Cell>; // (T, heads · headSize)
@group(0) @binding(1) var<storage, read> k: array<Cell>; // (T, keyValueHeads · headSize)
@group(0) @binding(2) var<storage, read> v: array<Cell>; // (T, keyValueHeads · headSize)
@group(0) @binding(3) var<storage, read> tiles: array<i32>; // (tiles, TILE_STRIDE)
@group(0) @binding(4) var<storage, read> bias: array<f32>; // (biasRows, heads), optional
@group(0) @binding(5) var<storage, read_write> out: array<Cell>; // (T, heads · headSize), =
@group(0) @binding(6) var<storage, read_write> lse: array<f32>; // (T, heads), =
@group(0) @binding(7) var<uniform> params: Params;

const Q = 0u;
const K = 1u;
const V = 2u;
const LOWEST = -1e30; // below any score, and finite: a WGSL compiler may assume that there are no infinities

var<workgroup> partial: array<vec4<f32>, LANES>; // (8 others, 8 owns) of 4 rows each

fn element(tensor: u32, row: u32, place: Place, d: u32) -> Cell {
  switch tensor {
    case Q: { return q[(query_at(row, place) + d) / WIDTH]; }
    case K: { return k[(key_at(row, place) + d) / WIDTH]; }
    default: { return v[(key_at(row, place) + d) / WIDTH]; }
  }
}

fn bias_at(index: u32) -> f32 {
  return bias[index];
}

fn row_max(place: Place, scores: Scores) -> vec4<f32> {
  partial[8u * place.other + place.own] = max(max(scores[0], scores[1]), max(scores[2], scores[3]));
  workgroupBarrier();
  var greatest = partial[place.own];
  for (var i = 1u; i < 8u; i++) {
    greatest = max(greatest, partial[8u * i + place.own]);
  }
  return greatest;
}

fn row_sum(place: Place, part: vec4<f32>) -> vec4<f32> {
  workgroupBarrier();
  partial[8u * place.other + place.own] = part;
  workgroupBarrier();
  var total = partial[place.own];
  for (var i = 1u; i < 8u; i++) {
    total += partial[8u * i + place.own];
  }
  return total;
}

fn attend(place: Place, tile: Tile, first_row: u32) {
  let row = first_row + 4u * place.own;
  var sums: Sums;
  var greatest = vec4(LOWEST);
  var total = vec4(0.0); // of this invocation's keys
  let end = min(tile.key_end, min(first_row + ROWS, tile.last) + params.after);
  for (var first = first_seen(tile, first_row, params.before); first < end; first += ROWS) {
    var scores = products(place, Q, first_row, tile.last, K, first, end);
    let key = first + 4u * place.other;
    let apart = i32(row) - i32(key) + vec4(0, 1, 2, 3);
    var among: array<vec4<bool>, 4>;
    for (var j = 0u; j < 4u; j++) {
      among[j] = seen(apart - i32(j)) & vec4(key + j < end);
      let score = params.softmax_scale * scores[j] + score_bias(apart - i32(j), place.head);
      scores[j] = select(vec4(LOWEST), score, among[j]);
    }
    let highest = max(greatest, row_max(place, scores));
    let rescale = exp(greatest - highest);
    greatest = highest;
    total *= rescale;
    let mask = mask_queries_by_keys(tile.sequence_key, row - tile.begin, place.head, key - tile.begin);
    for (var j = 0u; j < 4u; j++) {
      let p = select(vec4(0.0), exp(scores[j] - greatest), among[j]);
      total += p;
      scores[j] = p * mask[j];
    }
    for (var i = 0u; i < bound(4u * VECTORS); i++) {
      sums[i] *= rescale[i % 4u];
    }
    put_weights(place, scores);
    accumulate(place, &sums, V, first, end);
  }
  store(place, tile, row, sums, greatest, row_sum(place, total));
}

fn store(place: Place, tile: Tile, row: u32, sums: Sums, greatest: vec4<f32>, total: vec4<f32>) {
  for (var i = 0u; i < bound(4u); i++) {
    if (row + i >= tile.last) {
      break;
    }
    let at = (row + i) * params.heads + place.head;
    let sum = max(total[i], 1e-30);
    for (var v = 0u; v < bound(VECTORS); v++) {
      for (var d = 0u; d < 4u; d += WIDTH) {
        let c = 4u * (8u * v + place.other) + d;
        if (c < params.head_size) {
          out[(at * params.head_size + c) / WIDTH] = cell_of(sums[4u * v + i] / sum, d);
        }
      }
    }
    if (place.other == 0u) {
      lse[at] = select(0.0, greatest[i] + log(sum), total[i] != 0.0);
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
  for (var first_row = tile.first; first_row < tile.last; first_row += ROWS) {
    attend(place, tile, first_row);
  }
}
