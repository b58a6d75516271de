// Factors of products in the formats that they are held in, as f64.
import { FLOAT_FORMAT, HALF_FORMATS } from '../../src/backend/kernels.js'

/** Number i of a tensor of 16 bits a number, by the definition of its format. */
export function halfOf(words: Uint32Array, i: number, format: number): number {
  const half = i % 2 ? words[i >> 1]! >>> 16 : words[i >> 1]! & 0xffff
  const [fraction, bias, top] = HALF_FORMATS[format] === 'bf16' ? [7, 127, 255] : [10, 15, 31]
  const sign = half >> 15 ? -1 : 1
  const exponent = (half & 0x7fff) >> fraction
  const mantissa = (half & (2 ** fraction - 1)) / 2 ** fraction
  if (exponent === top) return mantissa ? Number.NaN : sign * Infinity
  return sign * (exponent ? (1 + mantissa) * 2 ** (exponent - bias) : mantissa * 2 ** (1 - bias))
}

export const widened = (words: Uint32Array, format: number) =>
  Float64Array.from({ length: 2 * words.length }, (_, i) => halfOf(words, i, format))

/** Of 16 bits a number, or f32 as words. */
export const factorOf = (words: Uint32Array, format: number): Float64Array =>
  format === FLOAT_FORMAT
    ? Float64Array.from(new Float32Array(words.buffer, words.byteOffset, words.length))
    : widened(words, format)
