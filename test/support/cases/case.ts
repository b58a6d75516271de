// A case is one run of one kernel: its parameters and what its tensors hold before. ../kernel-cases.ts lists them all.
import {
  type KernelName,
  kernelSpec,
  type ParamArguments,
  type Params,
  type TensorArguments,
} from '../../../src/backend/kernels.js'
import { runReference } from '../../reference/reference.js'
import type { ReferenceArray } from '../../reference/types.js'

export type Values32 = Float32Array | Int32Array | Uint32Array
/** A number is a count of elements that hold nothing of worth: the kernel overwrites them or leaves them as they are, but never reads them. */
export type Initial = Values32 | number | undefined

export interface CaseOptions {
  /** The number of terms of the longest sum, for the tolerance. */
  readonly terms?: number
  /** By how much the case itself magnifies rounding errors, for the tolerance; said where it is given. */
  readonly conditioning?: number
  /** Per tensor the least scale that errors are measured by, where larger terms cancel. */
  readonly magnitude?: Readonly<Record<string, number>>
  /** Tensors that hold so many interleaved quantities, each compared on its own scale. */
  readonly interleaved?: Readonly<Record<string, number>>
  /** Elements of a tensor that the contract leaves open. */
  readonly open?: Readonly<Record<string, readonly number[]>>
}

export interface KernelCase extends CaseOptions {
  readonly name: string
  readonly params: Params
  /** In the table's order. */
  readonly tensors: Readonly<Record<string, Initial>>
}

/** Parameters become what a kernel sees: f32 ones are rounded to f32. */
export function caseOf<K extends KernelName>(
  kernel: K,
  name: string,
  params: ParamArguments<K, number>,
  tensors: TensorArguments<K, Initial>,
  options: CaseOptions = {},
): KernelCase {
  const { tensors: specs, params: types } = kernelSpec(kernel)
  const given: Readonly<Record<string, Initial>> = tensors
  const values: Params = params
  return {
    name,
    params: Object.fromEntries(
      Object.entries(types).map(([key, type]) => [key, type === 'f32' ? Math.fround(values[key]!) : values[key]!]),
    ),
    tensors: Object.fromEntries(Object.keys(specs).map(key => [key, given[key]])),
    ...options,
  }
}

/** What stands in the place of elements without worth: `garbage` as f32, its whole part in integers. */
export function initialValues(
  kernel: KernelName,
  name: string,
  initial: Initial,
  garbage: number,
): Values32 | undefined {
  if (typeof initial !== 'number') return initial
  const dtype = kernelSpec(kernel).tensors[name]!.dtype
  if (dtype === 'f32') return new Float32Array(initial).fill(garbage)
  return (dtype === 'i32' ? new Int32Array(initial) : new Uint32Array(initial)).fill(garbage)
}

/** The tensors of a case in f64 after the reference ran on them. */
export function expectedTensors(
  kernel: KernelName,
  test: KernelCase,
  garbage: number,
): Record<string, ReferenceArray | undefined> {
  const tensors: Record<string, ReferenceArray | undefined> = {}
  for (const [name, initial] of Object.entries(test.tensors)) {
    const values = initialValues(kernel, name, initial, garbage)
    tensors[name] = values instanceof Float32Array ? new Float64Array(values) : values?.slice()
  }
  runReference(kernel, tensors, test.params)
  return tensors
}

/** The f32 form of one tensor after the reference ran: the input of a case of the next kernel. */
export function referenceOutput(kernel: KernelName, test: KernelCase, name: string): Float32Array {
  return Float32Array.from(expectedTensors(kernel, test, 0)[name]!)
}
