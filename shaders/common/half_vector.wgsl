// Four neighbours of a factor b of 16 bits a number, declared as array<vec2<u32>>. See half.wgsl.

fn vector_b(at: u32) -> vec4<f32> {
  return widen_vector(b[at / 4u]);
}
