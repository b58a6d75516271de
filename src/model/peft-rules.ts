// Which layers a LoraConfig means, by PEFT's matching (tuners/tuners_utils.py, check_target_module_exists and get_pattern_key),
// and which of its settings would change the computation in ways that are not implemented.
import { describe, isObject, type JsonObject } from '../data/json.js'

export interface LoraRule {
  readonly target_modules?: unknown
  readonly exclude_modules?: unknown
  readonly layers_to_transform?: unknown
  readonly layers_pattern?: unknown
}

/** Settings that must be absent, null, false or empty. Keys that are not named here pass: PEFT adds harmless ones with every release. */
const unsupported = [
  'lora_bias',
  'layer_replication',
  'target_parameters',
  'trainable_token_indices',
  'alora_invocation_tokens',
  'arrow_config',
  'kasa_config',
  'monteclora_config',
  'use_bdlora',
  'use_qalora',
]

/** Initialisations that change the base model's weights, so that A and B do not belong to the weights as published. */
const changesBase = /^(pissa|olora|corda|loftq|lora_ga)/

const isOff = (value: unknown) =>
  value === undefined ||
  value === null ||
  value === false ||
  (typeof value === 'object' && Object.keys(value).length === 0)

/** Fails with everything in an adapter_config.json that is not implemented. */
export function refuseUnsupported(raw: JsonObject, where: string): void {
  if (raw.peft_type !== 'LORA')
    throw new Error(`${where}: peft_type is ${describe(raw.peft_type)}, the only supported one is "LORA"`)
  const problems = unsupported.filter(key => !isOff(raw[key])).map(key => `${key} is ${describe(raw[key])}`)
  if ((raw.bias ?? 'none') !== 'none') problems.push(`bias is ${describe(raw.bias)}, expected "none"`)
  const start = raw.init_lora_weights
  if (typeof start === 'string' && changesBase.test(start))
    problems.push(`init_lora_weights is "${start}", which alters the base model`)
  if (problems.length > 0) throw new Error(`${where} asks for what is not supported: ${problems.join('; ')}`)
}

/** Python's regular expressions where their spelling differs: (?P<name>…), \A and \Z. */
function fromPython(pattern: string, where: string): RegExp {
  const source = pattern
    .replaceAll('(?P<', '(?<')
    .replace(/\\(.)/gs, (pair, letter) => (letter === 'A' ? '^' : letter === 'Z' ? '$' : pair))
  try {
    return new RegExp(`^(?:${source})$`, 's')
  } catch (error) {
    throw new Error(
      `${where}: ${describe(pattern)} is not understood as a regular expression: ${(error as Error).message}`,
    )
  }
}

const isTextList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every(entry => typeof entry === 'string')

/** A string is a regular expression for the whole name, a list holds full names and suffixes. */
function named(rule: unknown, name: string, where: string): boolean {
  if (typeof rule === 'string') return fromPython(rule, where).test(name)
  if (!isTextList(rule))
    throw new Error(`${where} is ${describe(rule)}, expected a list of module names or one regular expression`)
  return rule.some(entry => name === entry || name.endsWith(`.${entry}`))
}

/** The number of the layer that a module lies in, for `layers_to_transform`. */
function layerIndex(name: string, patterns: unknown, where: string): number | undefined {
  const list = typeof patterns === 'string' ? [patterns] : (patterns ?? [])
  if (!isTextList(list))
    throw new Error(`${where}: layers_pattern is ${describe(patterns)}, expected a name or a list of names`)
  for (const pattern of list.length > 0 ? list : ['[^.]*']) {
    const index = fromPython(`.*\\.(?:${pattern})\\.(\\d+)\\..*`, where).exec(name)?.[1]
    if (index !== undefined) return Number(index)
  }
  return undefined
}

/** Whether the config puts a low-rank update on the linear layer `name`. */
export function isTargeted(rule: LoraRule, name: string, where: string): boolean {
  const { target_modules: targets, exclude_modules: excluded, layers_to_transform: layers } = rule
  if (!isOff(excluded) && excluded !== '' && named(excluded, name, `${where}: exclude_modules`)) return false
  if (typeof targets === 'string' && targets.toLowerCase() === 'all-linear') return true
  if (!named(targets, name, `${where}: target_modules`)) return false
  // A regular expression and a full name stand for themselves; only suffixes are narrowed to some layers.
  if (isOff(layers) || typeof targets === 'string' || (targets as string[]).includes(name)) return true
  const index = layerIndex(name, rule.layers_pattern, where)
  return index !== undefined && (Array.isArray(layers) ? layers : [layers]).includes(index)
}

/** rank_pattern, alpha_pattern: the value of the first key, in file order, that matches the name or a suffix of it after a dot. */
export function patternValue(patterns: unknown, name: string, otherwise: number, where: string): number {
  if (isOff(patterns)) return otherwise
  if (!isObject(patterns)) throw new Error(`${where} is ${describe(patterns)}, expected an object of numbers`)
  const key = Object.keys(patterns).find(pattern => fromPython(`(?:.*\\.)?(?:${pattern})`, where).test(name))
  if (key === undefined) return otherwise
  const value = patterns[key]
  if (typeof value !== 'number' || !(value > 0))
    throw new Error(`${where}: ${JSON.stringify(key)} is ${describe(value)}, expected a number > 0`)
  return value
}

/**
 * Whether a tensor of the base model is one that modules_to_save replaces: PEFT saves every module whose name ends so, with all that is in it.
 */
export function isSaved(modules: unknown, tensor: string, where: string): boolean {
  if (isOff(modules)) return false
  if (!isTextList(modules))
    throw new Error(`${where}: modules_to_save is ${describe(modules)}, expected a list of module names`)
  const parts = tensor.split('.').slice(0, -1)
  return parts.some((_, i) =>
    modules.some(name =>
      parts
        .slice(0, i + 1)
        .join('.')
        .endsWith(name),
    ),
  )
}
