// Weights in a backend's memory. Frozen ones have a piece each. Trained ones lie side by side in flat segments, with gradients and moments in
// segments of the same layout, so that the optimizer and the norm take one call a segment; a segment is no larger than one binding.
import { type Backend, type Memory, type View, wholeView } from '../backend/backend.js'
import type { HalfType, Tensor } from './tensor.js'

export interface ParameterSpec {
  readonly name: string
  readonly shape: readonly number[]
  /** Absent: written by whoever places it. */
  readonly data?: Float32Array
  /** Whether weight decay applies. */
  readonly decay: boolean
  /** Tensor.narrow */
  readonly narrow?: boolean
}

/** Trained parameters that are stepped together: one piece of memory each for values, gradients and Adam's moments. */
export interface Segment {
  readonly decay: boolean
  /** Of each of the four, padding included; the padding is zero and stays zero. */
  readonly elements: number
  readonly parameters: Tensor
  readonly gradients: Tensor
  readonly m: Tensor
  readonly v: Tensor
}

export interface Trainable {
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly segments: readonly Segment[]
  /** Elements without padding. */
  readonly count: number
  /** In bytes, moments and gradients included. */
  readonly bytes: number
}

const productOf = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1)

const external = (name: string, shape: readonly number[], view: View, gradient?: Tensor): Tensor => ({
  name,
  shape,
  dtype: 'f32',
  role: 'external',
  needsGradient: gradient !== undefined,
  view,
  ...(gradient && { gradient }),
})

/** A weight that is not trained, in memory of its own or at `place`; without `data`, zeros that whoever places it writes over. */
export function frozenTensor(
  backend: Backend,
  name: string,
  shape: readonly number[],
  data?: Float32Array,
  place?: View,
): Tensor {
  const elements = productOf(shape)
  if (data && data.length !== elements)
    throw new Error(`${name}: ${data.length} values for shape (${shape.join(', ')}), expected ${elements}`)
  if (elements * 4 > backend.limits.binding)
    throw new Error(
      `${name} (${shape.join(', ')}) takes ${elements * 4} bytes; this backend binds at most ${backend.limits.binding}`,
    )
  const view = place ?? wholeView(backend.allocate(Math.max(elements * 4, 256), name))
  if (data) backend.write(view, data)
  return external(name, shape, view)
}

/**
 * A weight that is not trained, in 16 bits: `words` hold two numbers each, the lower half first, ⌈elements / 2⌉ of them; without them, zeros that
 * whoever places it writes over.
 */
export function frozenHalf(
  backend: Backend,
  name: string,
  shape: readonly number[],
  dtype: HalfType,
  words?: Uint32Array,
  place?: View,
): Tensor {
  const expected = Math.ceil(productOf(shape) / 2)
  if (words && words.length !== expected)
    throw new Error(`${name}: ${words.length} words for shape (${shape.join(', ')}) in ${dtype}, expected ${expected}`)
  const bits = words && new Float32Array(words.buffer, words.byteOffset, words.length)
  return { ...frozenTensor(backend, name, [expected], bits, place), shape, dtype }
}

/** Zeroed memory that outlives runs, as a tensor. */
export function stateTensor(backend: Backend, name: string, shape: readonly number[]): Tensor {
  return external(name, shape, wholeView(backend.allocate(Math.max(productOf(shape) * 4, 256), name)))
}

/**
 * Lays trained parameters out in segments: those that decay and those that do not, in the order given. Where memory does not suffice for all
 * of them, none is kept.
 */
export function createTrainable(backend: Backend, specs: readonly ParameterSpec[]): Trainable {
  const layouts = [true, false].flatMap(decay => {
    const alike = specs.filter(spec => spec.decay === decay)
    return packSegments(alike, backend).map(members => ({ decay, members }))
  })
  const made: Tensor[] = []
  try {
    const tensors = new Map<string, Tensor>()
    const segments = layouts.map(({ decay, members }, index) => {
      const make = (name: string) => {
        made.push(stateTensor(backend, `segment.${index}.${name}`, [elementsOf(members)]))
        return made.at(-1)!
      }
      const state = { parameters: make('parameters'), gradients: make('gradients'), m: make('m'), v: make('v') }
      for (const member of members) tensors.set(member.spec.name, placeParameter(backend, member, state))
      return { decay, elements: elementsOf(members), ...state }
    })
    const count = specs.reduce((sum, spec) => sum + productOf(spec.shape), 0)
    return { tensors, segments, count, bytes: segments.reduce((sum, segment) => sum + 16 * segment.elements, 0) }
  } catch (error) {
    freeTensors(backend, made)
    throw error
  }
}

/** Two of them as one, for one update with one gradient norm; `tensors` are the first's. */
export const joinTrainables = (a: Trainable, b: Trainable): Trainable => ({
  tensors: a.tensors,
  segments: [...a.segments, ...b.segments],
  count: a.count + b.count,
  bytes: a.bytes + b.bytes,
})

interface Member {
  readonly spec: ParameterSpec
  readonly offset: number
}

function packSegments(specs: readonly ParameterSpec[], backend: Backend): Member[][] {
  const limit = Math.min(backend.limits.binding, backend.limits.memory)
  const segments: Member[][] = []
  let used = Number.POSITIVE_INFINITY
  for (const spec of specs) {
    if (spec.data && spec.data.length !== productOf(spec.shape))
      throw new Error(`${spec.name}: ${spec.data.length} values for shape (${spec.shape.join(', ')})`)
    const bytes = Math.ceil((productOf(spec.shape) * 4) / 256) * 256
    if (bytes > limit)
      throw new Error(
        `${spec.name} (${spec.shape.join(', ')}) takes ${bytes} bytes; this backend binds at most ${limit}`,
      )
    if (used + bytes > limit) {
      segments.push([])
      used = 0
    }
    segments.at(-1)!.push({ spec, offset: used })
    used += bytes
  }
  return segments
}

/** Of a segment, padding included. */
function elementsOf(members: readonly Member[]): number {
  const last = members.at(-1)!
  return last.offset / 4 + Math.ceil(productOf(last.spec.shape) / 64) * 64
}

/** Writes a parameter to its place in the segment; as a tensor, with its gradient. */
function placeParameter(
  backend: Backend,
  { spec: { name, shape, data, narrow }, offset }: Member,
  { parameters, gradients }: Pick<Segment, 'parameters' | 'gradients'>,
): Tensor {
  const place = (tensor: Tensor): View => ({ memory: tensor.view!.memory, offset, bytes: productOf(shape) * 4 })
  const view = place(parameters)
  if (data) backend.write(view, data)
  const placed = external(name, shape, view, external(`d${name}`, shape, place(gradients)))
  return narrow ? { ...placed, narrow: true } : placed
}

/** The values of a tensor with memory of its own. */
export async function readTensor(backend: Backend, tensor: Tensor): Promise<Float32Array> {
  const { memory, offset } = tensor.view!
  return new Float32Array(await backend.read({ memory, offset, bytes: 4 * productOf(tensor.shape as number[]) }))
}

export function freeTensors(backend: Backend, tensors: Iterable<Tensor>): void {
  const memories = new Set<Memory>()
  for (const tensor of tensors) if (tensor.view) memories.add(tensor.view.memory)
  for (const memory of memories) backend.free(memory)
}

export function freeTrainable(backend: Backend, { segments }: Trainable): void {
  freeTensors(
    backend,
    segments.flatMap(({ parameters, gradients, m, v }) => [parameters, gradients, m, v]),
  )
}
