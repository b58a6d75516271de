// What one opens by hand, with `using`: a backend, an index of vectors, a safetensors file.
import type { Backend } from '../backend/backend.js'
import { openSafetensors as open, type SafetensorsFile } from '../data/safetensors.js'
import { createIndex, type IndexOptions, type SearchIndex } from '../retrieve/search.js'
import { type BackendChoice, openBackend as openChosen } from '../run/backend.js'
import { type Closing, closing } from './disposal.js'

/** A backend and why it was chosen, for people. */
export type OpenBackend = Closing<Backend & { readonly reason: string }>

/** Opens WebGPU where there is a GPU, else WebAssembly, or what is asked for; insisting on what is missing rejects, saying why. */
export async function openBackend(choice: Partial<BackendChoice> = {}): Promise<OpenBackend> {
  const { backend, reason } = await openChosen({ backend: 'auto', ...choice })
  return closing(Object.assign(backend, { reason }), () => backend.close())
}

/** Puts `vectors` (N, width) where searching needs no copy of them; `using` releases it. */
export function createVectorIndex(
  backend: Backend,
  vectors: Float32Array,
  width: number,
  options?: IndexOptions,
): Closing<SearchIndex> {
  const index = createIndex(backend, vectors, width, options)
  return closing(index, () => index.release())
}

/** Opens a `.safetensors` file, or the shards of a `.safetensors.index.json`; `await using` closes it. */
export async function openSafetensors(path: string): Promise<Closing<SafetensorsFile>> {
  const file = await open(path)
  return closing(file, () => file.close())
}
