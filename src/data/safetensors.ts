// Safetensors files: tensors by name, read by position and in blocks, so that beside the result only one block is in memory;
// one file, or the shards that a model.safetensors.index.json names.
import { dirname, exists, join, type OpenFile, openFile, readText } from '../runtime/files.js'
import { writeFileWith } from '../runtime/write.js'
import { type Converters, type Dtype, dtypeBytes, toF32, toI32 } from './dtype.js'
import { asObject, describe, parseStrictJson } from './json.js'
import {
  elementCount,
  formatHeader,
  type Header,
  maxHeaderBytes,
  metadataKey,
  parseHeader,
  shapeText,
  type TensorInfo,
} from './safetensors-header.js'

/** An open file; tensors are read by their names. */
export interface SafetensorsFile {
  /** The file as it was asked for: a safetensors file or an index. */
  readonly path: string
  /** The safetensors files, sorted by name: one, or the shards. */
  readonly files: readonly string[]
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly metadata: Readonly<Record<string, string>>
  /** F32, F16, BF16 exactly; F64 rounded to the nearest f32. Other dtypes are an error. */
  readF32(name: string): Promise<Float32Array<ArrayBuffer>>
  /** Integers of any width and BOOL; a value outside i32 is an error. */
  readI32(name: string): Promise<Int32Array<ArrayBuffer>>
  /** The stored bytes, little-endian; a range of them, counted from the tensor's first. */
  readBytes(name: string, range?: { readonly begin: number; readonly end: number }): Promise<Uint8Array<ArrayBuffer>>
  /** The stored bytes in blocks of whole elements, the next one read while one is used. A block holds until the next is asked for. */
  blocks(name: string): AsyncGenerator<Uint8Array<ArrayBuffer>>
  close(): Promise<void>
}

/** A multiple of every dtype's size. */
const blockBytes = 4 << 20

/** Opens a `.safetensors` file, or the shards of a `.safetensors.index.json`. The header is checked whole before anything is read. */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  return path.endsWith('.index.json') ? openSharded(path) : openSingle(path)
}

async function readHeader(file: OpenFile): Promise<{ header: Header; dataStart: number }> {
  const { path, size } = file
  if (size < 8)
    throw new Error(`${path} is ${size} bytes long, a safetensors file has at least 8: the file is cut short`)
  const start = await file.read(0, 8)
  if (new TextDecoder().decode(start) === 'version ')
    throw new Error(`${path} is a pointer of Git LFS, not the file itself; fetch that with git lfs pull`)
  const length = new DataView(start.buffer).getBigUint64(0, true)
  if (length > maxHeaderBytes)
    throw new Error(
      `${path}: the header is said to be ${length} bytes long, at most ${maxHeaderBytes} are allowed: damaged, or not a safetensors file`,
    )
  const dataStart = 8 + Number(length)
  if (dataStart > size)
    throw new Error(
      `${path}: the header ends at byte ${dataStart}, the file at ${size}: the file is cut short; fetch it again`,
    )
  return { header: parseHeader(await file.read(8, Number(length)), size - dataStart, path), dataStart }
}

async function openSingle(path: string): Promise<SafetensorsFile> {
  const file = await openFile(path)
  const { header, dataStart } = await readHeader(file).catch(async error => {
    await file.close()
    throw error
  })
  const find = (name: string): TensorInfo => {
    const tensor = header.tensors.get(name)
    if (!tensor) throw new Error(`${path} has no tensor ${JSON.stringify(name)}`)
    return tensor
  }
  async function convert<T>(
    name: string,
    table: Converters<T>,
    wanted: string,
    make: (count: number) => T,
  ): Promise<T> {
    const { dtype, shape, begin, end } = find(name)
    const into = table[dtype]
    if (!into)
      throw new Error(
        `${path}: tensor ${JSON.stringify(name)} is ${dtype}, expected ${wanted}: ${Object.keys(table).join(', ')}`,
      )
    const out = make(elementCount(shape) as number)
    for (let at = begin; at < end; at += blockBytes) {
      const block = await file.read(dataStart + at, Math.min(blockBytes, end - at))
      const bad = into(block, out, (at - begin) / dtypeBytes[dtype])
      if (bad) throw new Error(`${path}: tensor ${JSON.stringify(name)} holds a value that is ${bad}`)
    }
    return out
  }
  async function* blocks(name: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const { begin, end } = find(name)
    // Two buffers in turn; the last block, which is shorter, has one of its own, because converters read a buffer whole.
    const whole = end - begin > blockBytes ? [new Uint8Array(blockBytes), new Uint8Array(blockBytes)] : []
    const read = (at: number, turn: number) => {
      const length = Math.min(blockBytes, end - at)
      return file.read(dataStart + at, length, length === blockBytes ? whole[turn % 2] : undefined)
    }
    let coming = begin < end ? read(begin, 0) : undefined
    for (let [at, turn] = [begin + blockBytes, 1]; coming; at += blockBytes, turn++) {
      const block: Uint8Array<ArrayBuffer> = await coming
      coming = at < end ? read(at, turn) : undefined
      // Awaited later: until then its failure is nobody's fault.
      coming?.catch(() => undefined)
      yield block
    }
  }
  return {
    path,
    files: [path],
    tensors: header.tensors,
    metadata: header.metadata,
    readF32: name => convert(name, toF32, 'a floating dtype', count => new Float32Array(count)),
    readI32: name => convert(name, toI32, 'an integer dtype', count => new Int32Array(count)),
    async readBytes(name, range) {
      const { begin, end } = find(name)
      if (!range) return file.read(dataStart + begin, end - begin)
      if (range.begin < 0 || range.begin > range.end || range.end > end - begin)
        throw new Error(
          `${path}: bytes ${range.begin} to ${range.end} of tensor ${JSON.stringify(name)}, which has ${end - begin}`,
        )
      return file.read(dataStart + begin + range.begin, range.end - range.begin)
    },
    blocks,
    close: () => file.close(),
  }
}

/** Reads `{ weight_map: { tensor: shard } }`. Shards lie beside the index: a name that could lead elsewhere is refused. */
async function readIndex(path: string): Promise<Map<string, string>> {
  const index = asObject(parseStrictJson(await readText(path), path), path)
  const weightMap = asObject(index.weight_map, `${path}: weight_map`)
  for (const [name, shard] of Object.entries(weightMap))
    if (typeof shard !== 'string' || shard === '' || /[/\\\0]|\.\./.test(shard))
      throw new Error(
        `${path}: the shard of ${JSON.stringify(name)} is ${describe(shard)}, expected the name of a file beside the index`,
      )
  return new Map(Object.entries(weightMap) as [string, string][])
}

async function openSharded(path: string): Promise<SafetensorsFile> {
  const weightMap = await readIndex(path)
  const names = [...new Set(weightMap.values())].sort()
  const paths = names.map(name => join(dirname(path), name))
  const present = await Promise.all(paths.map(exists))
  const missing = names.filter((_, i) => !present[i])
  if (missing.length > 0) throw new Error(`${path}: shards are missing beside it: ${missing.join(', ')}; fetch them`)

  const shards = new Map<string, SafetensorsFile>()
  const close = async () => void (await Promise.all([...shards.values()].map(shard => shard.close())))
  const tensors = new Map<string, TensorInfo>()
  try {
    for (const [i, name] of names.entries()) shards.set(name, await openSingle(paths[i] as string))
    const absent: string[] = []
    for (const [name, shard] of weightMap) {
      const tensor = shards.get(shard)?.tensors.get(name)
      if (tensor) tensors.set(name, tensor)
      else absent.push(`${name} (${shard})`)
    }
    if (absent.length > 0) throw new Error(`${path} names tensors that their shards do not hold: ${absent.join(', ')}`)
  } catch (error) {
    await close()
    throw error
  }
  const shardOf = (name: string): SafetensorsFile => {
    const shard = shards.get(weightMap.get(name) ?? '')
    if (!shard) throw new Error(`${path} has no tensor ${JSON.stringify(name)}`)
    return shard
  }
  return {
    path,
    files: paths,
    tensors,
    metadata: Object.assign({}, ...[...shards.values()].map(shard => shard.metadata)),
    readF32: async name => shardOf(name).readF32(name),
    readI32: async name => shardOf(name).readI32(name),
    readBytes: async (name, range) => shardOf(name).readBytes(name, range),
    blocks: name => shardOf(name).blocks(name),
    close,
  }
}

export type TensorData =
  | Float32Array
  | Int32Array
  | Uint32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | BigInt64Array
  | BigUint64Array

/** A tensor and its values. */
export interface TensorToWrite {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** An array of the dtype's own kind (F16 and BF16: Uint16Array) or raw bytes; or pieces of it, asked for when their turn comes. */
  readonly data: TensorData | AsyncIterable<TensorData>
}

const arrayOf: Partial<Record<Dtype, new (length: number) => TensorData>> = {
  I8: Int8Array,
  I16: Int16Array,
  U16: Uint16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I32: Int32Array,
  U32: Uint32Array,
  F32: Float32Array,
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
}

/** Offsets for tensors in the order of the format's own writers: wide dtypes first, then by name. So every tensor lies aligned. */
function layOut(tensors: readonly TensorToWrite[], path: string): (TensorToWrite & TensorInfo)[] {
  const widths = Object.keys(dtypeBytes)
  const sorted = [...tensors].sort(
    (a, b) => widths.indexOf(b.dtype) - widths.indexOf(a.dtype) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  )
  let end = 0
  const names = new Set([metadataKey])
  return sorted.map(tensor => {
    if (names.has(tensor.name))
      throw new Error(`cannot write ${path}: the tensor name ${JSON.stringify(tensor.name)} is taken`)
    names.add(tensor.name)
    if (!widths.includes(tensor.dtype))
      throw new Error(
        `cannot write ${path}: tensor ${JSON.stringify(tensor.name)} has the dtype ${tensor.dtype}, expected one of ${widths.join(', ')}`,
      )
    const begin = end
    end += (elementCount(tensor.shape) ?? Number.NaN) * dtypeBytes[tensor.dtype]
    if (!Number.isSafeInteger(end) || end < begin)
      throw new Error(
        `cannot write ${path}: tensor ${JSON.stringify(tensor.name)} has the impossible shape ${shapeText(tensor.shape)}`,
      )
    return { ...tensor, begin, end }
  })
}

/** Writes a safetensors file that appears under its name only when it is complete. */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata?: Record<string, string>,
): Promise<void> {
  const laidOut = layOut([...tensors], path)
  const header = formatHeader(laidOut, metadata)
  if (header.length - 8 > maxHeaderBytes)
    throw new Error(
      `cannot write ${path}: the header takes ${header.length - 8} bytes, at most ${maxHeaderBytes} are allowed`,
    )
  await writeFileWith(path, async append => {
    await append(header)
    for (const { name, dtype, shape, data, begin, end } of laidOut) {
      const what = `cannot write ${path}: tensor ${JSON.stringify(name)}`
      let written = 0
      for await (const piece of ArrayBuffer.isView(data) ? [data] : data) {
        const Expected = arrayOf[dtype] ?? Uint8Array
        if (!(piece instanceof Uint8Array) && !(piece instanceof Expected))
          throw new Error(`${what} is ${dtype}, its data a ${piece.constructor.name}, expected ${Expected.name}`)
        written += piece.byteLength
        if (written > end - begin) break
        // In slices: one system call takes at most 2 GiB.
        for (let at = 0; at < piece.byteLength; at += blockBytes)
          await append(new Uint8Array(piece.buffer, piece.byteOffset + at, Math.min(blockBytes, piece.byteLength - at)))
      }
      if (written !== end - begin)
        throw new Error(
          `${what} of shape ${shapeText(shape)} takes ${end - begin} bytes, its data has ${written > end - begin ? 'more' : written}`,
        )
    }
  })
}
