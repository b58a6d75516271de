// The gradient of attention_forward for the queries, see common/attention_queries.wgsl, and for the bias: dbias of a tile, Σ of ds_ij along the diagonals.
// delta is given.

@group(0) @binding(0) var<storage, read> q: array<Cell>; // (T, heads · headSize)
@group(0) @binding(1) var<storage, read> k: array<Cell>; // (T, keyValueHeads · headSize)
@group(0) @binding(2) var<storage, read> v: array<Cell>; // (T, keyValueHeads · headSize)
@group(0) @binding(3) var<storage, read> dout: array<Cell>; // (T, heads · headSize)
@group(0) @binding(4) var<storage, read> stats: array<f32>; // lse, delta (T, heads) each, then the bias (biasRows, heads)
@group(0) @binding(5) var<storage, read> tiles: array<i32>; // (tiles, TILE_STRIDE)
@group(0) @binding(6) var<storage, read_write> dq: array<Cell>; // (T, heads · headSize), =
@group(0) @binding(7) var<storage, read_write> dbias: array<f32>; // (tiles, biasRows, heads), =
@group(0) @binding(8) var<uniform> params: Params;

// Where the differences of the tile and head begin in dbias.
var<private> first_bias: u32;
// The sums of what lies beyond the ends of the bias.
var<private> ends: vec2<f32>;

fn delta_of(place: Place, tile: Tile, row: u32) -> vec4<f32> {
  var delta: vec4<f32>;
  for (var i = 0u; i < 4u; i++) {
    if (row + i < tile.last) {
      delta[i] = stats[(params.rows + row + i) * params.heads + place.head];
    }
  }
  return delta;
}

fn see_gradients(place: Place, base: i32) {
  workgroupBarrier();
  add_diagonals(place, base);
}

// Adds the weights' diagonals, each to the element of dbias of its difference. An invocation has the same differences in every block, those alike modulo 64; what lies beyond the
// ends of the bias it adds up in `ends`.
fn add_diagonals(place: Place, base: i32) {
  let reach = i32(params.bias_rows / 2u);
  let diagonal = ((i32(place.local) - base + 31) & 63) - 31;
  var sum = 0.0;
  for (var own = max(diagonal, 0); own < min(32, 32 + diagonal); own++) {
    sum += weights[u32(own - diagonal) * STRIDE + u32(own) / 4u][u32(own) % 4u];
  }
  let apart = base + diagonal;
  if (apart <= -reach) {
    ends.x += sum;
  } else if (apart >= reach) {
    ends.y += sum;
  } else {
    dbias[first_bias + u32(apart + reach) * params.heads] += sum;
  }
}

// The elements that the same invocation will add to.
fn clear_diagonals(place: Place) {
  for (var row = (place.local + params.bias_rows / 2u) & 63u; row < params.bias_rows; row += LANES) {
    dbias[first_bias + row * params.heads] = 0.0;
  }
}

fn store_ends(place: Place) {
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
  first_bias = (unit / params.heads) * params.bias_rows * params.heads + head;
  clear_diagonals(place);
  for (var first_row = tile.first; first_row < tile.last; first_row += ROWS) {
    differentiate(place, tile, first_row);
  }
  store_ends(place);
}
