// The oracles of gradients: a case as it was made, its model loaded, and the measure of error that their tolerances speak of.
import { readFileSync } from 'node:fs'
import type { Backend } from '../../src/backend/backend.js'
import { readConfig } from '../../src/model/config.js'
import type { LoadedEncoder, LoadOptions } from '../../src/model/load.js'
import { readAdapter } from '../../src/model/peft.js'
import { readTensor } from '../../src/tensor/parameters.js'
import { candidatesOf } from '../../src/train/contrastive.js'
import { type Arrays, differenceNorm, loadFolder, norm, readPacked } from './oracles.js'

export const readCase = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
export const adapterNames = (arrays: Arrays): Arrays =>
  Object.fromEntries(Object.entries(arrays).map(([name, data]) => [name.replace('base_model.model.', ''), data]))

/** Each trained tensor's gradient, by name. */
export async function gradientArrays(backend: Backend, { trainable }: LoadedEncoder, prefix = ''): Promise<Arrays> {
  const arrays: Arrays = {}
  for (const [name, tensor] of trainable!.tensors) arrays[prefix + name] = await readTensor(backend, tensor.gradient!)
  return arrays
}

/** ‖Δ‖ / max(‖g‖, 1e-4 · ‖all g‖) of the worst tensor. Tensors that the oracle has no gradient for are not looked at. */
export function worstGradient(actual: Arrays, expected: Arrays): { name: string; error: number } {
  const all = norm(Object.values(expected).map(norm))
  return Object.entries(expected)
    .map(([name, g]) => ({ name, error: differenceNorm(actual[name] ?? [], g) / Math.max(norm(g), 1e-4 * all) }))
    .reduce((worst, each) => (each.error <= worst.error ? worst : each))
}

export async function loadCase(backend: Backend, folder: string, more: LoadOptions = {}) {
  const settings = readCase(`${folder}/case.json`)
  const base = `${folder}/${settings.model}`
  const pooling = settings.pooling === 'last' ? 'lasttoken' : settings.pooling
  const options = { pooling, normalize: settings.normalize }
  const adapter = settings.trained === 'lora' ? await readAdapter(folder, await readConfig(base)) : undefined
  const loaded = await loadFolder(
    backend,
    base,
    adapter ? { kind: 'lora', adapter: { ...adapter, dropout: 0 } } : { kind: 'full' },
    { ...options, ...more },
  )
  const query = await readPacked(`${folder}/inputs.safetensors`, 'query.')
  const passage = await readPacked(`${folder}/inputs.safetensors`, 'passage.')
  const batch = { query, passage, ...candidatesOf(query.offsets.length - 1, settings.passages_per_query, true) }
  return { settings, options, loaded, batch }
}
