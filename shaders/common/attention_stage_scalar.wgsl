// What attention_products.wgsl multiplies, read in single elements.

// Channels first … first + DEPTH - 1 of 32 own rows of tensor a and of 32 other rows of tensor b.
fn stage_channels(place: Place, a: u32, own_first: u32, own_last: u32, b: u32, other_first: u32, other_last: u32, first: u32) {
  for (var e = place.local; e < bound(ROWS / 4u * DEPTH); e += LANES) {
    let d = e % DEPTH;
    let row = 4u * (e / DEPTH);
    var own = vec4(0.0);
    var other = vec4(0.0);
    for (var i = 0u; i < bound(4u); i++) {
      own[i] = channel(a, own_first + row + i, own_last, place, first + d);
      other[i] = channel(b, other_first + row + i, other_last, place, first + d);
    }
    own_channels[d * STRIDE + row / 4u] = own;
    other_channels[d * STRIDE + row / 4u] = other;
  }
}

fn four_channels(tensor: u32, row: u32, last: u32, place: Place, d: u32) -> vec4<f32> {
  var values = vec4(0.0);
  for (var i = 0u; i < bound(4u); i++) {
    values[i] = channel(tensor, row, last, place, d + i);
  }
  return values;
}
