// A model changed without training: some of its layers, some rows of its vocabulary. What is made is again a source of weights with a config.
import type { JsonObject } from '../data/json.js'
import { attentionOf, type ModelConfig, parseConfig, toConfigJson } from './config.js'
import { denseName } from './dense.js'
import type { WeightSource } from './load.js'
import { expectedTensors } from './tensors.js'

/** "6": the first six; "0,2,4": these. Fails at what the model has not. */
export function parseLayers(text: string, { layers }: ModelConfig): number[] {
  const numbers = text.split(',').map(each => (/^\s*\d+\s*$/.test(each) ? Number(each) : Number.NaN))
  const chosen = numbers.length === 1 ? Array.from({ length: numbers[0]! || 0 }, (_, i) => i) : numbers
  const ascending = chosen.every((layer, i) => Number.isInteger(layer) && (i === 0 || layer > chosen[i - 1]!))
  if (chosen.length === 0 || !ascending || chosen.at(-1)! >= layers)
    throw new Error(
      `the layers "${text}" are not there, expected how many to keep (1 to ${layers}) or a list of numbers in ascending order (0 to ${layers - 1})`,
    )
  return chosen
}

/** The model with these layers alone, in their order. */
export function withLayers<S extends WeightSource>(source: S, chosen: readonly number[]): S {
  const { config } = source
  const { form, raw } = config
  if (form.firstInputPlain && chosen[0] !== 0)
    throw new Error(`the first layer of ${config.family} is made unlike the others; keep it (0)`)
  const types = Array.isArray(raw.layer_types) && {
    layer_types: chosen.map(layer => (raw.layer_types as unknown[])[layer]),
  }
  const json: JsonObject = { ...toConfigJson(config), ...types, [form.keys.layers]: chosen.length }
  const cut = parseConfig(json, 'config.json with fewer layers')
  chosen.forEach((layer, i) => {
    if (JSON.stringify(attentionOf(cut, i)) !== JSON.stringify(attentionOf(config, layer)))
      throw new Error(
        `layer ${layer} of this model attends in another way than its config.json says of layer ${i}, where it would stand; keep the first layers`,
      )
  })
  const before = `${form.layer}.`
  return renamed(source, cut, name => {
    if (!name.startsWith(before)) return name
    const [number, ...rest] = name.slice(before.length).split('.')
    return [form.layer, chosen[Number(number)], ...rest].join('.')
  })
}

/** What a model of this config has, and the Dense modules that stand behind it. */
const expectedOf = (config: ModelConfig, { expected }: WeightSource) => [
  ...expectedTensors(config),
  ...expected.filter(({ name }) => denseName(name)),
]

/** A source under another config, whose tensors are those that `nameOf` gives. */
function renamed<S extends WeightSource>(source: S, config: ModelConfig, nameOf: (name: string) => string): S {
  return {
    ...source,
    config,
    expected: expectedOf(config, source),
    readTensor: name => source.readTensor(nameOf(name)),
    stored: name => source.stored?.(nameOf(name)),
  }
}

/** The ids that a config.json names: `pad_token_id` and its like. */
export const configIds = ({ raw, vocabulary }: ModelConfig): number[] =>
  Object.entries(raw)
    .filter(([key, value]) => /_token_id$/.test(key) && Number.isInteger(value) && (value as number) < vocabulary)
    .map(([, value]) => value as number)

/** The model with these rows of its vocabulary alone: row i is row kept[i]. */
export function withVocabulary<S extends WeightSource>(source: S, kept: Int32Array): S {
  const { config } = source
  const { form, raw, hidden } = config
  const newId = new Map([...kept].map((id, place) => [id, place]))
  const wrong = kept.find(id => id >= config.vocabulary)
  if (wrong !== undefined)
    throw new Error(`the tokenizer has the id ${wrong}, but the model's vocabulary ${config.vocabulary} entries`)
  if (form.positions?.skip !== undefined && newId.get(form.positions.skip) !== form.positions.skip)
    throw new Error(
      `the padding id ${form.positions.skip} of ${config.family} counts its positions and must keep its place`,
    )
  const ids = Object.entries(raw).filter(([key, value]) => /_token_id$/.test(key) && typeof value === 'number')
  const changed = Object.fromEntries(ids.map(([key, value]) => [key, newId.get(value as number) ?? null]))
  const json = { ...toConfigJson(config), ...changed, [form.keys.vocabulary]: kept.length }
  const cut = parseConfig(json, 'config.json with a smaller vocabulary')
  return {
    ...source,
    config: cut,
    expected: expectedOf(cut, source),
    stored: name => (name === form.words ? undefined : source.stored?.(name)),
    async readTensor(name) {
      const values = await source.readTensor(name)
      if (name !== form.words) return values
      const rows = new Float32Array(kept.length * hidden)
      for (const [place, id] of kept.entries())
        rows.set(values.subarray(id * hidden, (id + 1) * hidden), place * hidden)
      return rows
    },
  }
}
