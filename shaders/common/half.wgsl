// Numbers of 16 bits, two a word, the lower half first, widened to f32 without loss. By integers: the built-in may take
// subnormal ones for 0.

const BF16 = 1u; // of HALF_FORMATS; 0 is f16
const FLOAT = 2u; // FLOAT_FORMAT: not to be widened

// Four numbers, each in the lower half of its word.
fn widen(halves: vec4<u32>) -> vec4<f32> {
  if (params.format == BF16) {
    return bitcast<vec4<f32>>(halves << vec4(16u));
  }
  let sign = (halves & vec4(0x8000u)) << vec4(16u);
  let exponent = (halves >> vec4(10u)) & vec4(31u);
  let mantissa = halves & vec4(1023u);
  let normal = (select(exponent + 112u, vec4(255u), exponent == vec4(31u)) << vec4(23u)) | (mantissa << vec4(13u));
  let small = bitcast<vec4<u32>>(vec4<f32>(mantissa) * 5.9604644775390625e-8);
  return bitcast<vec4<f32>>(sign | select(normal, small, exponent == vec4(0u)));
}

// Element `at` of those whose word is given.
fn widen_at(word: u32, at: u32) -> f32 {
  return widen(vec4(select(word & 0xffffu, word >> 16u, at % 2u == 1u))).x;
}

// Four neighbours.
fn widen_vector(words: vec2<u32>) -> vec4<f32> {
  return widen(vec4(words.x & 0xffffu, words.x >> 16u, words.y & 0xffffu, words.y >> 16u));
}
