// LoRA adapters in the files of PEFT: adapter_config.json and adapter_model.safetensors. A linear layer with a target is
//   y = x Wᵀ + bias + scale · (x Aᵀ) Bᵀ          A (r, in), B (out, r), scale = α/r, or α/√r with rslora
// Which layers, ranks and α follow from the config by PEFT's own matching; the file must hold exactly those. With a magnitude m (DoRA) the weight is
//   (m / ‖W + scale · B A‖ by rows) · (W + scale · B A)
// and modules_to_save are tensors of the base model in the adapter's own version; in late interaction also its projection, which is the module `linear`
// of a ColBERT class and `1.linear` of a sentence-transformers model that peft wrapped whole.
// Source: Hu et al. 2021, arXiv:2106.09685; Kalajdzievski 2023, arXiv:2312.03732 (rslora); Liu et al. 2024, arXiv:2402.09353 (DoRA);
// https://huggingface.co/docs/peft
import { asObject, type JsonObject, parseStrictJson, readFields } from '../data/json.js'
import { openSafetensors, type SafetensorsFile } from '../data/safetensors.js'
import { shapeText } from '../data/safetensors-header.js'
import { exists, join, readText } from '../runtime/files.js'
import type { ModelConfig } from './config.js'
import { type DenseLayer, denseName, denseTensors } from './dense.js'
import { canonicalName, modelPrefix } from './families.js'
import { isSaved, isTargeted, type LoraRule, patternValue, refuseUnsupported } from './peft-rules.js'
import { expectedTensors, type LinearLayer, linearLayers } from './tensors.js'
import type { ReadTensor } from './writing.js'

export interface AdapterTarget {
  readonly rank: number
  readonly scale: number
  /** (rank, in) */
  readonly A: Float32Array
  /** (out, rank) */
  readonly B: Float32Array
  /** (out): DoRA's; only for inference. */
  readonly magnitude?: Float32Array
}

export interface Adapter {
  /** Of targets that no pattern names otherwise, as is `alpha`. */
  readonly rank: number
  readonly alpha: number
  /** Scale by α/√r instead of α/r. */
  readonly rslora: boolean
  /** Probability, in [0, 1). */
  readonly dropout: number
  /** By the canonical name of the linear layer, e.g. `encoder.layer.0.attention.self.query`. */
  readonly targets: ReadonlyMap<string, AdapterTarget>
  /** modules_to_save: tensors that stand in place of the base model's, by name. */
  readonly saved?: ReadonlyMap<string, Float32Array>
  /** Of modules_to_save what stands in place of the base model's projection, by the names of `denseTensors`. */
  readonly projection?: ReadonlyMap<string, Float32Array>
  readonly baseModel?: string
  /** adapter_config.json as it was read; {} for a new adapter. */
  readonly raw: JsonObject
}

export const loraScale = (alpha: number, rank: number, rslora: boolean): number =>
  alpha / (rslora ? Math.sqrt(rank) : rank)

/** PEFT sees the pooler too: an adapter may have been trained on it, but it takes no part in our vectors. */
export const pooler = 'pooler.dense'

interface LoraConfig {
  readonly rank: number
  readonly alpha: number
  readonly rslora: boolean
  readonly dropout: number
  readonly baseModel: string
  readonly rule: LoraRule
}

function readLoraConfig(raw: JsonObject, where: string): LoraConfig {
  refuseUnsupported(raw, where)
  const fields = readFields(raw, where)
  const rank = fields.count('r')
  const alpha = fields.number('lora_alpha', 0, Number.POSITIVE_INFINITY)
  const dropout = fields.number('lora_dropout', 0, 1, 0)
  const rslora = fields.flag('use_rslora', false)
  const baseModel = fields.text('base_model_name_or_path', '')
  fields.finish()
  return { rank, alpha, rslora, dropout, baseModel, rule: raw as LoraRule }
}

interface PlannedTarget extends LinearLayer {
  readonly rank: number
  readonly scale: number
}

/** What the config says will be there. `prefix` is what the adapter's own model puts before canonical names. */
export function planTargets(raw: JsonObject, config: ModelConfig, where: string, prefix = ''): PlannedTarget[] {
  const { rank: r, alpha: a, rslora, rule } = readLoraConfig(raw, where)
  return linearLayers(config)
    .filter(layer => isTargeted(rule, prefix + layer.name, where))
    .map(layer => {
      const rank = patternValue(raw.rank_pattern, prefix + layer.name, r, `${where}: rank_pattern`)
      const alpha = patternValue(raw.alpha_pattern, prefix + layer.name, a, `${where}: alpha_pattern`)
      if (!Number.isSafeInteger(rank) || rank < 1)
        throw new Error(`${where}: the rank of ${layer.name} is ${rank}, expected an integer >= 1`)
      return { ...layer, rank, scale: loraScale(alpha, rank, rslora) }
    })
}

const keyForm = /^(.+)\.(lora_A|lora_B|lora_magnitude_vector)(?:\.default)?(?:\.weight)?$/

interface StoredKeys {
  /** File names by `<canonical layer>.lora_A` and so on, or by a tensor's canonical name. */
  readonly keys: Map<string, string>
  readonly prefix: string
}

/** What peft puts before names, and the wrapper of a module to save, which its files leave out but a dump of its state has. */
const wrapping = /^base_model\.model\.|\bmodules_to_save\.(?:default\.)?/g
/** Before the transformer's names in a sentence-transformers model that was wrapped whole. */
const firstModule = /^0\.(?:auto_)?model\./

function readKeys(file: SafetensorsFile, projection: readonly DenseLayer[]): StoredKeys {
  const keys = new Map<string, string>()
  const dense = new Map(savedNames(projection))
  let prefix = ''
  for (const stored of file.tensors.keys()) {
    const full = stored.replace(wrapping, '')
    const module = firstModule.exec(full)?.[0] ?? ''
    const name = full.slice(module.length)
    prefix = module + (modelPrefix.exec(name)?.[0] ?? '') || prefix
    const [, layer, part] = keyForm.exec(name) ?? []
    const tensor = dense.get(name) ?? canonicalName(name)
    keys.set(layer === undefined ? tensor : `${layer.replace(modelPrefix, '')}.${part}`, stored)
  }
  return { keys, prefix }
}

/** What peft may call a projection's tensors, and their names here: by the module of a ColBERT class, and by the place in sentence-transformers' row. */
const savedNames = (projection: readonly DenseLayer[]): [saved: string, name: string][] =>
  denseTensors(projection).flatMap(({ name }) => {
    const { module, stored } = denseName(name)!
    const place = Number.parseInt(projection[module]!.path, 10)
    const names = [
      ...(projection.length === 1 ? [stored] : []),
      `${Number.isNaN(place) ? module + 1 : place}.${stored}`,
    ]
    return names.map((saved): [string, string] => [saved, name])
  })

/** What a file must hold, by its keys' canonical names. */
function wantedShapes(
  raw: JsonObject,
  config: ModelConfig,
  projection: readonly DenseLayer[],
  where: string,
  planned: readonly PlannedTarget[],
) {
  const wanted = new Map<string, readonly number[]>()
  for (const { name, rank, outputs, inputs } of planned) {
    wanted.set(`${name}.lora_A`, [rank, inputs])
    wanted.set(`${name}.lora_B`, [outputs, rank])
    if (raw.use_dora === true) wanted.set(`${name}.lora_magnitude_vector`, [outputs])
  }
  for (const { name, shape } of expectedTensors(config))
    if (isSaved(raw.modules_to_save, name, where)) wanted.set(name, shape)
  const saved = savedNames(projection).filter(([name]) => isSaved(raw.modules_to_save, name, where))
  for (const { name, shape } of denseTensors(projection))
    if (saved.some(([, own]) => own === name)) wanted.set(name, shape)
  return wanted
}

/** Compares what the config promises with what the file holds, and names every difference. */
function checkStored(
  file: SafetensorsFile,
  { keys }: StoredKeys,
  wanted: ReadonlyMap<string, readonly number[]>,
): void {
  const problems: string[] = []
  for (const [key, shape] of wanted) {
    const stored = file.tensors.get(keys.get(key) ?? '')
    if (!stored) problems.push(`${key} is missing, expected ${shapeText(shape)}`)
    else if (shapeText(stored.shape) !== shapeText(shape))
      problems.push(`${key} is ${shapeText(stored.shape)}, expected ${shapeText(shape)}`)
  }
  for (const [key, stored] of keys)
    if (!wanted.has(key) && !key.startsWith(pooler))
      problems.push(
        keyForm.test(key)
          ? `${key} is there, but is no target of this model and config`
          : `${stored} is there, but is no LoRA weight of a linear layer, nor of a module in modules_to_save${/\blinear\./.test(key) ? '; if it is a projection, name a late-interaction model as the base' : ''}`,
      )
  if (wanted.size === 0) problems.push('target_modules matches no linear layer of the model')
  if (problems.length > 0)
    throw new Error(
      `${file.path} contradicts its adapter_config.json or the base model (is it an adapter for another one?):\n  ${problems.join('\n  ')}`,
    )
}

/** Reads an adapter for a base model of this config, and with this projection where it is one of late interaction. */
export async function readAdapter(
  folder: string,
  config: ModelConfig,
  projection: readonly DenseLayer[] = [],
): Promise<Adapter> {
  const configPath = join(folder, 'adapter_config.json')
  const raw = asObject(parseStrictJson(await readText(configPath), configPath), configPath)
  const { rank, alpha, rslora, dropout, baseModel } = readLoraConfig(raw, configPath)
  const weightsPath = join(folder, 'adapter_model.safetensors')
  if (!(await exists(weightsPath)))
    throw new Error(`${folder} has no adapter_model.safetensors, expected the adapter's weights there`)
  const file = await openSafetensors(weightsPath)
  try {
    const stored = readKeys(file, projection)
    const planned = planTargets(raw, config, configPath, stored.prefix)
    const wanted = wantedShapes(raw, config, projection, configPath, planned)
    checkStored(file, stored, wanted)
    const read = (key: string) => file.readF32(stored.keys.get(key) as string)
    const targets = new Map<string, AdapterTarget>()
    for (const { name, rank, scale } of planned) {
      const magnitude = raw.use_dora === true ? await read(`${name}.lora_magnitude_vector`) : undefined
      const [A, B] = [await read(`${name}.lora_A`), await read(`${name}.lora_B`)]
      targets.set(name, { rank, scale, A, B, ...(magnitude && { magnitude }) })
    }
    const wantedOf = async (tensors: readonly { readonly name: string }[]) => {
      const own = new Map<string, Float32Array>()
      for (const { name } of tensors) if (wanted.has(name)) own.set(name, await read(name))
      return own
    }
    const saved = await wantedOf(expectedTensors(config))
    const dense = await wantedOf(denseTensors(projection))
    const more = {
      ...(saved.size > 0 && { saved }),
      ...(dense.size > 0 && { projection: dense }),
      ...(baseModel !== '' && { baseModel }),
    }
    return { rank, alpha, rslora, dropout, targets, ...more, raw: withoutProjection(raw, projection, configPath) }
  } finally {
    await file.close()
  }
}

/** A config as it is written again: a projection lies in a module of its own then. */
function withoutProjection(raw: JsonObject, projection: readonly DenseLayer[], where: string): JsonObject {
  const names = savedNames(projection).map(([name]) => name)
  const modules = raw.modules_to_save
  if (!Array.isArray(modules) || names.length === 0) return raw
  return { ...raw, modules_to_save: modules.filter(each => !names.some(name => isSaved([each], name, where))) }
}

/** A low-rank update worked into its weight W (out, in): W + scale · B A, with a magnitude scaled to it by rows. Summed in f64. */
export function mergeUpdate(weight: Float32Array, { A, B, rank, scale, magnitude }: AdapterTarget): Float32Array {
  const inputs = A.length / rank
  const merged = new Float32Array(weight.length)
  const sum = new Float64Array(inputs)
  for (let row = 0; row * inputs < weight.length; row++) {
    sum.set(weight.subarray(row * inputs, (row + 1) * inputs))
    for (let r = 0; r < rank; r++) {
      const factor = scale * B[row * rank + r]!
      for (let column = 0; column < inputs; column++) sum[column]! += factor * A[r * inputs + column]!
    }
    if (magnitude) {
      const factor = magnitude[row]! / Math.sqrt(sum.reduce((squares, value) => squares + value * value, 0))
      for (let column = 0; column < inputs; column++) sum[column]! *= factor
    }
    merged.set(sum, row * inputs)
  }
  return merged
}

/** Whether an adapter has its own version of a tensor of the base model. */
export const isAdapted = (name: string, { targets, saved }: Pick<Adapter, 'targets' | 'saved'>): boolean =>
  saved?.has(name) || targets.has(name.replace(/\.weight$/, ''))

/** A tensor of the base model as the adapter has it: one of modules_to_save, one with its update worked in, or the base model's own. */
export async function adaptedTensor(
  name: string,
  { targets, saved }: Pick<Adapter, 'targets' | 'saved'>,
  readBase: ReadTensor,
): Promise<Float32Array> {
  const own = saved?.get(name)
  if (own) return own
  const update = targets.get(name.replace(/\.weight$/, ''))
  const weight = await readBase(name)
  return update ? mergeUpdate(weight, update) : weight
}
