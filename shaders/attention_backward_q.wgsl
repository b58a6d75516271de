// The gradient of attention_forward for the queries, see common/attention_queries.wgsl; and delta_i = Σ_d dout_id · out_id, which the gradients of keys
// and values read too (FlashAttention, Dao et al. 2022, appendix B).

@group(0) @binding(0) var<storage, read> q: array<Cell>; // (T, heads · headSize)
@group(0) @binding(1) var<storage, read> k: array<Cell>; // (T, keyValueHeads · headSize)
@group(0) @binding(2) var<storage, read> v: array<Cell>; // (T, keyValueHeads · headSize)
@group(0) @binding(3) var<storage, read> out: array<Cell>; // (T, heads · headSize)
@group(0) @binding(4) var<storage, read> dout: array<Cell>; // (T, heads · headSize)
@group(0) @binding(5) var<storage, read_write> stats: array<f32>; // lse, delta (T, heads) each, then the bias (biasRows, heads); delta =
@group(0) @binding(6) var<storage, read> tiles: array<i32>; // (tiles, TILE_STRIDE)
@group(0) @binding(7) var<storage, read_write> dq: array<Cell>; // (T, heads · headSize), =
@group(0) @binding(8) var<uniform> params: Params;

// The eight invocations of the same rows share their channels.
fn delta_of(place: Place, tile: Tile, row: u32) -> vec4<f32> {
  var part = vec4(0.0);
  for (var i = 0u; i < bound(4u); i++) {
    if (row + i < tile.last) {
      let at = query_at(row + i, place);
      for (var d = WIDTH * place.other; d < params.head_size; d += 8u * WIDTH) {
        part[i] += cell_sum(dout[(at + d) / WIDTH] * out[(at + d) / WIDTH]);
      }
    }
  }
  workgroupBarrier();
  weights[place.local] = part;
  workgroupBarrier();
  var delta = vec4(0.0);
  for (var other = 0u; other < 8u; other++) {
    delta += weights[8u * place.own + other];
  }
  if (place.other == 0u) {
    for (var i = 0u; i < 4u; i++) {
      if (row + i < tile.last) {
        stats[(params.rows + row + i) * params.heads + place.head] = delta[i];
      }
    }
  }
  return delta;
}

fn see_gradients(place: Place, base: i32) {}

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
    differentiate(place, tile, first_row);
  }
}
