// Token vectors of a collection as late interaction searches them, in memory or in a safetensors file that is read by position: f32, f16, or residuals
// of 2 bits a column on top of centroids (see codebook.ts). Tensors: offsets I32 (N + 1), and vectors F32 or F16 (T, width), or tokens U32 (T, words) and
// those of the codebook.
import { narrowed } from '../data/dtype.js'
import { openSafetensors, type SafetensorsFile, writeSafetensors } from '../data/safetensors.js'
import type { HostArray } from '../tensor/program.js'
import { type Codebook, checkCodes, codebookBytes, openCodebook, rowWords, type StoredCodebook } from './codebook.js'
import type { PackedVectors } from './encode-late.js'

export const tokenForms = ['f32', 'f16', 'residual'] as const
export type TokenForm = (typeof tokenForms)[number]

/** Of files with residuals: those before had codes and residuals apart. */
const RESIDUAL_VERSION = '2'

export interface TokenStore {
  readonly form: TokenForm
  readonly width: number
  /** (N + 1): document i is the tokens offsets[i] … offsets[i + 1] − 1. */
  readonly offsets: Int32Array
  /** Of the residual form. */
  readonly codebook?: Codebook
  /** Of all that is stored. */
  readonly bytes: number
  /** Of a file: what it was written to belong to. */
  readonly belongs?: string
  /** The arrays of tokens `first` … `last` − 1, as `form` has them: vectors, or rows of bits. f16: two to a word. */
  read(first: number, last: number): Promise<Readonly<Record<string, HostArray>>>
  close(): Promise<void>
}

/** Elements of a token in each array of a form. */
export const arraysOf = (form: TokenForm, width: number): Readonly<Record<string, number>> => {
  if (form === 'residual') return { tokens: rowWords(width) }
  return { vectors: form === 'f32' ? width : width / 2 }
}

/** `arrays` of all tokens, as `read` gives them. */
export function storeInMemory(
  form: TokenForm,
  { offsets, width }: Pick<PackedVectors, 'offsets' | 'width'>,
  arrays: Readonly<Record<string, HostArray>>,
  codebook?: Codebook,
): TokenStore {
  checkWidth(form, width)
  const elements = Object.entries(arraysOf(form, width))
  return {
    ...{ form, width, offsets },
    ...(codebook && { codebook }),
    bytes: storedBytes(form, width, offsets.at(-1)!, codebook),
    async read(first, last) {
      return Object.fromEntries(
        elements.map(([name, each]) => [name, arrays[name]!.subarray(first * each, last * each)]),
      )
    },
    close: async () => {},
  }
}

const storedBytes = (form: TokenForm, width: number, tokens: number, codebook?: Codebook): number =>
  Object.values(arraysOf(form, width)).reduce((sum, each) => sum + 4 * tokens * each, 0) +
  (codebook ? codebookBytes(codebook) : 0)

function checkWidth(form: TokenForm, width: number): void {
  if (form === 'f16' && width % 2 !== 0)
    throw new Error(`token vectors of ${width} columns cannot be kept in f16, which takes two at a time; keep f32`)
}

/** Token vectors in f32, or in halves. */
export function vectorStore(packed: PackedVectors, form: 'f32' | 'f16'): TokenStore {
  if (form === 'f32') return storeInMemory(form, packed, { vectors: packed.vectors })
  checkWidth(form, packed.width)
  const halves = narrowed(packed.vectors, 'F16', 'the token vectors') as Uint16Array
  return storeInMemory(form, packed, { vectors: new Uint32Array(halves.buffer) })
}

/** Tokens that are written at a time. */
const WRITTEN = 1 << 16

/** Writes a store as a safetensors file. `belongs`: names what it is of, kept in the file's metadata. */
export async function writeTokenStore(path: string, store: TokenStore, belongs?: string): Promise<void> {
  const { form, width, offsets, codebook } = store
  const tokens = offsets.at(-1)!
  const stored = { f32: 'F32', f16: 'F16', residual: 'U32' } as const
  async function* piecesOf(name: string) {
    for (let first = 0; first < tokens; first += WRITTEN) {
      const part = (await store.read(first, Math.min(first + WRITTEN, tokens)))[name]!
      yield form === 'f16' ? new Uint16Array(part.buffer, part.byteOffset, part.length * 2) : part
    }
  }
  const tensors = Object.entries(arraysOf(form, width)).map(([name, elements]) => ({
    name,
    dtype: stored[form],
    shape: [tokens, form === 'f16' ? width : elements],
    data: piecesOf(name),
  }))
  const shared = codebook && tensorsOf(codebook, width)
  const ends = { name: 'offsets', dtype: 'I32' as const, shape: [offsets.length], data: offsets }
  await writeSafetensors(path, [...tensors, ...(shared ?? []), ends], {
    format: 'token-vectors',
    form,
    width: `${width}`,
    ...(form === 'residual' && { version: RESIDUAL_VERSION }),
    ...(belongs !== undefined && { belongs }),
  })
}

const tensorsOf = ({ centroids, steps, rotation, deviations, bits, scales }: StoredCodebook, width: number) => [
  { name: 'centroids', dtype: 'I8' as const, shape: [centroids.length / width, width], data: centroids },
  { name: 'steps', dtype: 'F32' as const, shape: [width], data: steps },
  ...(rotation ? [{ name: 'rotation', dtype: 'I8' as const, shape: [width, width], data: rotation }] : []),
  { name: 'deviations', dtype: 'F32' as const, shape: [width], data: deviations },
  { name: 'bits', dtype: 'U8' as const, shape: [width], data: bits },
  { name: 'scales', dtype: 'F32' as const, shape: [scales.length], data: scales },
]

/** Opens a file that writeTokenStore wrote; tokens are read from it when they are asked for. */
export async function openTokenStore(path: string): Promise<TokenStore> {
  const file = await openSafetensors(path)
  try {
    const { format, version, belongs } = file.metadata
    const form = tokenForms.find(each => each === file.metadata.form)
    const width = Number(file.metadata.width)
    if (format !== 'token-vectors' || !form || !(Number.isInteger(width) && width > 0))
      throw new Error(`${path} holds no token vectors: its metadata names neither their form nor their width`)
    if (form === 'residual' && version !== RESIDUAL_VERSION)
      throw new Error(
        `${path} holds residuals as version ${version ?? 1} of the format has them, expected ${RESIDUAL_VERSION}; remove it to have it written anew`,
      )
    const offsets = await file.readI32('offsets')
    const elements = Object.entries(arraysOf(form, width))
    for (const [name, each] of elements) checkSize(path, file.tensors.get(name), name, 4 * each * offsets.at(-1)!)
    const codebook = form === 'residual' ? await damaged(path, () => readCodebook(file, width)) : undefined
    const View = form === 'f32' ? Float32Array : Uint32Array
    return {
      ...{ form, width, offsets },
      ...(codebook && { codebook }),
      ...(belongs !== undefined && { belongs }),
      bytes: storedBytes(form, width, offsets.at(-1)!, codebook),
      async read(first, last) {
        const arrays: Record<string, HostArray> = {}
        for (const [name, each] of elements) {
          const bytes = await file.readBytes(name, { begin: 4 * each * first, end: 4 * each * last })
          const array = new View(bytes.buffer, bytes.byteOffset, bytes.length / 4)
          if (codebook) await damaged(path, () => checkCodes(array as Uint32Array, codebook, width))
          arrays[name] = array
        }
        return arrays
      },
      close: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function readCodebook(file: SafetensorsFile, width: number): Promise<Codebook> {
  const whole = async (name: string) => await file.readI32(name)
  const [steps, deviations, scales] = [
    await file.readF32('steps'),
    await file.readF32('deviations'),
    await file.readF32('scales'),
  ]
  const centroids = Int8Array.from(await whole('centroids'))
  const rotation = file.tensors.has('rotation') ? { rotation: Int8Array.from(await whole('rotation')) } : {}
  const bits = Uint8Array.from(await whole('bits'))
  return openCodebook({ centroids, steps, ...rotation, deviations, bits, scales }, width)
}

/** Errors of `read` as those of a file. */
async function damaged<T>(path: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}; write the file anew`, { cause: error })
  }
}

function checkSize(
  path: string,
  tensor: { begin: number; end: number } | undefined,
  name: string,
  bytes: number,
): void {
  const found = tensor ? tensor.end - tensor.begin : 0
  if (found !== bytes)
    throw new Error(`${path}: ${name} takes ${found} bytes, its offsets say ${bytes}; write the file anew`)
}
