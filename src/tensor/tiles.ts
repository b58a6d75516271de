// The work list of the attention kernels: packed sequences cut into tiles of at most `tileRows` rows. A tile never spans two sequences,
// so that a kernel's row block has one range of keys. The same list serves query rows (forward, dq) and key rows (dk, dv).
import { TILE_STRIDE } from '../backend/kernels.js'
import { tokenKey } from '../backend/random.js'

/** Positions and rows are 16 bits each in a dropout key. */
const KEY_RANGE = 65536

/**
 * Rows of TILE_STRIDE i32: [first row, sequence start, sequence end, key end, sequence key, 0, 0, 0]. Sequences without rows have no tile.
 *
 * `offsets` (B + 1): sequence b is the rows offsets[b] … offsets[b + 1] − 1. `keyLengths` (B): how many positions of a sequence may be attended
 * to, 1 … its length (default: all). `rows` (B): each sequence's row in the whole batch, which keys its dropout (default: b).
 */
export function attentionTiles(
  offsets: Int32Array,
  tileRows: number,
  keyLengths?: Int32Array,
  rows?: Int32Array,
): Int32Array {
  checkArguments(offsets, tileRows, keyLengths, rows)
  const tiles: number[] = []
  for (let sequence = 0; sequence + 1 < offsets.length; sequence++) {
    const start = offsets[sequence]!
    const end = offsets[sequence + 1]!
    const row = rows ? rows[sequence]! : sequence
    const keyLength = keyLengths && end > start ? keyLengths[sequence]! : end - start
    checkSequence(sequence, end - start, keyLength, row)
    for (let first = start; first < end; first += tileRows)
      tiles.push(first, start, end, start + keyLength, tokenKey(row, 0), 0, 0, 0)
  }
  return Int32Array.from(tiles)
}

/** The number of tiles in a list that `attentionTiles` made. */
export const tileCount = (tiles: Int32Array): number => tiles.length / TILE_STRIDE

function checkArguments(offsets: Int32Array, tileRows: number, keyLengths?: Int32Array, rows?: Int32Array): void {
  if (!Number.isInteger(tileRows) || tileRows < 1)
    throw new Error(`attention tiles: tileRows is ${tileRows}, expected a whole number of at least 1`)
  if (offsets.length === 0) throw new Error('attention tiles: no offsets, expected one more than there are sequences')
  const sequences = offsets.length - 1
  for (const [name, list] of Object.entries({ keyLengths, rows }))
    if (list && list.length !== sequences)
      throw new Error(`attention tiles: ${list.length} ${name} for ${sequences} sequences, expected one each`)
}

function checkSequence(sequence: number, length: number, keyLength: number, row: number): void {
  if (length < 0) throw new Error(`attention tiles: offsets fall at sequence ${sequence}, expected them to rise`)
  if (length > KEY_RANGE)
    throw new Error(
      `attention tiles: sequence ${sequence} has ${length} tokens, expected at most ${KEY_RANGE}; truncate it`,
    )
  if (length > 0 && (keyLength < 1 || keyLength > length))
    throw new Error(
      `attention tiles: key length ${keyLength} of sequence ${sequence}, expected 1 to its length ${length}`,
    )
  if (row < 0 || row >= KEY_RANGE)
    throw new Error(`attention tiles: sequence ${sequence} is row ${row} of its batch, expected 0 to ${KEY_RANGE - 1}`)
}
