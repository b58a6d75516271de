// Token vectors of about 2 bits a column: a centroid, a scale, and what is left in columns that were turned to the directions in which it varies, the more
// bits the more it does. A row of bits, lowest first: the centroid's number, the scale's, then each column's field. A vector is
//   centroid + scale · deviation of the column · level of the field, scaled to length 1.
// Levels are those of least squared error for a normal distribution (Max 1960), as x (a + c x²) of the field counted from its middle: at most 2 % above it.
import { orthonormal } from './rotation.js'

/** What all vectors of a residual store share, as it is kept. */
export interface StoredCodebook {
  readonly centroids: Int8Array // (C, width), turned
  readonly steps: Float32Array // (width): of centroids
  /** (width, width): a vector times it is turned, once its columns are made orthonormal. Absent: columns are as they were. */
  readonly rotation?: Int8Array
  readonly deviations: Float32Array // (width): of what is left at a scale of 1
  readonly bits: Uint8Array // (width): of each field, the same four at a time
  readonly scales: Float32Array // (2^SCALE_BITS), rising
}

/** The same as searching takes it. */
export interface Codebook extends StoredCodebook {
  readonly tables: {
    readonly centroids: Float32Array // (C, width)
    readonly rotation?: Float32Array // (width, width)
    readonly curves: Float32Array // (2, width): a and c of each column, times its deviation
    readonly fields: Int32Array // (width): first bit of the field in a row, and from bit 16 on how many it has
  }
}

/** Bits of a scale's number. The kernel knows it too. */
export const SCALE_BITS = 3
export const MOST_BITS = 6
/** Columns of as many bits each. */
export const GROUP = 4
/** Centroids that a code of 16 bits can name. */
export const MOST_CENTROIDS = 1 << 16
const MOST_CODE_BITS = 16

/** a and c of fields of 0 to 6 bits. */
const CURVES = [
  [0, 0],
  [1.595769, 0],
  [0.892887, 0.0506925],
  [0.471455, 0.0115848],
  [0.240507, 0.00209753],
  [0.121827, 0.00033676],
  [0.0617059, 0.0000508611],
] as const

/** Mean squared error that fields of so many bits leave of a normal distribution of variance 1. */
export const LEFT = [1, 0.36338, 0.117482, 0.034623, 0.0096878, 0.0026494, 0.0007161] as const

/** The levels of a field, rising. */
export const levelsOf = (bits: number): Float64Array =>
  Float64Array.from({ length: 2 ** bits }, (_, field) => {
    const x = field - (2 ** bits - 1) / 2
    return x * (CURVES[bits]![0] + CURVES[bits]![1] * x * x)
  })

/** Words of a token: 2 bits a column, and room for the numbers of its centroid and scale. */
export const rowWords = (width: number): number => Math.ceil((2 * width + MOST_CODE_BITS + SCALE_BITS) / 32)

/** Bits of a centroid's number. */
export const codeBitsOf = (centroids: number): number => Math.ceil(Math.log2(centroids))

/** Bytes of a codebook. */
export const codebookBytes = (stored: StoredCodebook): number =>
  [stored.centroids, stored.steps, stored.rotation, stored.deviations, stored.bits, stored.scales].reduce(
    (sum, array) => sum + (array?.byteLength ?? 0),
    0,
  )

/** Fails where the parts do not fit each other, as in a damaged file. */
export function openCodebook(stored: StoredCodebook, width: number): Codebook {
  const { centroids, steps, rotation, deviations, bits, scales } = stored
  const count = centroids.length / width
  if (!(Number.isInteger(count) && count >= 1 && count <= MOST_CENTROIDS))
    throw new Error(`${centroids.length} values are no centroids of ${width} columns, 1 to ${MOST_CENTROIDS} of them`)
  for (const [name, { length }, expected] of [
    ['steps', steps, width],
    ['rotation', rotation ?? { length: width * width }, width * width],
    ['deviations', deviations, width],
    ['bits', bits, width],
    ['scales', scales, 2 ** SCALE_BITS],
  ] as const)
    if (length !== expected) throw new Error(`${name} has ${length} values, expected ${expected}`)
  for (const [name, values] of Object.entries({ steps, deviations, scales }))
    if (!values.every(value => value >= 0 && value < Infinity))
      throw new Error(`${name} holds a value that is negative, infinite or no number`)
  const fields = fieldsOf(bits, codeBitsOf(count), 32 * rowWords(width))
  const curves = Float32Array.from({ length: 2 * width }, (_, i) => {
    const column = i % width
    return CURVES[bits[column]!]![i < width ? 0 : 1] * deviations[column]!
  })
  return {
    ...stored,
    tables: {
      centroids: centroidTable(stored),
      ...(rotation && { rotation: rotationTable(rotation, width) }),
      ...{ curves, fields },
    },
  }
}

export const centroidTable = ({ centroids, steps }: Pick<StoredCodebook, 'centroids' | 'steps'>): Float32Array =>
  Float32Array.from(centroids, (value, at) => value * steps[at % steps.length]!)

/** In 8 bits columns are nearly orthonormal; made so by the same sums wherever the file is read, they turn queries exactly as documents were turned. */
export const rotationTable = (rotation: Int8Array, width: number): Float32Array =>
  Float32Array.from(orthonormal(Float64Array.from(rotation), width))

function fieldsOf(bits: Uint8Array, codeBits: number, room: number): Int32Array {
  let next = codeBits + SCALE_BITS
  const fields = Int32Array.from(bits, (each, column) => {
    if (each > MOST_BITS || each !== bits[column - (column % GROUP)])
      throw new Error(`column ${column} has ${each} bits, expected at most ${MOST_BITS}, the same ${GROUP} at a time`)
    const first = next
    next += each
    return first | (each << 16)
  })
  if (next > room) throw new Error(`a vector's fields take ${next} bits, there are ${room}`)
  return fields
}

/** Fails where a row names no centroid. */
export function checkCodes(tokens: Uint32Array, { centroids }: StoredCodebook, width: number): void {
  const count = centroids.length / width
  const mask = 2 ** codeBitsOf(count) - 1
  for (let at = 0; at < tokens.length; at += rowWords(width)) {
    const code = tokens[at]! & mask
    if (code >= count) throw new Error(`a vector names centroid ${code}, there are ${count}`)
  }
}

/** The vectors of some rows (·, rowWords(width)) before they are scaled to length 1, turned as they are stored. */
export function unpackRows(tokens: Uint32Array, { tables, scales }: Codebook, width: number): Float32Array {
  const { centroids, curves, fields } = tables
  const words = rowWords(width)
  const codeBits = codeBitsOf(centroids.length / width)
  const vectors = new Float32Array((tokens.length / words) * width)
  for (let row = 0; row * words < tokens.length; row++) {
    const begin = 32 * words * row
    const centroid = fieldAt(tokens, begin, codeBits) * width
    const scale = scales[fieldAt(tokens, begin + codeBits, SCALE_BITS)]!
    for (let c = 0; c < width; c++) {
      const bits = fields[c]! >> 16
      const x = fieldAt(tokens, begin + (fields[c]! & 0xffff), bits) - (2 ** bits - 1) / 2
      vectors[row * width + c] = centroids[centroid + c]! + scale * x * (curves[c]! + curves[width + c]! * x * x)
    }
  }
  return vectors
}

function fieldAt(words: Uint32Array, first: number, bits: number): number {
  const [word, shift] = [Math.floor(first / 32), first % 32]
  const low = words[word]! >>> shift
  const all = shift + bits > 32 ? low | (words[word + 1]! << (32 - shift)) : low
  return all & (2 ** bits - 1)
}

/** Puts a field into rows of zeros. */
export function putField(words: Uint32Array, first: number, bits: number, value: number): void {
  const [word, shift] = [Math.floor(first / 32), first % 32]
  words[word]! |= value << shift
  if (shift + bits > 32) words[word + 1]! |= value >>> (32 - shift)
}
