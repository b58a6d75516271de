// A reference is the naive f64 form of one kernel of the table: the same tensors (f32 as f64) and parameters, written in place.
// It is written to be obviously right, never to be fast; the finite differences of the tests beside this file check each backward form.
import type { KernelName, kernels, ParamArguments } from '../../src/backend/kernels.js'

type Tensors<K extends KernelName> = (typeof kernels)[K]['tensors']
type ArrayOf<D> = D extends 'f32' ? Float64Array : D extends 'i32' ? Int32Array : Uint32Array
type DTypeOf<S> = S extends { dtype: infer D } ? D : never

export type ReferenceArray = Float64Array | Int32Array | Uint32Array
export type ReferenceTensors<K extends KernelName> = {
  readonly [N in keyof Tensors<K>]: Tensors<K>[N] extends { optional: true }
    ? ArrayOf<DTypeOf<Tensors<K>[N]>> | undefined
    : ArrayOf<DTypeOf<Tensors<K>[N]>>
}
export type Reference<K extends KernelName> = (tensors: ReferenceTensors<K>, params: ParamArguments<K, number>) => void
