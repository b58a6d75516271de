// Every kernel of the table in f64, by name.
import type { KernelName, Params } from '../../src/backend/kernels.js'
import * as activations from './activations.js'
import * as attention from './attention.js'
import * as epilogues from './epilogues.js'
import * as grouped from './grouped.js'
import * as int8 from './int8.js'
import * as layers from './layers.js'
import * as lora from './lora.js'
import * as maxsim from './maxsim.js'
import * as pooling from './pooling.js'
import * as rowLosses from './row-losses.js'
import * as rows from './rows.js'
import * as softmaxTiles from './softmax-tiles.js'
import * as training from './training.js'
import type { Reference, ReferenceArray } from './types.js'

const { dropoutFactor, ...layerKernels } = layers
const { activations: _activations, slopes: _slopes, ...activationKernels } = activations

export const reference: { readonly [K in KernelName]: Reference<K> } = {
  ...rows,
  quantize_rows: int8.quantize_rows,
  matmul_int8: int8.matmul_int8,
  ...layerKernels,
  ...attention,
  attention_forward_f16: attention.attention_forward,
  attention_backward_q_f16: attention.attention_backward_q,
  attention_backward_q_bias_f16: attention.attention_backward_q_bias,
  attention_backward_kv_f16: attention.attention_backward_kv,
  ...activationKernels,
  ...epilogues,
  ...grouped,
  ...lora,
  ...pooling,
  ...training,
  ...rowLosses,
  ...maxsim,
  ...softmaxTiles,
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
