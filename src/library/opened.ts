// What one opens by hand, with `using`: a backend, an index of vectors, a safetensors file.
import type { Backend } from '../backend/backend.js'
import { openSafetensors as open, type SafetensorsFile } from '../data/safetensors.js'
import { createIndex, type IndexOptions, type SearchIndex } from '../retrieve/search.js'
import { type BackendChoice, openBackend as openChosen } from '../run/backend.js'
import { type Closing, closing } from './disposal.js'
import { aText, type Checks, checkOptions, checkValue, floats, oneOf, whole } from './given.js'

/** A backend and why it was chosen, for people. */
export type OpenBackend = Closing<Backend & { readonly reason: string }>

const choices: Checks<BackendChoice> = {
  backend: oneOf('auto', 'webgpu', 'wasm'),
  adapter: aText,
  api: aText,
  mixed: ['true or false', value => typeof value === 'boolean'],
  threads: whole(1),
  profile: ['a profile', value => typeof value === 'object'],
}

/** Opens WebGPU where there is a GPU, else WebAssembly, or what is asked for; insisting on what is missing rejects, saying why. */
export async function openBackend(choice: Partial<BackendChoice> = {}): Promise<OpenBackend> {
  checkOptions('openBackend', choice, choices)
  const { backend, reason } = await openChosen({ ...choice, backend: choice.backend ?? 'auto' })
  return closing(Object.assign(backend, { reason }), () => backend.close())
}

/** Puts `vectors` (N, width) where searching needs no copy of them; `using` releases it. */
export function createVectorIndex(
  backend: Backend,
  vectors: Float32Array,
  width: number,
  options?: IndexOptions,
): Closing<SearchIndex> {
  const isBackend = typeof (backend as Backend | undefined)?.allocate === 'function'
  checkValue(
    'createVectorIndex',
    backend,
    ['a backend as its first argument', () => isBackend],
    'openBackend() gives one',
  )
  checkValue('createVectorIndex vectors', vectors, floats)
  const index = createIndex(backend, vectors, width, options)
  return closing(index, () => index.release())
}

/** Opens a `.safetensors` file, or the shards of a `.safetensors.index.json`; `await using` closes it. */
export async function openSafetensors(path: string): Promise<Closing<SafetensorsFile>> {
  const file = await open(path)
  return closing(file, () => file.close())
}
