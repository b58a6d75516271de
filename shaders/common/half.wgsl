// Numbers of 16 bits, two a word, the lower half first, widened to f32 without loss. By integers: the built-in may take
// subnormal ones for 0.

const BF16 = 1u; // of HALF_FORMATS; 0 is f16
const FLOAT = 2u; // FLOAT_FORMAT: not to be widened

// Element `at` of those whose word is given.
fn widen_at(word: u32, at: u32) -> f32 {
  let half = select(word & 0xffffu, word >> 16u, at % 2u == 1u);
  if (params.format == BF16) {
    return bitcast<f32>(half << 16u);
  }
  let sign = (half & 0x8000u) << 16u;
  let exponent = (half >> 10u) & 31u;
  let mantissa = half & 1023u;
  if (exponent == 0u) {
    let size = f32(mantissa) * 5.9604644775390625e-8;
    return select(size, -size, sign != 0u);
  }
  return bitcast<f32>(sign | (select(exponent + 112u, 255u, exponent == 31u) << 23u) | (mantissa << 13u));
}
