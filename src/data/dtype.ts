// The element types of stored tensors, and blocks of them as f32 or i32. Typed arrays are taken as little-endian, as the files are.

/** Bytes per element, in the format's own order (narrow to wide), by which its writers sort tensors so that data stays aligned. */
export const dtypeBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  C64: 8,
  F64: 8,
  I64: 8,
  U64: 8,
} as const

export type Dtype = keyof typeof dtypeBytes

/** Puts one block into `out` from element `at` on; returns what is wrong with it. */
export type Converter<T> = (block: Uint8Array<ArrayBuffer>, out: T, at: number) => string | undefined
export type Converters<T> = Partial<Record<Dtype, Converter<T>>>

/** The bits of every f16 as f32, made when the first f16 tensor is read. */
let halfBits: Uint32Array | undefined
function makeHalfBits(): Uint32Array {
  const bits = new Uint32Array(1 << 16)
  const value = new Float32Array(1)
  const valueBits = new Uint32Array(value.buffer)
  for (let half = 0; half < bits.length; half++) {
    const sign = (half & 0x8000) << 16
    const exponent = (half >> 10) & 31
    const mantissa = half & 1023
    value[0] = mantissa / (1 << 24) // subnormal: mantissa · 2^−24
    const magnitude =
      exponent === 0 ? (valueBits[0] as number) : ((exponent === 31 ? 255 : exponent + 112) << 23) | (mantissa << 13)
    bits[half] = sign | magnitude
  }
  return bits
}

// Bits are moved as integers: a number passing through a JavaScript value may lose the payload of its NaN.
export const toF32: Converters<Float32Array> = {
  F32: (block, out, at) => void new Uint8Array(out.buffer).set(block, at * 4),
  F16: (block, out, at) => {
    halfBits ??= makeHalfBits()
    const bits = new Uint32Array(out.buffer)
    const halves = new Uint16Array(block.buffer)
    for (let i = 0; i < halves.length; i++) bits[at + i] = halfBits[halves[i] as number] as number
    return undefined
  },
  BF16: (block, out, at) => {
    const bits = new Uint32Array(out.buffer)
    const halves = new Uint16Array(block.buffer)
    for (let i = 0; i < halves.length; i++) bits[at + i] = (halves[i] as number) << 16
    return undefined
  },
  F64: (block, out, at) => void out.set(new Float64Array(block.buffer), at),
}

const within =
  (View: new (buffer: ArrayBuffer) => ArrayLike<number>): Converter<Int32Array> =>
  (block, out, at) =>
    void out.set(new View(block.buffer), at)

/** 64-bit integers as pairs of words: in range when the upper word only extends the lower one's sign. */
const fromPairs =
  (signed: boolean): Converter<Int32Array> =>
  (block, out, at) => {
    const words = new Int32Array(block.buffer)
    for (let i = 0; i < words.length / 2; i++) {
      const low = words[2 * i] as number
      if (words[2 * i + 1] !== low >> 31 || (!signed && low < 0)) {
        const value = new (signed ? BigInt64Array : BigUint64Array)(block.buffer)[i]
        return `${value} at ${at + i}, outside the range of a 32-bit integer`
      }
      out[at + i] = low
    }
    return undefined
  }

export const toI32: Converters<Int32Array> = {
  BOOL: within(Uint8Array),
  U8: within(Uint8Array),
  I8: within(Int8Array),
  I16: within(Int16Array),
  U16: within(Uint16Array),
  I32: within(Int32Array),
  U32: (block, out, at) => {
    const words = new Int32Array(block.buffer)
    const bad = words.findIndex(word => word < 0)
    if (bad >= 0) return `${(words[bad] as number) >>> 0} at ${at + bad}, outside the range of a 32-bit integer`
    return void out.set(words, at)
  },
  I64: fromPairs(true),
  U64: fromPairs(false),
}

/** The floating dtypes that weights are written in. */
export type StoredFloat = 'F32' | 'F16' | 'BF16'

/** An f32's bits as an f16, to the nearest, ties to even; beyond 65,504 infinite. */
function halfOf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00 // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude >= 0x38800000) {
    const rebased = magnitude - 0x38000000 // the exponent's bias 127 → 15
    return sign | ((rebased + 0xfff + ((rebased >> 13) & 1)) >> 13)
  }
  // Subnormal: a multiple of 2^−24. Adding 0.5 (exponent 126) leaves those multiples in the lowest bits, rounded to even.
  float[0] = 0.5
  const half = floatBits[0] as number
  floatBits[0] = magnitude
  float[0] = (float[0] as number) + 0.5
  return sign | ((floatBits[0] as number) - half)
}

const float = new Float32Array(1)
const floatBits = new Uint32Array(float.buffer)

/**
 * Values as they are stored in this dtype: the nearest ones, ties to even. Fails where a finite value has none (f16 ends at 65,504); `name` is
 * the tensor's.
 */
export function narrowed(values: Float32Array, dtype: StoredFloat, name: string): Float32Array | Uint16Array {
  if (dtype === 'F32') return values
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const out = new Uint16Array(values.length)
  const infinite = dtype === 'F16' ? 0x7c00 : 0x7f80
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i] as number
    const nan = (word & 0x7fffffff) > 0x7f800000
    const rounded = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
    const stored = dtype === 'F16' ? halfOf(word) : nan ? (word >>> 16) | 0x40 : rounded
    if ((stored & 0x7fff) === infinite && Number.isFinite(values[i]))
      throw new Error(`${name} holds ${values[i]}, which is too large for ${dtype}; write bf16 or f32`)
    out[i] = stored
  }
  return out
}
