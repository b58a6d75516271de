// What common/matmul_vec4.wgsl takes of b where that is codes of 4 or 8 bits, see common/quantized.wgsl.

// Four neighbours are of one group, their codes in one word.
fn vector_b(at: u32) -> vec4<f32> {
  let place = stored_at(at);
  let scale = scale_of(place);
  let shifts = vec4(place * params.bits % 32u) + params.bits * vec4(0u, 1u, 2u, 3u);
  let codes = (vec4(word_of(place)) >> shifts) & vec4((1u << params.bits) - 1u);
  return scale.y + scale.x * vec4<f32>(codes);
}
