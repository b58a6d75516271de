// What the attention kernels share: blocks of OWN rows (of a tile, which a workgroup works through) against blocks of
// OTHER rows of the same sequence, as small matrix products through workgroup memory. 64 invocations, 8 by 8: an
// invocation holds 4 own rows against 4 others, or 4 own rows of CHANNELS/8 channels. Header: CHANNELS, at least
// params.head_size (the channels between are zero), a multiple of 32. A kernel defines `element(tensor,
// row, place, d)`, a cell of its tensors by number (scalar.wgsl, or vector.wgsl for heads of whole vectors), and `bias_at(index)`, an element of the bias (biasRows, heads). The products are those of
// attention_products.wgsl, or of attention_matrices.wgsl with f16 factors.

struct Params {
  rows: u32,
  tiles: u32,
  tile_rows: u32,
  heads: u32,
  key_value_heads: u32,
  head_size: u32,
  softmax_scale: f32,
  before: u32,
  after: u32,
  bias_rows: u32,
  threshold: u32,
  scale: f32,
  key0: u32,
  key1: u32,
}

struct Tile {
  first: u32, // its rows are [first, last)
  last: u32,
  begin: u32, // the sequence's rows are [begin, end), of which [begin, key_end) may be attended to
  end: u32,
  key_end: u32,
  sequence_key: u32,
}

// Where an invocation stands: rows 4·own … of the own block, 4·other … of the other one, or vectors other, other + 8, …
// of the channels.
struct Place {
  local: u32,
  own: u32,
  other: u32,
  head: u32, // of the queries
  key_head: u32, // of keys and values
}

// 4 × 4 values of a block: [j] holds the own rows against other row j.
alias Scores = array<vec4<f32>, 4>;
// 4 own rows × CHANNELS/8 channels: [4 · vector + row].
alias Sums = array<vec4<f32>, 4u * VECTORS>;

const TILE_STRIDE = 8u;
const ROWS = 32u; // of a block, own and other
const LANES = 64u;
const STRIDE = ROWS / 4u + 1u; // padded off one memory bank
const VECTORS = CHANNELS / 32u;

var<workgroup> weights: array<vec4<f32>, ROWS * STRIDE>; // (other rows, own rows)

// The same bound, hidden from a compiler that would take seconds over the unrolled loop (params.heads is never 0).
fn bound(count: u32) -> u32 {
  return select(count, count * min(params.heads, 1u), ROLLED);
}

fn tile_at(index: u32) -> Tile {
  let at = index * TILE_STRIDE;
  let first = u32(tiles[at]);
  let end = u32(tiles[at + 2u]);
  let last = min(first + params.tile_rows, end);
  return Tile(first, last, u32(tiles[at + 1u]), end, u32(tiles[at + 3u]), u32(tiles[at + 4u]));
}

// A cell of row `row` < `last`, else 0.
fn channel(tensor: u32, row: u32, last: u32, place: Place, d: u32) -> Cell {
  if (row >= last || d >= params.head_size) {
    return Cell();
  }
  return element(tensor, row, place, d);
}

// Places in tensors of queries (T, heads · headSize), and of keys and values (T, keyValueHeads · headSize).
fn query_at(row: u32, place: Place) -> u32 {
  return (row * params.heads + place.head) * params.head_size;
}

fn key_at(row: u32, place: Place) -> u32 {
  return (row * params.key_value_heads + place.key_head) * params.head_size;
}

// The first row of the other side that rows from `row` on see; at an even position, so that pairs share their counter.
fn first_seen(tile: Tile, row: u32, reach: u32) -> u32 {
  let position = row - tile.begin;
  return tile.begin + select(0u, (position - min(position, reach)) & 0xfffffffeu, position > reach);
}

// Which keys are seen, by query minus key.
fn seen(apart: vec4<i32>) -> vec4<bool> {
  return (apart <= vec4(i32(params.before))) & (apart >= vec4(-i32(params.after)));
}

// What is added to scores, by query minus key.
fn score_bias(apart: vec4<i32>, head: u32) -> vec4<f32> {
  var bias = vec4(0.0);
  if (params.bias_rows == 0u) {
    return bias;
  }
  let reach = i32(params.bias_rows / 2u);
  let row = vec4<u32>(clamp(apart, vec4(-reach), vec4(reach)) + reach);
  for (var i = 0u; i < bound(4u); i++) {
    bias[i] = bias_at(row[i] * params.heads + head);
  }
  return bias;
}

// The dropout factors of query i and the keys 2·pair and 2·pair + 1, positions in the sequence.
fn probability_mask(sequence_key: u32, i: u32, head: u32, pair: u32) -> vec2<f32> {
  return dropout_pair(vec2(sequence_key + i, (head << 15u) + pair), vec2(params.key0, params.key1), params.threshold, params.scale);
}

// The factors of 4 query rows from position i (components) and 4 keys from position j, even.
fn mask_queries_by_keys(sequence_key: u32, i: u32, head: u32, j: u32) -> Scores {
  var mask: Scores;
  for (var row = 0u; row < bound(4u); row++) {
    let first = probability_mask(sequence_key, i + row, head, j / 2u);
    let second = probability_mask(sequence_key, i + row, head, j / 2u + 1u);
    mask[0][row] = first.x;
    mask[1][row] = first.y;
    mask[2][row] = second.x;
    mask[3][row] = second.y;
  }
  return mask;
}
