// What the attention kernels share: the tile that a workgroup works on. Header: HEAD_SIZE, a multiple of 4 and at least params.head_size;
// the channels between are zero.

struct Params {
  tiles: u32,
  tile_rows: u32,
  heads: u32,
  head_size: u32,
  softmax_scale: f32,
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

const TILE_STRIDE = 8u;
const VECTORS = HEAD_SIZE / 4u;
const BLOCK = 1024u / HEAD_SIZE; // rows staged in workgroup memory at a time: 4 KiB a tensor; even

override WORKGROUP_SIZE: u32 = 32;

fn tile_at(index: u32) -> Tile {
  let at = index * TILE_STRIDE;
  let first = u32(tiles[at]);
  let end = u32(tiles[at + 2u]);
  let last = min(first + params.tile_rows, end);
  return Tile(first, last, u32(tiles[at + 1u]), end, u32(tiles[at + 3u]), u32(tiles[at + 4u]));
}

// The dropout factors of query i and the keys 2·pair and 2·pair + 1, positions in the sequence.
fn probability_mask(sequence_key: u32, i: u32, head: u32, pair: u32) -> vec2<f32> {
  return dropout_pair(vec2(sequence_key + i, (head << 15u) + pair), vec2(params.key0, params.key1), params.threshold, params.scale);
}
