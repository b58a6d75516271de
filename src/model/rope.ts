// Rotary positions (Su et al. 2021, arXiv:2104.09864): channels d and d + size/2 of a head are turned by position · frequency_d,
// frequency_d = θ^(−2d/size), stretched for longer contexts by Llama 3's rule or linearly. Angles are worked out in f64.
import { describe, type Fields, isObject, type JsonObject } from '../data/json.js'

export interface Rope {
  readonly theta: number
  readonly scaling?:
    | { readonly kind: 'linear'; readonly factor: number }
    | {
        readonly kind: 'llama3'
        readonly factor: number
        readonly low: number
        readonly high: number
        /** The context that the model was trained with before it was stretched. */
        readonly original: number
      }
}

/** Where config.json has the rotation: under `rope_parameters`, there perhaps by layer type; in older files under keys of its own. */
export interface RopePlace {
  readonly layerType?: string
  readonly thetaKey?: string
  /** Where the file does not say. */
  readonly theta: number
  /** Whether the older `rope_scaling` is meant for this rotation; default true. */
  readonly scaled?: boolean
}

const supportedTypes = ['default', 'linear', 'llama3']

/** Reads one rotation; what is wrong goes to `fields`. */
export function readRope(fields: Fields, raw: JsonObject, place: RopePlace): Rope {
  const { layerType = '', thetaKey = 'rope_theta', scaled = true } = place
  const parameters = isObject(raw.rope_parameters) ? raw.rope_parameters : undefined
  const nested = parameters && isObject(parameters[layerType]) ? parameters[layerType] : undefined
  const older = scaled && isObject(raw.rope_scaling) ? raw.rope_scaling : {}
  const section = (nested ?? parameters ?? older) as JsonObject
  const where = nested ? `rope_parameters.${layerType}` : parameters ? 'rope_parameters' : 'rope_scaling'
  const number = (key: string, given: unknown, fallback?: number): number => {
    const value = given ?? fallback
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
    fields.problem(`${key} is ${value === undefined ? 'missing' : describe(value)}, expected a number > 0`)
    return 1
  }
  const theta = number(thetaKey, section.rope_theta ?? raw[thetaKey], place.theta)
  const partial = section.partial_rotary_factor ?? raw.partial_rotary_factor ?? 1
  if (partial !== 1) fields.problem(`partial_rotary_factor is ${describe(partial)}, only 1 is supported`)
  const of = (key: string) => number(`${where}.${key}`, section[key])
  const type = section.rope_type ?? section.type ?? 'default'
  if (type === 'linear') return { theta, scaling: { kind: 'linear', factor: of('factor') } }
  if (type === 'llama3') {
    const [factor, low, high] = [of('factor'), of('low_freq_factor'), of('high_freq_factor')]
    return { theta, scaling: { kind: 'llama3', factor, low, high, original: of('original_max_position_embeddings') } }
  }
  if (type !== 'default')
    fields.problem(`${where}.rope_type is ${describe(type)}, expected one of ${supportedTypes.join(', ')}`)
  return { theta }
}

/** Angle a position, for each of size / 2 pairs of channels. */
export function ropeFrequencies({ theta, scaling }: Rope, size: number): Float64Array {
  return Float64Array.from({ length: size / 2 }, (_, d) => {
    const frequency = theta ** ((-2 * d) / size)
    if (!scaling) return frequency
    if (scaling.kind === 'linear') return frequency / scaling.factor
    const { factor, low, high, original } = scaling
    const turns = (original * frequency) / (2 * Math.PI) // within the original context
    if (turns > high) return frequency
    if (turns < low) return frequency / factor
    const share = (turns - low) / (high - low)
    return ((1 - share) * frequency) / factor + share * frequency
  })
}

const tables = new WeakMap<Rope, Map<number, Float32Array>>()

/** The first `rows` positions: (rows, size), a row [cos (size/2) | sin (size/2)]. */
export function ropeTable(rope: Rope, size: number, rows: number): Float32Array {
  const made = tables.get(rope) ?? new Map<number, Float32Array>()
  tables.set(rope, made)
  const present = made.get(size)
  if (present && present.length >= rows * size) return present.subarray(0, rows * size)
  // Twice as many as asked for before, so that growing batches do not make it anew each time.
  const length = Math.max(rows, present ? (2 * present.length) / size : 0)
  const frequencies = ropeFrequencies(rope, size)
  const table = new Float32Array(length * size)
  for (let position = 0; position < length; position++)
    frequencies.forEach((frequency, d) => {
      table[position * size + d] = Math.cos(position * frequency)
      table[position * size + size / 2 + d] = Math.sin(position * frequency)
    })
  made.set(size, table)
  return table.subarray(0, rows * size)
}
