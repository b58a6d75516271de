// The mean of each text's token vectors, scaled to length 1: what the first of two stages searches by. Of a store it is made block by block, from the
// vectors as they are stored.
import { toF32 } from '../data/dtype.js'
import { unpackRows } from './codebook.js'
import type { PackedVectors } from './encode-late.js'
import { documentBlocks } from './maxsim.js'
import { turnRows } from './rotation.js'
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
    pooled.set(turnedBack(pooledTokens({ vectors, offsets: ends, width }), store), first * width)
  }
  return pooled
}

const turnedBack = (rows: Float32Array, { codebook, width }: TokenStore): Float32Array =>
  codebook?.tables.rotation ? turnRows(rows, codebook.tables.rotation, width, true) : rows

/** Vectors as they are stored, in f32; residuals turned, and not scaled to length 1. */
function unpacked(
  { form, width, codebook }: TokenStore,
  arrays: Awaited<ReturnType<TokenStore['read']>>,
): Float32Array {
  if (form === 'f32') return arrays.vectors as Float32Array
  if (form === 'residual') return unpackRows(arrays.tokens as Uint32Array, codebook!, width)
  const words = arrays.vectors!
  const vectors = new Float32Array(2 * words.length)
  toF32.F16!(new Uint8Array(Uint32Array.from(words).buffer), vectors, 0)
  return vectors
}
