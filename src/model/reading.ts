// What the readers of all families have in common: sizes under the family's names, and activations.
import { describe, type Fields, type JsonObject } from '../data/json.js'
import type { ActivationName, DropoutSite, ModelConfig, SizeKeys } from './config.js'

/** Hugging Face's names. */
export const activationNames: Readonly<Record<string, ActivationName>> = {
  gelu: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  silu: 'silu',
  swish: 'silu',
  relu: 'relu',
}

/** What holds where config.json says nothing. Sizes have no default: a wrong one would only be found by the weights. */
export interface Defaults {
  readonly activation: string
  readonly epsilon: number
  readonly dropout: number
  readonly types?: number
  readonly pad?: number
  /** The activation is that of a gate, act(gate) ⊙ up. */
  readonly gated?: true
  /** Default: hidden / heads. */
  readonly headSize?: number
}

export type Sizes = Omit<ModelConfig, 'family' | 'attention' | 'form' | 'raw'>

/** The sizes of a config.json whose names for them are `keys`. */
export function readSizes(fields: Fields, raw: JsonObject, keys: SizeKeys, defaults: Defaults): Sizes {
  const hidden = fields.count(keys.hidden)
  const heads = fields.count(keys.heads)
  const ownHeadSize =
    keys.headSize !== undefined && ((raw[keys.headSize] ?? undefined) !== undefined || defaults.headSize)
  const headSize = ownHeadSize && fields.count(keys.headSize!, defaults.headSize)
  if (!headSize && raw[keys.hidden] === hidden && raw[keys.heads] === heads && hidden % heads !== 0)
    fields.problem(`${keys.hidden} is ${hidden}, expected a multiple of ${keys.heads}, which is ${heads}`)
  const keyValueHeads = keys.keyValueHeads ? fields.count(keys.keyValueHeads, heads) : heads
  if (heads % keyValueHeads !== 0)
    fields.problem(`${keys.heads} is ${heads}, expected a multiple of ${keys.keyValueHeads}, which is ${keyValueHeads}`)
  const vocabulary = fields.count(keys.vocabulary)
  const pad = (raw[keys.pad] ?? undefined) !== undefined || defaults.pad !== undefined
  const sites = Object.entries(keys.dropout) as [DropoutSite, string][]
  return {
    hidden,
    layers: fields.count(keys.layers),
    heads,
    ...(keyValueHeads !== heads && { keyValueHeads }),
    ...(headSize && headSize * heads !== hidden && { headSize }),
    intermediate: fields.count(keys.intermediate),
    activation: readActivation(fields, keys.activation, defaults),
    vocabulary,
    maxPositions: fields.count(keys.positions),
    typeVocabulary: keys.types ? fields.count(keys.types, defaults.types) : 1,
    normEpsilon: keys.epsilon ? fields.number(keys.epsilon, 0, 1, defaults.epsilon) : defaults.epsilon,
    dropout: Object.fromEntries(sites.map(([site, key]) => [site, fields.number(key, 0, 1, defaults.dropout)])),
    ...(pad && { padId: fields.integer(keys.pad, 0, vocabulary, defaults.pad) }),
    initializerRange: fields.number(keys.range, 0, Number.POSITIVE_INFINITY, 0.02),
  }
}

function readActivation(fields: Fields, key: string, { activation, gated }: Defaults): ActivationName {
  const name = fields.text(key, activation)
  const names = Object.keys(activationNames).filter(each => !gated || activationNames[each] !== 'relu')
  if (names.includes(name)) return activationNames[name]!
  fields.problem(`${key} is "${name}", expected one of ${names.join(', ')}`)
  return 'gelu'
}

/** Fails unless a setting that would change the computation has its usual value, or none. */
export function expectUsual(fields: Fields, raw: JsonObject, usual: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(usual))
    if ((raw[key] ?? value) !== value)
      fields.problem(`${key} is ${describe(raw[key])}, only ${describe(value)} is supported`)
}

/** Which layers attend locally: as `layer_types` says, else by the family's rule. */
export function readLayerTypes(
  fields: Fields,
  raw: JsonObject,
  layers: number,
  rule: (layer: number) => boolean,
): boolean[] {
  const types = raw.layer_types ?? undefined
  if (types === undefined) return Array.from({ length: layers }, (_, i) => rule(i))
  const known = ['full_attention', 'sliding_attention']
  if (!Array.isArray(types) || types.length !== layers || !types.every(type => known.includes(type))) {
    fields.problem(`layer_types is ${describe(types)}, expected ${layers} times one of ${known.join(', ')}`)
    return []
  }
  return types.map(type => type === 'sliding_attention')
}
