// Token vectors as a centroid and 2 bits a channel (ColBERTv2, Santhanam et al. 2022, section 3.3): spherical k-means over a sample of the vectors, then
// for each channel the four levels that are nearest to what is left (Lloyd 1982). Vectors are scaled to length 1 when they are unpacked.
import type { Backend } from '../backend/backend.js'
import { narrowed, toF32 } from '../data/dtype.js'
import type { PackedVectors } from './encode-late.js'
import { searchExact } from './search.js'
import { type Codebook, MOST_CENTROIDS, storeInMemory, type TokenStore } from './token-store.js'

export interface ResidualOptions {
  /** Default: a power of two of about four times the root of the number of vectors, fewer where they would take much of the bytes. */
  readonly centroids?: number
  /** Rounds of k-means. */
  readonly rounds?: number
}

/** Vectors of a sample for each centroid. */
const SAMPLED = 32
const ROUNDS = 4
/** At least so many for each centroid, unless more centroids are asked for. */
const TOKENS_OF_CENTROID = 16

/** Unit vectors compressed: 2 bytes and a quarter of a byte a channel each. The same vectors give the same bytes on a backend. */
export async function compressTokens(
  backend: Backend,
  packed: PackedVectors,
  { centroids: asked, rounds = ROUNDS }: ResidualOptions = {},
): Promise<TokenStore> {
  const { vectors, width } = packed
  const tokens = vectors.length / width
  if (tokens === 0) throw new Error('there are no token vectors to compress')
  const count = Math.min(tokens, asked ?? centroidsFor(tokens))
  if (count > MOST_CENTROIDS)
    throw new Error(`${count} centroids are asked for, a code of 16 bits names ${MOST_CENTROIDS}; ask for fewer`)
  const sample = everyNth(vectors, width, Math.min(tokens, SAMPLED * count))
  const directions = await kMeans(backend, sample, width, count, rounds)
  const codes = await nearest(backend, vectors, directions, width)
  // A mean leaves less than its direction does: the wider a cluster, the shorter it is.
  const centroids = asHalves(meansOf(vectors, codes, directions, width))
  const codebook = { centroids, levels: levelsOf(vectors, centroids, codes, width) }
  const residuals = packResiduals(vectors, codebook, codes, width)
  return storeInMemory('residual', packed, { codes, residuals }, codebook)
}

/** A centroid takes 7.5 times what a token of 128 channels does: one for every 16 tokens takes half of what they do. */
function centroidsFor(tokens: number): number {
  const wanted = Math.min(Math.ceil(Math.log2(4 * Math.sqrt(tokens))), Math.log2(MOST_CENTROIDS))
  return 2 ** Math.max(0, Math.min(wanted, Math.floor(Math.log2(tokens / TOKENS_OF_CENTROID))))
}

/** The values that f16 keeps of them. */
function asHalves(values: Float32Array): Float32Array {
  const halves = narrowed(values, 'F16', 'the centroids') as Uint16Array
  const kept = new Float32Array(values.length)
  toF32.F16!(Uint8Array.from(new Uint8Array(halves.buffer)), kept, 0)
  return kept
}

/** `count` rows, as far apart as they may be. */
function everyNth(vectors: Float32Array, width: number, count: number): Float32Array {
  const tokens = vectors.length / width
  const chosen = new Float32Array(count * width)
  for (let i = 0; i < count; i++) {
    const row = Math.floor((i * tokens) / count)
    chosen.set(vectors.subarray(row * width, (row + 1) * width), i * width)
  }
  return chosen
}

/** The centroid of the largest dot product with each vector. */
async function nearest(
  backend: Backend,
  vectors: Float32Array,
  centroids: Float32Array,
  width: number,
): Promise<Int32Array> {
  return (await searchExact(backend, vectors, centroids, width, { k: 1, queryBlock: 4096 })).rows
}

async function kMeans(
  backend: Backend,
  vectors: Float32Array,
  width: number,
  count: number,
  rounds: number,
): Promise<Float32Array> {
  let centroids = everyNth(vectors, width, count)
  for (let round = 0; round < rounds; round++) {
    const codes = await nearest(backend, vectors, centroids, width)
    centroids = unitRows(meansOf(vectors, codes, centroids, width), centroids, width)
  }
  return centroids
}

/** The mean of the vectors of each code; the row of before where there are none. */
function meansOf(vectors: Float32Array, codes: Int32Array, before: Float32Array, width: number): Float32Array {
  const sums = new Float64Array(before.length)
  const counts = new Int32Array(before.length / width)
  for (const [i, code] of codes.entries()) {
    counts[code]!++
    for (let c = 0; c < width; c++) sums[code * width + c]! += vectors[i * width + c]!
  }
  return Float32Array.from(sums, (sum, at) => {
    const count = counts[Math.floor(at / width)]!
    return count > 0 ? sum / count : before[at]!
  })
}

/** Rows scaled to length 1; the row of before where one is 0. */
function unitRows(means: Float32Array, before: Float32Array, width: number): Float32Array {
  const rows = new Float32Array(means.length)
  for (let at = 0; at < means.length; at += width) {
    const row = means.subarray(at, at + width)
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
    if (length > 0)
      rows.set(
        row.map(value => value / length),
        at,
      )
    else rows.set(before.subarray(at, at + width), at)
  }
  return rows
}

/** Vectors whose residuals the levels are made from. */
const LEVEL_SAMPLE = 1 << 14
/** Where levels still move after these, they hardly do. */
const LEVEL_ROUNDS = 20

/** (4, width): of each channel the four rising levels around which its residuals lie closest. */
function levelsOf(vectors: Float32Array, centroids: Float32Array, codes: Int32Array, width: number): Float32Array {
  const step = Math.max(1, Math.floor(codes.length / LEVEL_SAMPLE))
  const sampled = Array.from({ length: Math.ceil(codes.length / step) }, (_, i) => i * step)
  const levels = new Float32Array(4 * width)
  for (let c = 0; c < width; c++) {
    const residuals = Float64Array.from(
      sampled,
      i => vectors[i * width + c]! - centroids[codes[i]! * width + c]!,
    ).sort()
    fourLevels(residuals).forEach((level, i) => {
      levels[i * width + c] = level
    })
  }
  return levels
}

/** Of sorted values: begun with the quarters' means, then each the mean of the values that are nearest to it. */
function fourLevels(sorted: Float64Array): number[] {
  const { length } = sorted
  const sums = new Float64Array(length + 1)
  for (let i = 0; i < length; i++) sums[i + 1] = sums[i]! + sorted[i]!
  let bounds = [0, 1, 2, 3, 4].map(quarter => Math.floor((quarter * length) / 4))
  let levels = [0, 0, 0, 0]
  for (let round = 0; round < LEVEL_ROUNDS; round++) {
    const means = levels.map((level, i) => {
      const [from, to] = [bounds[i]!, bounds[i + 1]!]
      return to > from ? (sums[to]! - sums[from]!) / (to - from) : round === 0 ? (sorted[from] ?? 0) : level
    })
    if (means.every((mean, i) => mean === levels[i])) break
    levels = means
    const inner = [0, 1, 2].map(i => firstAbove(sorted, (levels[i]! + levels[i + 1]!) / 2))
    bounds = [0, ...inner, length]
  }
  return levels
}

/** How many of sorted values are not above a bound. */
function firstAbove(sorted: Float64Array, bound: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! > bound) high = middle
    else low = middle + 1
  }
  return low
}

/** (T, ⌈width / 16⌉): the nearest level of each channel. */
function packResiduals(
  vectors: Float32Array,
  { centroids, levels }: Codebook,
  codes: Int32Array,
  width: number,
): Uint32Array {
  const words = Math.ceil(width / 16)
  const packed = new Uint32Array(codes.length * words)
  // Levels rise: a residual is above as many bounds between them as its level's number
  const bounds = Float32Array.from({ length: 3 * width }, (_, i) => (levels[i]! + levels[i + width]!) / 2)
  for (let i = 0; i < codes.length; i++)
    for (let c = 0; c < width; c++) {
      const residual = vectors[i * width + c]! - centroids[codes[i]! * width + c]!
      let level = 0
      while (level < 3 && residual > bounds[level * width + c]!) level++
      packed[i * words + (c >> 4)]! |= level << (2 * (c & 15))
    }
  return packed
}
