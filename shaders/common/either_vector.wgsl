// Four neighbours of a factor b that is f32 or has 16 bits a number, by params.format; declared as array<vec2<u32>>. See half.wgsl.

fn vector_b(at: u32) -> vec4<f32> {
  let i = at / 4u;
  if (params.format == FLOAT) {
    return bitcast<vec4<f32>>(vec4(b[2u * i], b[2u * i + 1u]));
  }
  return widen_vector(b[i]);
}
