// An embedding table that stays on the host, in the bits of its file: rows of it are widened and uploaded with each batch, and the device never
// holds the table.
import { type Dtype, dtypeBytes, toF32 } from '../data/dtype.js'
import type { WeightSource } from './load.js'

export interface HostTable {
  readonly dtype: Dtype
  readonly columns: number
  /** The rows as stored, one after another. */
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** The rows of `index`: (index.length, columns) */
export function gatherRows({ dtype, columns, bytes }: HostTable, index: Int32Array): Float32Array {
  const widen = toF32[dtype]
  if (!widen)
    throw new Error(`a table of ${dtype} has no rows of numbers, expected one of ${Object.keys(toF32).join(', ')}`)
  const rowBytes = columns * dtypeBytes[dtype]
  const out = new Float32Array(index.length * columns)
  index.forEach((row, i) => {
    // A copy, because the converters read a buffer from its start.
    widen(bytes.slice(row * rowBytes, (row + 1) * rowBytes), out, i * columns)
  })
  return out
}

/** All rows: (rows, columns) */
export function allRows(table: HostTable): Float32Array {
  const rows = table.bytes.length / dtypeBytes[table.dtype] / table.columns
  return gatherRows(
    table,
    Int32Array.from({ length: rows }, (_, row) => row),
  )
}

/** Reads a table (rows, columns). */
export async function readHostTable(
  source: Pick<WeightSource, 'readTensor' | 'stored'>,
  name: string,
  shape: readonly number[],
): Promise<HostTable> {
  const [rows, columns] = shape as readonly [number, number]
  const stored = source.stored?.(name)
  const dtype = stored?.dtype ?? 'F32'
  const bytes = new Uint8Array(rows * columns * dtypeBytes[dtype])
  if (!stored) {
    new Float32Array(bytes.buffer).set(await source.readTensor(name))
    return { dtype, columns, bytes }
  }
  let at = 0
  for await (const block of stored.blocks()) {
    bytes.set(block, at)
    at += block.length
  }
  return { dtype, columns, bytes }
}
