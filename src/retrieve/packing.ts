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

/** What an error along the direction counts, beside errors in every direction. */
const ALONG = 8
/** Times that the columns of a vector are gone through for it. */
const PASSES = 3

/** (T, rowWords(width)). `direction` (width), turned, of length 1: codes are chosen such that little is left of vectors along it. */
export function packRows(
  { vectors, codes, width }: Omit<Coded, 'centroids'>,
  codebook: Codebook,
  direction?: Float32Array,
): Uint32Array {
  const { tables, scales, deviations } = codebook
  const { centroids, fields } = tables
  const codeBits = codeBitsOf(centroids.length / width)
  const words = rowWords(width)
  const rows = new Uint32Array(codes.length * words)
  const bounds = scaleBounds(scales)
  const levels = Array.from({ length: MOST_BITS + 1 }, (_, bits) => levelsOf(bits))
  const between = levels.map(each => each.subarray(1).map((level, i) => (each[i]! + level) / 2))
  const [left, chosen] = [new Float32Array(width), new Int32Array(width)]
  // Of each column the levels that it has, and what they are multiplied by
  const columns = Array.from(fields, field => levels[field >> 16]!)
  const steps = new Float64Array(width)
  codes.forEach((code, i) => {
    const place = placeOf(takeResidual({ vectors, codes, centroids, width }, i, left), bounds)
    for (let c = 0; c < width; c++) {
      const step = scales[place]! * deviations[c]!
      steps[c] = step
      chosen[c] = step > 0 ? placeOf(left[c]! / step, between[fields[c]! >> 16]!) : 0
      left[c]! -= step * columns[c]![chosen[c]!]!
    }
    if (direction) settle(vectors.subarray(i * width, (i + 1) * width), left, chosen, columns, steps, direction)
    const begin = 32 * words * i
    putField(rows, begin, codeBits, code)
    putField(rows, begin + codeBits, SCALE_BITS, place)
    for (let c = 0; c < width; c++) putField(rows, begin + (fields[c]! & 0xffff), fields[c]! >> 16, chosen[c]!)
  })
  return rows
}

/**
 * Moves columns to a neighbouring level where the sum of squares that are left, with ALONG times the square along the direction, becomes less. What is left
 * along it is that of the vector as it will be unpacked: at length 1.
 */
function settle(
  vector: Float32Array,
  left: Float32Array,
  chosen: Int32Array,
  columns: readonly Float64Array[],
  steps: Float64Array,
  direction: Float32Array,
): void {
  for (let pass = 0; pass < PASSES; pass++) {
    let [along, squares, product] = [0, 0, 0]
    for (let c = 0; c < left.length; c++) {
      const kept = vector[c]! - left[c]!
      squares += kept * kept
      along -= kept * direction[c]!
      product += vector[c]! * direction[c]!
    }
    along += Math.sqrt(squares) * product
    for (let c = 0; c < left.length; c++) {
      const [levels, now] = [columns[c]!, chosen[c]!]
      // Moving by `change` turns `along` into along + change · direction
      const side = ALONG * along * direction[c]!
      const square = 1 + ALONG * direction[c]! ** 2
      let [best, most, next] = [0, 0, now]
      for (const other of [now - 1, now + 1]) {
        if (other < 0 || other >= levels.length) continue
        const change = steps[c]! * (levels[now]! - levels[other]!)
        const gain = -change * (2 * (left[c]! + side) + change * square)
        if (gain > most) [best, most, next] = [change, gain, other]
      }
      chosen[c] = next
      left[c]! += best
      along += best * direction[c]!
    }
  }
}
