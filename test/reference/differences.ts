// What the tests of the references share: central differences, a measure of closeness, seeded f64 arrays.
import * as assert from 'uvu/assert'
import { dropoutParams } from '../../src/backend/random.js'
import { seededValues } from '../support/values.js'

export const random = seededValues(1)
export const normal = (count: number, deviation?: number) => Float64Array.from(random.normal(count, deviation))
export const zeros = (count: number) => new Float64Array(count)
export const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)

/** The gradient of a scalar by central differences, changing `x` in place and back. */
export function differences(x: Float64Array, scalar: () => number): Float64Array {
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

/** Central differences of these functions are right to about 1e-10 of the largest entry. */
export function close(name: string, found: Float64Array, expected: Float64Array, tolerance = 1e-8): void {
  assert.is(found.length, expected.length, name)
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const error = found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)
  assert.ok(error <= tolerance * largest, `${name}: max |Δ| ${error}, largest entry ${largest}`)
}

export const dropping = { ...dropoutParams(0.3, 5, 2, 7) }
export const keeping = { ...dropoutParams(0, 0, 0, 0) }
