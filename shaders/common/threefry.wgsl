// Threefry-2x32 with 20 rounds (Salmon et al. 2011): the same words as src/backend/random.ts.

fn rotate_left(x: u32, by: u32) -> u32 {
  return (x << by) | (x >> (32u - by));
}

fn four_rounds(words: vec2<u32>, rotations: vec4<u32>) -> vec2<u32> {
  var x = words;
  for (var i = 0u; i < 4u; i++) {
    x.x += x.y;
    x.y = rotate_left(x.y, rotations[i]) ^ x.x;
  }
  return x;
}

fn threefry2x32(counter: vec2<u32>, key: vec2<u32>) -> vec2<u32> {
  let key2 = 0x1bd11bdau ^ key.x ^ key.y;
  let even = vec4(13u, 15u, 26u, 6u);
  let odd = vec4(17u, 29u, 16u, 24u);
  var x = four_rounds(counter + key, even) + vec2(key.y, key2 + 1u);
  x = four_rounds(x, odd) + vec2(key2, key.x + 2u);
  x = four_rounds(x, even) + vec2(key.x, key.y + 3u);
  x = four_rounds(x, odd) + vec2(key.y, key2 + 4u);
  return four_rounds(x, even) + vec2(key2, key.x + 5u);
}

// The factors of two neighbouring elements: 0 where dropped, else `scale`.
fn dropout_pair(counter: vec2<u32>, key: vec2<u32>, threshold: u32, scale: f32) -> vec2<f32> {
  if (threshold == 0u) {
    return vec2(scale);
  }
  return select(vec2(scale), vec2(0.0), threefry2x32(counter, key) < vec2(threshold));
}

// The factors of four neighbouring elements, the vector-th four of their row.
fn dropout_four(row_key: u32, vector: u32, key: vec2<u32>, threshold: u32, scale: f32) -> vec4<f32> {
  if (threshold == 0u) {
    return vec4(scale);
  }
  return vec4(
    dropout_pair(vec2(row_key, 2u * vector), key, threshold, scale),
    dropout_pair(vec2(row_key, 2u * vector + 1u), key, threshold, scale),
  );
}
