// Texts to the token vectors that late interaction scores: every token's vector, without those of tokens that take no part.
import type { Backend } from '../backend/backend.js'
import { type Encoder, encoderWidth } from '../model/encoder.js'
import type { LateBatch } from '../model/late-interaction.js'
import { createTokenVectorEncoder, type EncodeOptions } from './encode.js'

/** Vectors of packed texts, one a token. */
export interface PackedVectors {
  readonly vectors: Float32Array // (T, width)
  readonly offsets: Int32Array // (B + 1)
  readonly width: number
}

/** `encoder`: placed with `perToken`. */
export async function encodeLate(
  backend: Backend,
  encoder: Encoder,
  batch: LateBatch,
  options: EncodeOptions = {},
): Promise<PackedVectors> {
  const made = createTokenVectorEncoder(backend, encoder)
  try {
    return keptVectors(await made.encode(batch, options), batch, encoderWidth(encoder))
  } finally {
    made.release()
  }
}

/** Leaves out the vectors of tokens that are not kept. */
export function keptVectors(vectors: Float32Array, { keep, offsets }: LateBatch, width: number): PackedVectors {
  const ends = new Int32Array(offsets.length)
  const kept = new Float32Array(keep.reduce((sum, each) => sum + (each ? 1 : 0), 0) * width)
  let to = 0
  for (let b = 0; b + 1 < offsets.length; b++) {
    for (let t = offsets[b]!; t < offsets[b + 1]!; t++)
      if (keep[t]) kept.set(vectors.subarray(t * width, (t + 1) * width), to++ * width)
    ends[b + 1] = to
  }
  return { vectors: kept, offsets: ends, width }
}
