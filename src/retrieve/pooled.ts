// The mean of each text's token vectors, scaled to length 1: what the first of two stages searches by. Of a store it is made block by block, from the
// vectors as they are stored.
import { toF32 } from '../data/dtype.js'
import type { PackedVectors } from './encode-late.js'
import { documentBlocks } from './maxsim.js'
import type { TokenStore } from './token-store.js'

/** Tokens that are unpacked at a time. */
const BLOCK_TOKENS = 1 << 16

/** (B, width) */
export function pooledTokens({ vectors, offsets, width }: PackedVectors): Float32Array {
  const pooled = new Float32Array((offsets.length - 1) * width)
  for (let b = 0; b + 1 < offsets.length; b++) {
    const sums = new Float64Array(width)
    for (let t = offsets[b]!; t < offsets[b + 1]!; t++)
      for (let c = 0; c < width; c++) sums[c]! += vectors[t * width + c]!
    const length = Math.sqrt(sums.reduce((sum, value) => sum + value * value, 0))
    if (length > 0)
      pooled.set(
        sums.map(value => value / length),
        b * width,
      )
  }
  return pooled
}

/** (N, width): of a store's documents. */
export async function pooledStore(store: TokenStore, blockTokens = BLOCK_TOKENS): Promise<Float32Array> {
  const { offsets, width } = store
  const pooled = new Float32Array((offsets.length - 1) * width)
  for (const { first, last } of documentBlocks(offsets, blockTokens)) {
    const from = offsets[first]!
    const vectors = unpacked(store, await store.read(from, offsets[last]!))
    const ends = offsets.slice(first, last + 1).map(end => end - from)
    pooled.set(pooledTokens({ vectors, offsets: ends, width }), first * width)
  }
  return pooled
}

/** Vectors as they are stored, in f32; residuals on top of their centroids, not scaled to length 1. */
function unpacked(
  { form, width, codebook }: TokenStore,
  arrays: Awaited<ReturnType<TokenStore['read']>>,
): Float32Array {
  if (form === 'f32') return arrays.vectors as Float32Array
  if (form === 'f16') {
    const words = arrays.vectors!
    const vectors = new Float32Array(2 * words.length)
    toF32.F16!(new Uint8Array(Uint32Array.from(words).buffer), vectors, 0)
    return vectors
  }
  const { centroids, levels } = codebook!
  const { codes, residuals } = arrays
  const words = Math.ceil(width / 16)
  const vectors = new Float32Array(codes!.length * width)
  for (let i = 0; i < codes!.length; i++)
    for (let c = 0; c < width; c++) {
      const level = (residuals![i * words + (c >> 4)]! >>> (2 * (c & 15))) & 3
      vectors[i * width + c] = centroids[codes![i]! * width + c]! + levels[level * width + c]!
    }
  return vectors
}
