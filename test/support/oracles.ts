// Reading the oracles: safetensors into arrays, folders into models, and the two measures of error that their tolerances speak of.

import type { Backend } from '../../src/backend/backend.js'
import { openSafetensors } from '../../src/data/safetensors.js'
import type { PackedBatch } from '../../src/model/batch.js'
import { canonicalName } from '../../src/model/families.js'
import { openModelFolder } from '../../src/model/folder.js'
import { type LoadedEncoder, type LoadOptions, loadEncoder, type Method } from '../../src/model/load.js'

export type Arrays = Record<string, Float32Array>

/** All f32 tensors of a file. */
export async function readArrays(path: string): Promise<Arrays> {
  const file = await openSafetensors(path)
  const arrays: Arrays = {}
  for (const [name, { dtype }] of file.tensors) if (dtype === 'F32') arrays[name] = await file.readF32(name)
  await file.close()
  return arrays
}

/** `<prefix>ids`, `<prefix>offsets` and, where it is there, `<prefix>token_type_ids`. */
export async function readPacked(path: string, prefix = ''): Promise<PackedBatch> {
  const file = await openSafetensors(path)
  const types = file.tensors.has(`${prefix}token_type_ids`) ? await file.readI32(`${prefix}token_type_ids`) : undefined
  const packed = {
    ids: await file.readI32(`${prefix}ids`),
    offsets: await file.readI32(`${prefix}offsets`),
    ...(types && { typeIds: types }),
  }
  await file.close()
  return packed
}

export async function readIntegers(path: string, name: string): Promise<Int32Array> {
  const file = await openSafetensors(path)
  const values = await file.readI32(name)
  await file.close()
  return values
}

/** A Hugging Face folder in a backend's memory. */
export async function loadFolder(
  backend: Backend,
  path: string,
  method: Method,
  options: LoadOptions,
): Promise<LoadedEncoder> {
  const folder = await openModelFolder(path)
  const loaded = await loadEncoder(backend, folder, folder.settings, method, options)
  await folder.close()
  return loaded
}

export const byCanonicalName = (arrays: Arrays): Arrays =>
  Object.fromEntries(Object.entries(arrays).map(([name, data]) => [canonicalName(name), data]))

export function maxDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} values, expected ${expected.length}`)
  let largest = 0
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!)
    if (!(difference <= largest)) largest = difference
  }
  return largest
}

export function norm(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]! ** 2
  return Math.sqrt(sum)
}

export function differenceNorm(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} values, expected ${expected.length}`)
  return norm(Array.from(expected, (value, i) => actual[i]! - value))
}

export const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((max, x) => Math.max(max, Math.abs(x)), 0)
