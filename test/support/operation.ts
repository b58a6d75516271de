// An operation under test: recorded once with its backward pass, run in f64 (interpreter.ts) and on a backend. The gradients in f64 must be the
// central differences of the outputs in f64, and a backend's outputs and gradients those in f64.
import * as assert from 'uvu/assert'
import type { Backend, View } from '../../src/backend/backend.js'
import { frozenTensor, readTensor, stateTensor } from '../../src/tensor/parameters.js'
import { createPlan } from '../../src/tensor/plan.js'
import { createPool, createProgram, type HostArray } from '../../src/tensor/program.js'
import type { Dim, Tensor, Values } from '../../src/tensor/tensor.js'
import { createTrace, input, output, runTape, type Trace } from '../../src/tensor/trace.js'
import { interpret } from './interpreter.js'
import { backendsPresent } from './present.js'
import { seededValues } from './values.js'

export interface Operation {
  readonly values: Values
  /** Leaves with gradients: their shapes, in numbers, and values where normally distributed ones will not do. */
  readonly leaves: Readonly<Record<string, { readonly shape: readonly number[]; readonly data?: Float32Array }>>
  /** Other inputs. */
  readonly inputs?: Readonly<Record<string, { readonly shape: readonly Dim[]; readonly data: HostArray }>>
  /** Leaves that lie side by side in one piece of a backend's memory. */
  readonly beside?: readonly (readonly string[])[]
  /** Sees what was recorded for a backend, backward calls too. */
  readonly seen?: (trace: Trace) => void
  /** Records the operation; the tensors that it returns get random gradients, by name. */
  record(trace: Trace, tensors: Readonly<Record<string, Tensor>>): Readonly<Record<string, Tensor>>
}

type Arrays = Record<string, Float64Array>

const sizeOfShape = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1)
const dtypeOf = (data: HostArray): 'f32' | 'i32' | 'u32' =>
  data instanceof Float32Array ? 'f32' : data instanceof Int32Array ? 'i32' : 'u32'

/** Leaves that are used more than once have the sum of their gradients: record as the operation is used. */
export async function checkOperation(operation: Operation, backends?: readonly Backend[]): Promise<void> {
  const random = seededValues(11)
  const data = Object.fromEntries(
    Object.entries(operation.leaves).map(([name, leaf]) => [name, leaf.data ?? random.normal(sizeOfShape(leaf.shape))]),
  )
  const inputs: Record<string, HostArray> = Object.fromEntries(
    Object.entries(operation.inputs ?? {}).map(([name, each]) => [name, each.data]),
  )
  const expected = inF64(operation, data, inputs)
  for (const backend of backends ?? (await backendsPresent())) {
    const found = await onBackend(operation, data, inputs, expected.seeds, backend)
    for (const [name, values] of Object.entries(found))
      closeTo(`${backend.kind} ${name}`, values, expected.arrays[name]!, 1e-5)
  }
}

/** Outputs and gradients (d…) in f64, after these were compared with central differences; and the outputs' gradients. */
function inF64(
  operation: Operation,
  data: Readonly<Record<string, Float32Array>>,
  inputs: Readonly<Record<string, HostArray>>,
): { arrays: Arrays; seeds: Record<string, Float32Array> } {
  const random = seededValues(12)
  const recorded = record(operation, leaf => ({ ...leaf, gradient: { ...leaf, name: `d${leaf.name}` } }))
  const held: Record<string, Float64Array | Int32Array | Uint32Array> = {}
  for (const [name, values] of Object.entries(inputs))
    held[name] = values instanceof Float32Array ? Float64Array.from(values) : (values as Int32Array | Uint32Array)
  const seeds: Record<string, Float32Array> = {}
  for (const [name, tensor] of Object.entries(recorded.results)) {
    const size = tensor.shape.reduce<number>((product, dim) => product * sizeOfDim(dim, operation.values), 1)
    seeds[name] = random.normal(size)
    held[name] = new Float64Array(size)
    held[`seed.${name}`] = Float64Array.from(seeds[name])
  }
  for (const [name, values] of Object.entries(data)) held[name] = Float64Array.from(values)
  const clear = () => {
    for (const name of Object.keys(data)) held[`d${name}`] = new Float64Array(data[name]!.length)
  }
  const run = () => {
    clear()
    interpret(recorded.trace, operation.values, held)
  }
  const scalar = () => {
    run()
    return Object.keys(seeds).reduce(
      (sum, name) => sum + seeds[name]!.reduce((part, seed, i) => part + seed * held[name]![i]!, 0),
      0,
    )
  }
  run()
  const names = [...Object.keys(seeds), ...Object.keys(data).map(name => `d${name}`)]
  const arrays = Object.fromEntries(names.map(name => [name, (held[name] as Float64Array).slice()]))
  for (const name of Object.keys(data))
    closeTo(`d${name} in f64`, arrays[`d${name}`]!, differences(held[name] as Float64Array, scalar), 1e-7)
  return { arrays, seeds }
}

const sizeOfDim = (dim: Dim, values: Values): number => {
  if (typeof dim === 'number') return dim
  return typeof dim === 'string' ? values[dim]! : dim.times * values[dim.symbol]! + dim.plus
}

interface Recorded {
  readonly trace: Trace
  readonly results: Readonly<Record<string, Tensor>>
  readonly leaves: Readonly<Record<string, Tensor>>
}

function record(operation: Operation, place: (leaf: Tensor) => Tensor): Recorded {
  const trace = createTrace({ training: true })
  const leaves = Object.fromEntries(
    Object.entries(operation.leaves).map(([name, { shape }]) => [
      name,
      place({ name, shape, dtype: 'f32', role: 'external', needsGradient: true }),
    ]),
  )
  const given = Object.fromEntries(
    Object.entries(operation.inputs ?? {}).map(([name, { shape, data }]) => [
      name,
      input(trace, name, shape, dtypeOf(data)),
    ]),
  )
  const results = operation.record(trace, { ...leaves, ...given })
  for (const [name, tensor] of Object.entries(results)) {
    output(trace, name, tensor)
    trace.gradients.set(tensor, input(trace, `seed.${name}`, tensor.shape, 'f32'))
  }
  runTape(trace)
  return { trace, results, leaves }
}

async function onBackend(
  operation: Operation,
  data: Readonly<Record<string, Float32Array>>,
  inputs: Readonly<Record<string, HostArray>>,
  seeds: Readonly<Record<string, Float32Array>>,
  backend: Backend,
): Promise<Record<string, Float32Array>> {
  const places = placesOf(operation, backend)
  const { trace, results, leaves } = record(operation, leaf => ({
    ...frozenTensor(backend, leaf.name, leaf.shape as number[], data[leaf.name]!, places.get(leaf.name)),
    needsGradient: true,
    gradient: stateTensor(backend, `d${leaf.name}`, leaf.shape as number[]),
  }))
  operation.seen?.(trace)
  const program = createProgram(createPlan('operation', trace), createPool(backend))
  const seedInputs = Object.fromEntries(Object.entries(seeds).map(([name, seed]) => [`seed.${name}`, seed]))
  await program.run(operation.values, { ...inputs, ...seedInputs })
  const found: Record<string, Float32Array> = {}
  for (const name of Object.keys(results)) found[name] = await program.read(name)
  for (const [name, { gradient }] of Object.entries(leaves)) found[`d${name}`] = await readTensor(backend, gradient!)
  program.release()
  return found
}

function placesOf({ beside = [], leaves }: Operation, backend: Backend): Map<string, View> {
  const places = new Map<string, View>()
  for (const names of beside) {
    const bytes = names.map(name => 4 * sizeOfShape(leaves[name]!.shape))
    const offsets = bytes.map((_, i) => bytes.slice(0, i).reduce((sum, size) => sum + 256 * Math.ceil(size / 256), 0))
    const memory = backend.allocate(offsets.at(-1)! + bytes.at(-1)!, names.join())
    names.forEach((name, i) => void places.set(name, { memory, offset: offsets[i]!, bytes: bytes[i]! }))
  }
  return places
}

/** The gradient of a scalar by central differences, changing `x` in place and back. */
function differences(x: Float64Array, scalar: () => number): Float64Array {
  const step = 1e-5
  return x.map((value, i) => {
    x[i] = value + step
    const above = scalar()
    x[i] = value - step
    const below = scalar()
    x[i] = value
    return (above - below) / (2 * step)
  })
}

function closeTo(name: string, found: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assert.is(found.length, expected.length, name)
  let [largest, error] = [0, 0]
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!))
    const difference = Math.abs(found[i]! - expected[i]!)
    if (!(difference <= error)) error = difference
  }
  assert.ok(error <= tolerance * largest, `${name}: max |Δ| ${error}, largest entry ${largest}`)
}
