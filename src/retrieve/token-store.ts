// Token vectors of a collection as late interaction searches them, in memory or in a safetensors file that is read by position: f32, f16, or residuals
// of 2 bits a channel on top of centroids (ColBERTv2, Santhanam et al. 2022). Tensors: offsets I32 (N + 1), and vectors F32 or F16 (T, width), or codes
// U16 (T), residuals U32 (T, ⌈width / 16⌉), centroids F16 (C, width), levels F32 (4, width).
import { narrowed } from '../data/dtype.js'
import { openSafetensors, writeSafetensors } from '../data/safetensors.js'
import type { HostArray } from '../tensor/program.js'
import type { PackedVectors } from './encode-late.js'

export const tokenForms = ['f32', 'f16', 'residual'] as const
export type TokenForm = (typeof tokenForms)[number]

/** Centroids that a code of 16 bits can name. */
export const MOST_CENTROIDS = 1 << 16

/** What all vectors of a residual store share. */
export interface Codebook {
  /** (C, width): f16's values. */
  readonly centroids: Float32Array
  /** (4, width): what the 2 bits of a channel add to its centroid. */
  readonly levels: Float32Array
}

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
  /** The arrays of tokens `first` … `last` − 1, as `form` has them: vectors, or codes and residuals. f16: two to a word. */
  read(first: number, last: number): Promise<Readonly<Record<string, HostArray>>>
  close(): Promise<void>
}

/** Elements of a token in each array of a form. */
export const arraysOf = (form: TokenForm, width: number): Readonly<Record<string, number>> => {
  if (form === 'residual') return { codes: 1, residuals: Math.ceil(width / 16) }
  return { vectors: form === 'f32' ? width : width / 2 }
}

/** Of an array of a store, as it is kept; searching widens codes. */
const bytesOfElement = (name: string): number => (name === 'codes' ? 2 : 4)

const bytesOfToken = (form: TokenForm, width: number): number =>
  Object.entries(arraysOf(form, width)).reduce((sum, [name, elements]) => sum + elements * bytesOfElement(name), 0)

/** `arrays` of all tokens, as `read` gives them but for codes, which are kept in 16 bits. */
export function storeInMemory(
  form: TokenForm,
  { offsets, width }: Pick<PackedVectors, 'offsets' | 'width'>,
  arrays: Readonly<Record<string, HostArray | Uint16Array>>,
  codebook?: Codebook,
): TokenStore {
  checkWidth(form, width)
  const elements = arraysOf(form, width)
  return {
    ...{ form, width, offsets },
    ...(codebook && { codebook }),
    bytes: storedBytes(form, width, offsets.at(-1)!, codebook),
    async read(first, last) {
      const part = (name: string) => widened(arrays[name]!.subarray(first * elements[name]!, last * elements[name]!))
      return Object.fromEntries(Object.keys(elements).map(name => [name, part(name)]))
    },
    close: async () => {},
  }
}

const widened = (array: HostArray | Uint16Array): HostArray =>
  array instanceof Uint16Array ? Int32Array.from(array) : array

const storedBytes = (form: TokenForm, width: number, tokens: number, codebook?: Codebook): number =>
  tokens * bytesOfToken(form, width) + (codebook ? 2 * codebook.centroids.length + codebook.levels.byteLength : 0)

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
      if (name === 'codes') yield Uint16Array.from(part)
      else yield form === 'f16' ? new Uint16Array(part.buffer, part.byteOffset, part.length * 2) : part
    }
  }
  const tensors = Object.entries(arraysOf(form, width)).map(([name, elements]) => ({
    name,
    dtype: name === 'codes' ? ('U16' as const) : stored[form],
    shape: name === 'codes' ? [tokens] : [tokens, form === 'f16' ? width : elements],
    data: piecesOf(name),
  }))
  const shared = codebook && [
    {
      name: 'centroids',
      dtype: 'F16' as const,
      shape: [codebook.centroids.length / width, width],
      data: narrowed(codebook.centroids, 'F16', 'the centroids'),
    },
    { name: 'levels', dtype: 'F32' as const, shape: [4, width], data: codebook.levels },
  ]
  const ends = { name: 'offsets', dtype: 'I32' as const, shape: [offsets.length], data: offsets }
  await writeSafetensors(path, [...tensors, ...(shared ?? []), ends], {
    format: 'token-vectors',
    form,
    width: `${width}`,
    ...(belongs !== undefined && { belongs }),
  })
}

/** Opens a file that writeTokenStore wrote; tokens are read from it when they are asked for. */
export async function openTokenStore(path: string): Promise<TokenStore> {
  const file = await openSafetensors(path)
  try {
    const form = tokenForms.find(each => each === file.metadata.form)
    const width = Number(file.metadata.width)
    if (file.metadata.format !== 'token-vectors' || !form || !(Number.isInteger(width) && width > 0))
      throw new Error(`${path} holds no token vectors: its metadata names neither their form nor their width`)
    const offsets = await file.readI32('offsets')
    const elements = arraysOf(form, width)
    for (const [name, each] of Object.entries(elements))
      checkSize(path, file.tensors.get(name), name, bytesOfElement(name) * each * offsets.at(-1)!)
    const codebook =
      form === 'residual'
        ? { centroids: await file.readF32('centroids'), levels: await file.readF32('levels') }
        : undefined
    const types = { vectors: form === 'f32' ? Float32Array : Uint32Array, codes: Uint16Array, residuals: Uint32Array }
    return {
      ...{ form, width, offsets },
      ...(codebook && { codebook }),
      ...(file.metadata.belongs !== undefined && { belongs: file.metadata.belongs }),
      bytes: storedBytes(form, width, offsets.at(-1)!, codebook),
      async read(first, last) {
        const arrays: Record<string, HostArray> = {}
        for (const [name, each] of Object.entries(elements)) {
          const size = bytesOfElement(name)
          const bytes = await file.readBytes(name, { begin: size * each * first, end: size * each * last })
          const array = new types[name as keyof typeof types](bytes.buffer, bytes.byteOffset, bytes.length / size)
          arrays[name] = widened(array)
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
