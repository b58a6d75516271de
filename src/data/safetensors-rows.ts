// A safetensors file whose first tensor is written row by row and whose number of rows is known only at the end: the header comes first in the
// file, so room is left for it and it is written last.
import { type Rewrite, writeFileWith } from '../runtime/write.js'
import { formatHeader, type TensorInfo } from './safetensors-header.js'

/** The rows of the tensor, f32, and what stands behind it. */
export interface RowsToWrite {
  readonly name: string
  readonly width: number
}

/** An i32 vector that follows the rows; its name must come after theirs. */
export interface Behind {
  readonly name: string
  readonly data: Int32Array
}

/** Bytes kept for the header, enough for any sizes of two tensors with short names. */
const HEADER_ROOM = 512

const bytesOf = (data: Float32Array | Int32Array) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

/**
 * `fill` is given what appends rows, and returns the tensor behind them, if any. The file appears under its name when all of it is written. Where
 * the start of a file cannot be written over (standard output, a pipe, a device) the rows are kept until the end.
 */
export async function writeRows(
  path: string,
  { name, width }: RowsToWrite,
  fill: (append: (rows: Float32Array) => Promise<void>) => Promise<Behind | undefined>,
): Promise<void> {
  await writeFileWith(path, async (append, rewrite?: Rewrite) => {
    const kept: Float32Array[] = []
    let elements = 0
    if (rewrite) await append(new Uint8Array(HEADER_ROOM))
    const behind = await fill(async rows => {
      elements += rows.length
      if (rewrite) await append(bytesOf(rows))
      else kept.push(rows)
    })
    const header = headerOf(name, elements, width, behind)
    if (!rewrite) await append(header)
    for (const rows of kept) await append(bytesOf(rows))
    if (behind) await append(bytesOf(behind.data))
    await rewrite?.(header)
  })
}

function headerOf(name: string, elements: number, width: number, behind: Behind | undefined): Uint8Array {
  const end = elements * 4
  const tensors: TensorInfo[] = [{ name, dtype: 'F32', shape: [elements / width, width], begin: 0, end }]
  if (behind)
    tensors.push({
      ...{ name: behind.name, dtype: 'I32', shape: [behind.data.length] },
      ...{ begin: end, end: end + behind.data.byteLength },
    })
  const header = formatHeader(tensors, { format: 'pt' })
  if (header.length > HEADER_ROOM)
    throw new Error(`the header of ${name} takes ${header.length} bytes, room was left for ${HEADER_ROOM}`)
  const padded = new Uint8Array(HEADER_ROOM).fill(0x20)
  padded.set(header)
  new DataView(padded.buffer).setBigUint64(0, BigInt(HEADER_ROOM - 8), true)
  return padded
}
