// Activations and gated ones, of every kind.
import { ACTIVATIONS } from '../../../src/backend/layer-kernels.js'
import { seededValues } from '../values.js'
import { caseOf, type KernelCase } from './case.js'
import { MANY_ELEMENTS } from './rows.js'

const random = seededValues(105)
const kinds = ACTIVATIONS.map((name, kind) => ({ name, kind }))

/** Where GELU has its shape, its left tail, where it is x or 0 (tanh of a large cube overflows in a careless kernel), and both zeros. */
const inputs = (): Readonly<Record<string, Float32Array>> => ({
  one: Float32Array.of(0.5),
  three: Float32Array.of(-1, 0, 1),
  middle: random.uniform(257, -3, 3),
  wide: random.normal(1000, 4),
  'left tail': random.uniform(130, -5, -2),
  small: random.uniform(100, -1e-3, 1e-3),
  extreme: Float32Array.of(-1e4, -1000, -100, -40, -13, -9, -0, 0, 9, 13, 40, 100, 1000, 1e4),
})

/** Mostly zeros, whose reference is quick, with a few values between and at the end. */
function manyElements(): Float32Array {
  const x = new Float32Array(MANY_ELEMENTS)
  for (let i = 0; i < x.length; i += 65_521) x[i] = (i % 7) - 3
  x.set(random.normal(999), x.length - 999)
  return x
}

/** Each input with each activation; `inputs` are made anew, so that no case depends on those before it. */
const all = (made: (name: string, x: Float32Array, kind: number) => KernelCase): KernelCase[] =>
  Object.entries(inputs()).flatMap(([name, x]) => kinds.map(each => made(`${each.name}, ${name}`, x, each.kind)))

export function activationForwardCases(): KernelCase[] {
  const act = (name: string, x: Float32Array, kind: number, count = x.length) =>
    caseOf('activation_forward', name, { count, kind }, { x, y: x.length })
  return [...all(act), act('nothing', Float32Array.of(1, 2, 3), 0, 0), act(`${MANY_ELEMENTS}`, manyElements(), 0)]
}

export function activationBackwardCases(): KernelCase[] {
  const act = (name: string, x: Float32Array, kind: number, count = x.length) =>
    caseOf('activation_backward', name, { count, kind }, { x, dy: random.normal(x.length), dx: x.length })
  return [...all(act), act('nothing', Float32Array.of(1, 2, 3), 0, 0)]
}

export function gatedActivationForwardCases(): KernelCase[] {
  const gated = (name: string, gate: Float32Array, kind: number, count = gate.length) => {
    const tensors = { gate, up: random.normal(gate.length), y: gate.length }
    return caseOf('gated_activation_forward', name, { count, kind }, tensors)
  }
  return [...all(gated), gated('nothing', Float32Array.of(1, 2, 3), 0, 0)]
}

export function gatedActivationBackwardCases(): KernelCase[] {
  const gated = (name: string, gate: Float32Array, kind: number, count = gate.length) => {
    const size = gate.length
    const tensors = { gate, up: random.normal(size), dy: random.normal(size), dgate: size, dup: size }
    return caseOf('gated_activation_backward', name, { count, kind }, tensors)
  }
  return [...all(gated), gated('nothing', Float32Array.of(1, 2, 3), 0, 0)]
}
