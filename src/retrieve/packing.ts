// What is left of vectors beside their centroids, as rows of bits: a scale for each vector, bits for each column by how much it varies at that scale.
import {
  type Codebook,
  codeBitsOf,
  GROUP,
  LEFT,
  levelsOf,
  MOST_BITS,
  putField,
  rowWords,
  SCALE_BITS,
} from './codebook.js'

/** Vectors, turned, with the centroid of each. */
export interface Coded {
  readonly vectors: Float32Array // (T, width)
  readonly codes: Int32Array // (T)
  readonly centroids: Float32Array // (C, width)
  readonly width: number
}

/** Vectors that scales and bits are made from. */
const SAMPLE = 1 << 15
/** Where levels still move after these, they hardly do. */
const LEVEL_ROUNDS = 20
/** Of a vector that is its centroid. */
const LEAST_SCALE = 1e-6

/** Scales, and for each column its deviation and its bits. */
export function fitResiduals(coded: Coded): Pick<Codebook, 'scales' | 'deviations' | 'bits'> {
  const { codes, width, centroids } = coded
  const step = Math.max(1, Math.floor(codes.length / SAMPLE))
  const residual = new Float32Array(width)
  const chosen = Array.from({ length: Math.ceil(codes.length / step) }, (_, i) => i * step)
  const logarithms = Float64Array.from(chosen, i => Math.log(takeResidual(coded, i, residual))).sort()
  const scales = Float32Array.from(levelsAround(logarithms, 2 ** SCALE_BITS), Math.exp)
  const bounds = scaleBounds(scales)
  const squares = new Float64Array(width)
  for (const i of chosen) {
    const scale = scales[placeOf(takeResidual(coded, i, residual), bounds)]!
    for (let c = 0; c < width; c++) squares[c]! += (residual[c]! / scale) ** 2
  }
  const variances = squares.map(sum => sum / chosen.length)
  const room = 32 * rowWords(width) - SCALE_BITS - codeBitsOf(centroids.length / width)
  return { scales, deviations: Float32Array.from(variances, Math.sqrt), bits: dealBits(variances, room) }
}

/** What is left of vector i; its root mean square. */
function takeResidual({ vectors, codes, centroids, width }: Coded, i: number, into: Float32Array): number {
  const [at, centroid] = [i * width, codes[i]! * width]
  let squares = 0
  for (let c = 0; c < width; c++) {
    const value = vectors[at + c]! - centroids[centroid + c]!
    into[c] = value
    squares += value * value
  }
  return Math.max(LEAST_SCALE, Math.sqrt(squares / width))
}

/** Levels around which sorted values lie closest (Lloyd 1982): begun with the means of equal parts, then each the mean of the values nearest to it. */
function levelsAround(sorted: Float64Array, count: number): number[] {
  const { length } = sorted
  const sums = new Float64Array(length + 1)
  for (let i = 0; i < length; i++) sums[i + 1] = sums[i]! + sorted[i]!
  let bounds = Array.from({ length: count + 1 }, (_, part) => Math.floor((part * length) / count))
  let levels = new Array<number>(count).fill(0)
  for (let round = 0; round < LEVEL_ROUNDS; round++) {
    const means = levels.map((level, i) => {
      const [from, to] = [bounds[i]!, bounds[i + 1]!]
      return to > from ? (sums[to]! - sums[from]!) / (to - from) : round === 0 ? (sorted[from] ?? 0) : level
    })
    if (means.every((mean, i) => mean === levels[i])) break
    levels = means
    const inner = levels.slice(1).map((level, i) => placeOf((levels[i]! + level) / 2, sorted))
    bounds = [0, ...inner, length]
  }
  return levels
}

/** How many of rising bounds are below a value. */
function placeOf(value: number, bounds: Float64Array): number {
  let [low, high] = [0, bounds.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (bounds[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}

const scaleBounds = (scales: Float32Array): Float64Array =>
  Float64Array.from({ length: scales.length - 1 }, (_, i) => Math.sqrt(scales[i]! * scales[i + 1]!))

/** A bit more for the group of columns that gains most by it, as long as there is room. */
function dealBits(variances: Float64Array, room: number): Uint8Array {
  const width = variances.length
  const bits = new Uint8Array(width)
  const groups = Array.from({ length: Math.ceil(width / GROUP) }, (_, i) => {
    const columns = variances.subarray(i * GROUP, (i + 1) * GROUP)
    return {
      first: i * GROUP,
      size: columns.length,
      mean: columns.reduce((sum, each) => sum + each, 0) / columns.length,
    }
  })
  for (let left = room; ; ) {
    let [best, most] = [-1, 0]
    groups.forEach(({ first, size, mean }, i) => {
      const now = bits[first]!
      if (now === MOST_BITS || size > left) return
      const gain = mean * (LEFT[now]! - LEFT[now + 1]!)
      if (gain > most) [best, most] = [i, gain]
    })
    if (best < 0) return bits
    const { first, size } = groups[best]!
    bits.fill(bits[first]! + 1, first, first + size)
    left -= size
  }
}

/** (T, rowWords(width)) */
export function packRows({ vectors, codes, width }: Omit<Coded, 'centroids'>, codebook: Codebook): Uint32Array {
  const { tables, scales, deviations } = codebook
  const { centroids, fields } = tables
  const codeBits = codeBitsOf(centroids.length / width)
  const words = rowWords(width)
  const rows = new Uint32Array(codes.length * words)
  const bounds = scaleBounds(scales)
  const between = Array.from({ length: MOST_BITS + 1 }, (_, bits) => {
    const levels = levelsOf(bits)
    return Float64Array.from({ length: levels.length - 1 }, (_, i) => (levels[i]! + levels[i + 1]!) / 2)
  })
  const residual = new Float32Array(width)
  codes.forEach((code, i) => {
    const place = placeOf(takeResidual({ vectors, codes, centroids, width }, i, residual), bounds)
    const begin = 32 * words * i
    putField(rows, begin, codeBits, code)
    putField(rows, begin + codeBits, SCALE_BITS, place)
    for (let c = 0; c < width; c++) {
      const bits = fields[c]! >> 16
      if (bits === 0) continue
      const value = residual[c]! / (scales[place]! * deviations[c]!)
      putField(rows, begin + (fields[c]! & 0xffff), bits, placeOf(value, between[bits]!))
    }
  })
  return rows
}
