// The header of a safetensors file: a little-endian u64 length, then that many bytes of JSON
//   { "__metadata__": {string: string}, name: { dtype, shape, data_offsets: [begin, end] }, … }
// padded with spaces, then the data. A header comes from strangers: everything that it says is checked before it is believed.
// Source: the format's description, https://github.com/huggingface/safetensors#format
import { type Dtype, dtypeBytes } from './dtype.js'
import { asObject, describe, isObject, parseStrictJson } from './json.js'

export interface TensorInfo {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** Bytes from the start of the data, which follows the header. */
  readonly begin: number
  readonly end: number
}

export interface Header {
  readonly tensors: Map<string, TensorInfo>
  readonly metadata: Record<string, string>
}

export const maxHeaderBytes = 100_000_000
export const metadataKey = '__metadata__'

export const shapeText = (shape: readonly number[]) => `[${shape.join(', ')}]`

/** The number of elements, or undefined where it is no exact number any more. */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1
  for (const size of shape) {
    count *= size
    if (!Number.isSafeInteger(count)) return undefined
  }
  return count
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

function readTensorInfo(name: string, entry: unknown, where: string): TensorInfo {
  const what = `${where}: tensor ${JSON.stringify(name)}`
  const { dtype, shape, data_offsets: offsets } = asObject(entry, what)
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypeBytes, dtype))
    throw new Error(`${what} has dtype ${describe(dtype)}, expected one of ${Object.keys(dtypeBytes).join(', ')}`)
  if (!Array.isArray(shape) || !shape.every(isSize))
    throw new Error(`${what} has shape ${describe(shape)}, expected a list of integers >= 0`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    throw new Error(`${what} has data_offsets ${describe(offsets)}, expected [begin, end], two integers >= 0`)
  const [begin, end] = offsets as [number, number]
  if (begin > end) throw new Error(`${what} begins at byte ${begin} and ends before, at ${end}`)
  const bytes = (elementCount(shape) ?? Number.POSITIVE_INFINITY) * dtypeBytes[dtype as Dtype]
  if (!Number.isSafeInteger(bytes)) throw new Error(`${what}: the size of shape ${shapeText(shape)} overflows`)
  if (bytes !== end - begin)
    throw new Error(
      `${what}: ${dtype} of shape ${shapeText(shape)} takes ${bytes} bytes, its data_offsets span ${end - begin}`,
    )
  return { name, dtype: dtype as Dtype, shape, begin, end }
}

function readMetadata(value: unknown, where: string): Record<string, string> {
  if (!isObject(value)) throw new Error(`${where}: ${metadataKey} is ${describe(value)}, expected an object of strings`)
  for (const [key, entry] of Object.entries(value))
    if (typeof entry !== 'string')
      throw new Error(`${where}: ${metadataKey} holds ${JSON.stringify(key)}: ${describe(entry)}, expected a string`)
  return value as Record<string, string>
}

/** No gaps, no overlaps, nothing left over: every byte of the data belongs to exactly one tensor. */
function checkContiguous(sorted: readonly TensorInfo[], dataBytes: number, where: string): void {
  let expected = 0
  for (const { name, begin, end } of sorted) {
    if (begin !== expected)
      throw new Error(
        `${where}: tensor ${JSON.stringify(name)} begins at byte ${begin}, expected ${expected}: the data must have no gaps or overlaps`,
      )
    expected = end
  }
  if (expected > dataBytes)
    throw new Error(
      `${where} holds ${dataBytes} bytes of data, its header promises ${expected}: the file is cut short; fetch it again`,
    )
  if (expected < dataBytes)
    throw new Error(`${where}: ${dataBytes - expected} bytes after the last tensor belong to no tensor`)
}

/** Reads a header of which `bytes` is the JSON and `dataBytes` what follows it in the file. Tensors come in the order of their data. */
export function parseHeader(bytes: Uint8Array, dataBytes: number, where: string): Header {
  if (bytes[0] !== 0x7b) throw new Error(`${where}: the header does not begin with '{': this is not a safetensors file`)
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Error(`${where}: the header is not valid UTF-8`)
  }
  const json = asObject(parseStrictJson(text, `${where}: the header`), `${where}: the header`)
  let metadata: Record<string, string> = {}
  const tensors: TensorInfo[] = []
  for (const [name, entry] of Object.entries(json))
    if (name === metadataKey) metadata = readMetadata(entry, where)
    else tensors.push(readTensorInfo(name, entry, where))
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end)
  checkContiguous(tensors, dataBytes, where)
  return { tensors: new Map(tensors.map(tensor => [tensor.name, tensor])), metadata }
}

/** The bytes before the data. Written by hand because an object would move names such as "0" to the front. */
export function formatHeader(tensors: readonly TensorInfo[], metadata?: Record<string, string>): Uint8Array {
  const entries = tensors.map(
    ({ name, dtype, shape, begin, end }) =>
      `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`,
  )
  if (metadata) entries.unshift(`"${metadataKey}":${JSON.stringify(metadata)}`)
  const json = new TextEncoder().encode(`{${entries.join(',')}}`)
  const length = Math.ceil(json.length / 8) * 8
  const bytes = new Uint8Array(8 + length).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true)
  bytes.set(json, 8)
  return bytes
}
