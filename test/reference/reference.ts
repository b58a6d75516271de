// Every kernel of the table in f64, by name.
import type { KernelName, Params } from '../../src/backend/kernels.js'
import * as attention from './attention.js'
import * as layers from './layers.js'
import * as rows from './rows.js'
import * as training from './training.js'
import type { Reference, ReferenceArray } from './types.js'

const { dropoutFactor, ...layerKernels } = layers

export const reference: { readonly [K in KernelName]: Reference<K> } = {
  ...rows,
  ...layerKernels,
  ...attention,
  ...training,
}

/** Runs a reference chosen at run time, in place; the caller answers for the tensors' names and types. */
export function runReference(
  kernel: KernelName,
  tensors: Record<string, ReferenceArray | undefined>,
  params: Params,
): void {
  const run = reference[kernel] as (tensors: Record<string, ReferenceArray | undefined>, params: Params) => void
  run(tensors, params)
}
