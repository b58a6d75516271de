// What attention_products.wgsl multiplies, read in vectors of four channels: blocks of 4 rows × 4 channels, turned in registers. Half of the invocations take
// the own rows, half the others.

const BLOCKS_D = DEPTH / 4u;

// For each of four channels a vector of four rows.
fn block_of(tensor: u32, row: u32, last: u32, place: Place, d: u32) -> mat4x4<f32> {
  var rows: mat4x4<f32>;
  for (var i = 0u; i < bound(4u); i++) {
    rows[i] = channel(tensor, row + i, last, place, d);
  }
  return transpose(rows);
}

fn stage_channels(place: Place, a: u32, own_first: u32, own_last: u32, b: u32, other_first: u32, other_last: u32, first: u32) {
  let e = place.local % (LANES / 2u);
  let d = 4u * (e % BLOCKS_D);
  let row = e / BLOCKS_D;
  if (place.local < LANES / 2u) {
    let own = block_of(a, own_first + 4u * row, own_last, place, first + d);
    for (var i = 0u; i < bound(4u); i++) {
      own_channels[(d + i) * STRIDE + row] = own[i];
    }
  } else {
    let other = block_of(b, other_first + 4u * row, other_last, place, first + d);
    for (var i = 0u; i < bound(4u); i++) {
      other_channels[(d + i) * STRIDE + row] = other[i];
    }
  }
}

fn four_channels(tensor: u32, row: u32, last: u32, place: Place, d: u32) -> vec4<f32> {
  return channel(tensor, row, last, place, d);
}
