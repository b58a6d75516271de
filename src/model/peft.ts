// LoRA adapters in the files of PEFT: adapter_config.json and adapter_model.safetensors. A linear layer with a target is
//   y = x Wᵀ + bias + scale · (x Aᵀ) Bᵀ          A (r, in), B (out, r), scale = α/r, or α/√r with rslora
// Which layers, ranks and α follow from the config by PEFT's own matching; the file must hold exactly those.
// Source: Hu et al. 2021, arXiv:2106.09685; Kalajdzievski 2023, arXiv:2312.03732 (rslora); https://huggingface.co/docs/peft
import { asObject, type JsonObject, jsonText, parseStrictJson, readFields } from '../data/json.js'
import { openSafetensors, type SafetensorsFile, type TensorToWrite, writeSafetensors } from '../data/safetensors.js'
import { shapeText } from '../data/safetensors-header.js'
import { baseName, exists, join, readText } from '../runtime/files.js'
import { writeFile, writeFolderWith } from '../runtime/write.js'
import { modelCard } from './card.js'
import type { ModelConfig } from './config.js'
import { isTargeted, type LoraRule, patternValue, refuseUnsupported } from './peft-rules.js'
import type { SentenceSettings } from './sentence-transformers.js'
import { writeSentenceSettings } from './sentence-writing.js'
import { type LinearLayer, linearLayers } from './tensors.js'
import { checkTokenizerFiles, type ReadTensor, writeDenseModules, writeTokenizer } from './writing.js'

export interface AdapterTarget {
  readonly rank: number
  readonly scale: number
  /** (rank, in) */
  readonly A: Float32Array
  /** (out, rank) */
  readonly B: Float32Array
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
  readonly baseModel?: string
  /** adapter_config.json as it was read; {} for a new adapter. */
  readonly raw: JsonObject
}

export const loraScale = (alpha: number, rank: number, rslora: boolean): number =>
  alpha / (rslora ? Math.sqrt(rank) : rank)

/** PEFT sees the pooler too: an adapter may have been trained on it, but it takes no part in our vectors. */
const pooler = 'pooler.dense'

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
function planTargets(raw: JsonObject, config: ModelConfig, where: string, prefix = ''): PlannedTarget[] {
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

const keyForm = /^(?:base_model\.model\.)?(bert\.)?(.+)\.(lora_[AB])(?:\.default)?\.weight$/

interface StoredKeys {
  /** File names by `<canonical layer>.lora_A` or `.lora_B`. */
  readonly keys: Map<string, string>
  readonly prefix: string
}

function readKeys(file: SafetensorsFile): StoredKeys {
  const keys = new Map<string, string>()
  const strange: string[] = []
  let prefix = ''
  for (const name of file.tensors.keys()) {
    const [, bert, layer, side] = keyForm.exec(name) ?? []
    if (layer === undefined) strange.push(name)
    else keys.set(`${layer}.${side}`, name)
    if (bert) prefix = bert
  }
  if (strange.length > 0)
    throw new Error(`${file.path} holds tensors that are no LoRA weights of linear layers: ${strange.join(', ')}`)
  return { keys, prefix }
}

/** Compares what the config promises with what the file holds, and names every difference. */
function checkStored(file: SafetensorsFile, { keys }: StoredKeys, planned: readonly PlannedTarget[]): void {
  const problems: string[] = []
  const wanted = new Set([`${pooler}.lora_A`, `${pooler}.lora_B`])
  for (const { name, rank, outputs, inputs } of planned)
    for (const [side, shape] of [
      ['lora_A', [rank, inputs]],
      ['lora_B', [outputs, rank]],
    ] as const) {
      const key = `${name}.${side}`
      wanted.add(key)
      const stored = file.tensors.get(keys.get(key) ?? '')
      if (!stored) problems.push(`${key} is missing, expected ${shapeText(shape)}`)
      else if (shapeText(stored.shape) !== shapeText(shape))
        problems.push(`${key} is ${shapeText(stored.shape)}, expected ${shapeText(shape)}`)
    }
  for (const key of keys.keys())
    if (!wanted.has(key)) problems.push(`${key} is there, but is no target of this model and config`)
  if (planned.length === 0) problems.push('target_modules matches no linear layer of the model')
  if (problems.length > 0)
    throw new Error(`${file.path} contradicts its adapter_config.json or the base model:\n  ${problems.join('\n  ')}`)
}

/** Reads an adapter for a base model of this config. */
export async function readAdapter(folder: string, config: ModelConfig): Promise<Adapter> {
  const configPath = join(folder, 'adapter_config.json')
  const raw = asObject(parseStrictJson(await readText(configPath), configPath), configPath)
  const { rank, alpha, rslora, dropout, baseModel } = readLoraConfig(raw, configPath)
  const weightsPath = join(folder, 'adapter_model.safetensors')
  if (!(await exists(weightsPath)))
    throw new Error(`${folder} has no adapter_model.safetensors, expected the adapter's weights there`)
  const file = await openSafetensors(weightsPath)
  try {
    const stored = readKeys(file)
    const planned = planTargets(raw, config, configPath, stored.prefix)
    checkStored(file, stored, planned)
    const targets = new Map<string, AdapterTarget>()
    for (const { name, rank, scale } of planned) {
      const read = (side: string) => file.readF32(stored.keys.get(`${name}.${side}`) as string)
      targets.set(name, { rank, scale, A: await read('lora_A'), B: await read('lora_B') })
    }
    return { rank, alpha, rslora, dropout, targets, ...(baseModel === '' ? {} : { baseModel }), raw }
  } finally {
    await file.close()
  }
}

/** Keys and values of a new LoraConfig, as PEFT writes them. */
const freshConfig: JsonObject = {
  peft_type: 'LORA',
  task_type: 'FEATURE_EXTRACTION',
  bias: 'none',
  fan_in_fan_out: false,
  inference_mode: true,
  modules_to_save: null,
  revision: null,
  use_dora: false,
  rank_pattern: {},
  alpha_pattern: {},
}

/** A pattern for one layer. Without its first part, because older releases of PEFT want something before what they match. */
const patternFor = (name: string) => name.replace(/^encoder\./, '').replaceAll('.', '\\.')

/** Whether PEFT would make exactly the adapter's targets, with their ranks and scales, from this config. */
function reproduces(raw: JsonObject, adapter: Adapter, config: ModelConfig): boolean {
  const planned = planTargets(raw, config, 'adapter_config.json')
  return (
    planned.length === adapter.targets.size &&
    planned.every(({ name, rank, scale }) => {
      const target = adapter.targets.get(name)
      return target?.rank === rank && Math.abs(target.scale - scale) <= 1e-12 * Math.abs(scale)
    })
  )
}

/** The simplest config that describes the adapter: the one it was read with, else suffixes, else full names, with patterns where needed. */
function describeAdapter(adapter: Adapter, config: ModelConfig): JsonObject {
  const { rank, alpha, rslora, dropout, targets, baseModel, raw } = adapter
  const common = {
    ...freshConfig,
    ...raw,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: dropout,
    use_rslora: rslora,
    base_model_name_or_path: baseModel ?? null,
  }
  const names = [...targets.keys()]
  const suffixes = [...new Set(names.map(name => name.split('.').at(-1) as string))].sort()
  const unlike = [...targets].filter(([, target]) => target.rank !== rank)
  // α of each target, freed of the rounding that α/√r·√r leaves.
  const alphas = [...targets].map(([name, target]) => {
    const exact = target.scale * (rslora ? Math.sqrt(target.rank) : target.rank)
    return [patternFor(name), Number(exact.toPrecision(12))] as const
  })
  // Rules of the old config that would narrow the choice again are emptied.
  const narrowing = ['exclude_modules', 'layers_to_transform', 'layers_pattern'].filter(key => key in raw)
  const plain = {
    ...common,
    ...Object.fromEntries(narrowing.map(key => [key, null])),
    rank_pattern: {},
    alpha_pattern: {},
  }
  const patterns = {
    rank_pattern: Object.fromEntries(unlike.map(([name, target]) => [patternFor(name), target.rank])),
    alpha_pattern: Object.fromEntries(alphas.filter(([, own]) => own !== alpha)),
  }
  // The suffix `dense` would make PEFT look for the pooler's update, which is never written.
  const bySuffix = isTargeted({ target_modules: suffixes }, pooler, '') ? [] : [plain, { ...plain, ...patterns }]
  const candidates: JsonObject[] = [
    ...('target_modules' in raw ? [common] : []),
    ...bySuffix.map(candidate => ({ ...candidate, target_modules: suffixes })),
    { ...plain, ...patterns, target_modules: names },
  ]
  const chosen = candidates.find(candidate => reproduces(candidate, adapter, config))
  if (!chosen || names.length === 0)
    throw new Error(
      `the adapter has ${names.join(', ') || 'no targets'}, expected linear layers of the model's encoder`,
    )
  return Object.fromEntries(Object.entries(chosen).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** What lies beside an adapter, so that the folder is a model of its own: pooling and the like need not be the base model's. */
export interface BesideAdapter {
  readonly settings: SentenceSettings
  readonly tokenizer: Readonly<Record<string, Uint8Array>>
  /** Gives the weights of the settings' Dense modules. */
  readonly readTensor: ReadTensor
  readonly notes?: readonly string[]
}

/** Writes a PEFT folder that appears when complete; `config` is the base model's. */
export async function writeAdapter(
  path: string,
  adapter: Adapter,
  config: ModelConfig,
  beside?: BesideAdapter,
): Promise<void> {
  const described = describeAdapter(adapter, config)
  const layers = new Map(linearLayers(config).map(layer => [layer.name, layer]))
  const tensors = [...adapter.targets].flatMap(([name, { rank, A, B }]): TensorToWrite[] => {
    const { outputs, inputs } = layers.get(name) as LinearLayer
    const key = `base_model.model.${name}`
    return [
      { name: `${key}.lora_A.weight`, dtype: 'F32', shape: [rank, inputs], data: A },
      { name: `${key}.lora_B.weight`, dtype: 'F32', shape: [outputs, rank], data: B },
    ]
  })
  if (beside) checkTokenizerFiles(beside.tokenizer, path)
  await writeFolderWith(path, async folder => {
    await writeSafetensors(join(folder, 'adapter_model.safetensors'), tensors, { format: 'pt' })
    await writeFile(join(folder, 'adapter_config.json'), jsonText(described))
    if (!beside) return
    const { settings, tokenizer, readTensor, notes } = beside
    await writeSentenceSettings(folder, settings, config.hidden)
    await writeDenseModules(folder, settings, readTensor)
    await writeTokenizer(folder, tokenizer)
    const { baseModel } = adapter
    const facts = { name: baseName(path), settings, hidden: config.hidden, adapter, ...(baseModel && { baseModel }) }
    await writeFile(join(folder, 'README.md'), modelCard({ ...facts, ...(notes && { notes }) }))
  })
}
