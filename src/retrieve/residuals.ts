// Token vectors as a centroid and 2 bits a column in the mean, after ColBERTv2 (Santhanam et al. 2022, section 3.3): spherical k-means over a sample of the
// vectors; what is left turned to the directions in which it varies (Ge et al. 2013, optimized product quantization), where each column gets bits by its
// variance and each vector a scale. The table of centroids is as large as a sixth of f16's bytes allows. See codebook.ts for what is stored.
import type { Backend } from '../backend/backend.js'
import { plainProduct } from '../ops/product.js'
import { freeTensors, frozenTensor } from '../tensor/parameters.js'
import { createPlan } from '../tensor/plan.js'
import { createPool, createProgram, releasePool } from '../tensor/program.js'
import { call, createTrace, input, output, temporary } from '../tensor/trace.js'
import {
  centroidTable,
  MOST_CENTROIDS,
  openCodebook,
  rotationTable,
  rowWords,
  type StoredCodebook,
} from './codebook.js'
import type { PackedVectors } from './encode-late.js'
import { fitResiduals, packRows } from './packing.js'
import { directionsOf } from './rotation.js'
import { rowsThatBind, searchExact } from './search.js'
import { storeInMemory, type TokenStore } from './token-store.js'

export interface ResidualOptions {
  /** Default: a power of two of about four times the root of the number of vectors, fewer where they would take more than they give. */
  readonly centroids?: number
  /** Rounds of k-means. */
  readonly rounds?: number
  /**
   * Token vectors of some query, an empty one say. What they have in common (masks that queries are filled up with are alike) finds the same token of a
   * document again and again: errors along their mean add up, so codes are chosen to leave little of them.
   */
  readonly query?: Float32Array
}

/** Vectors of a sample for each centroid. */
const SAMPLED = 32
const ROUNDS = 4
/** At least so many for each centroid, unless more centroids are asked for. */
const TOKENS_OF_CENTROID = 16
/** At least so many for each column, or a rotation takes more than it gives. */
const TOKENS_OF_COLUMN = 32
/** Vectors of which directions are made. */
const DIRECTIONS_SAMPLE = 1 << 14
/** Vectors that are turned at a time. */
const TURNED = 1 << 16

/** Unit vectors compressed to 2 bits a column and some 20 bits, and what they share. The same vectors give the same bytes on a backend. */
export async function compressTokens(
  backend: Backend,
  packed: PackedVectors,
  { centroids: asked, rounds = ROUNDS, query }: ResidualOptions = {},
): Promise<TokenStore> {
  const { vectors, width } = packed
  const tokens = vectors.length / width
  if (tokens === 0) throw new Error('there are no token vectors to compress')
  const count = Math.min(tokens, asked ?? centroidsFor(tokens, width))
  if (count > MOST_CENTROIDS)
    throw new Error(`${count} centroids are asked for, a code of 16 bits names ${MOST_CENTROIDS}; ask for fewer`)
  const sample = everyNth(vectors, width, Math.min(tokens, SAMPLED * count))
  const directions = await kMeans(backend, sample, width, count, rounds)
  const codes = await nearest(backend, vectors, directions, width)
  // A mean leaves less than its direction does: the wider a cluster, the shorter it is.
  const means = meansOf(vectors, codes, directions, width)
  const rotation = rotates(tokens, width) ? rotationFor(vectors, codes, means, width) : undefined
  const matrix = rotation && rotationTable(rotation, width)
  const turned = async (rows: Float32Array) => (matrix ? turnedOn(backend, rows, matrix, width) : rows)
  const shared = { ...eighths(await turned(means), width), ...(rotation && { rotation }) }
  const coded = { vectors: await turned(vectors), codes, centroids: centroidTable(shared), width }
  const codebook = openCodebook({ ...shared, ...fitResiduals(coded) }, width)
  const direction = query && meanDirection(await turned(query), width)
  return storeInMemory('residual', packed, { tokens: packRows(coded, codebook, direction) }, codebook)
}

/** Of length 1; nothing where the mean is 0. */
function meanDirection(vectors: Float32Array, width: number): Float32Array | undefined {
  const sums = new Float64Array(width)
  vectors.forEach((value, at) => {
    sums[at % width]! += value
  })
  const length = Math.sqrt(sums.reduce((sum, value) => sum + value * value, 0))
  return length > 0 ? Float32Array.from(sums, value => value / length) : undefined
}

const rotates = (tokens: number, width: number): boolean => tokens >= TOKENS_OF_COLUMN * width

/** As many as stay below a sixth of f16's bytes, or a third of what the vectors take where rows are nearly a sixth already. */
function centroidsFor(tokens: number, width: number): number {
  const row = 4 * rowWords(width)
  const room = tokens * Math.max((2 * width) / 6 - row, row / 8) - (rotates(tokens, width) ? width * width : 0)
  const shared = 32 + 9 * width
  const wanted = Math.ceil(Math.log2(4 * Math.sqrt(tokens)))
  const most = Math.log2(Math.max(1, Math.min((room - shared) / width, tokens / TOKENS_OF_CENTROID)))
  return 2 ** Math.min(wanted, Math.floor(most), Math.log2(MOST_CENTROIDS))
}

/** Columns: the directions in which vectors vary about their centroids, in 8 bits; nothing where all are centroids. */
function rotationFor(
  vectors: Float32Array,
  codes: Int32Array,
  means: Float32Array,
  width: number,
): Int8Array | undefined {
  const step = Math.max(1, Math.floor(codes.length / DIRECTIONS_SAMPLE))
  const residuals = new Float32Array(Math.ceil(codes.length / step) * width)
  for (let i = 0, to = 0; i < codes.length; i += step, to += width)
    for (let c = 0; c < width; c++) residuals[to + c] = vectors[i * width + c]! - means[codes[i]! * width + c]!
  const directions = directionsOf(residuals, width)
  if (!directions) return undefined
  const most = directions.reduce((sum, value) => Math.max(sum, Math.abs(value)), 0)
  return Int8Array.from(directions, value => Math.round((127 * value) / most))
}

/** Rows in 8 bits, with a step for each column. */
function eighths(rows: Float32Array, width: number): Pick<StoredCodebook, 'centroids' | 'steps'> {
  const steps = new Float32Array(width)
  rows.forEach((value, at) => {
    steps[at % width] = Math.max(steps[at % width]!, Math.abs(value) / 127)
  })
  return { centroids: Int8Array.from(rows, (value, at) => Math.round(value / (steps[at % width]! || 1))), steps }
}

/** Rows (·, width) times a matrix. */
async function turnedOn(
  backend: Backend,
  rows: Float32Array,
  matrix: Float32Array,
  width: number,
): Promise<Float32Array> {
  const trace = createTrace({ training: false })
  const b = frozenTensor(backend, 'rotation', [width, width], matrix)
  const c = temporary('turned', ['M', width])
  const a = input(trace, 'rows', ['M', width], 'f32')
  call(trace, 'matmul', { a, b, bias: undefined, c }, { ...plainProduct, M: 'M', N: width, K: width })
  output(trace, 'turned', c)
  const pool = createPool(backend)
  const program = createProgram(createPlan('rotate', trace), pool)
  try {
    const turned = new Float32Array(rows.length)
    const block = rowsThatBind(backend, width, TURNED) * width
    for (let at = 0; at < rows.length; at += block) {
      const part = rows.subarray(at, at + block)
      await program.run({ M: part.length / width }, { rows: part })
      turned.set(await program.read('turned'), at)
    }
    return turned
  } finally {
    program.release()
    releasePool(pool)
    freeTensors(backend, [b])
  }
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
