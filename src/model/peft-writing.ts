// Writes an adapter as PEFT does: adapter_config.json in the simplest words that describe it, adapter_model.safetensors, and what makes the folder a
// model of its own.
import { type JsonObject, jsonText } from '../data/json.js'
import { type TensorToWrite, writeSafetensors } from '../data/safetensors.js'
import { baseName, join } from '../runtime/files.js'
import { writeFile, writeFolderWith } from '../runtime/write.js'
import { modelCard } from './card.js'
import type { ModelConfig } from './config.js'
import { writeLateModules } from './late-writing.js'
import { type Adapter, planTargets, pooler } from './peft.js'
import { isTargeted } from './peft-rules.js'
import type { SentenceSettings } from './sentence-transformers.js'
import { writeSentenceSettings } from './sentence-writing.js'
import { expectedTensors, type LinearLayer, linearLayers } from './tensors.js'
import { checkReplaceable, checkTokenizerFiles, type ReadTensor, writeDenseModules, writeTokenizer } from './writing.js'

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
  const { rank, alpha, rslora, dropout, targets, saved, baseModel, raw } = adapter
  const common = {
    ...freshConfig,
    ...raw,
    use_dora: [...targets.values()].some(({ magnitude }) => magnitude),
    ...(saved ? {} : { modules_to_save: null }),
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
  /** Gives the weights of the settings' Dense modules: in late interaction of the projection, which is trained in full beside the adapter. */
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
  const tensors = [...adapter.targets].flatMap(([name, { rank, A, B, magnitude }]): TensorToWrite[] => {
    const { outputs, inputs } = layers.get(name) as LinearLayer
    const key = `base_model.model.${name}`
    return [
      { name: `${key}.lora_A.weight`, dtype: 'F32', shape: [rank, inputs], data: A },
      { name: `${key}.lora_B.weight`, dtype: 'F32', shape: [outputs, rank], data: B },
      ...(magnitude
        ? [{ name: `${key}.lora_magnitude_vector`, dtype: 'F32', shape: [outputs], data: magnitude } as const]
        : []),
    ]
  })
  for (const { name, shape } of expectedTensors(config)) {
    const data = adapter.saved?.get(name)
    if (data) tensors.push({ name: `base_model.model.${name}`, dtype: 'F32', shape, data })
  }
  if (beside) checkTokenizerFiles(beside.tokenizer, path)
  await checkReplaceable(path)
  await writeFolderWith(path, async folder => {
    await writeSafetensors(join(folder, 'adapter_model.safetensors'), tensors, { format: 'pt' })
    await writeFile(join(folder, 'adapter_config.json'), jsonText(described))
    if (!beside) return
    const { settings, tokenizer, readTensor, notes } = beside
    if (settings.lateInteraction) await writeLateModules(folder, settings, readTensor)
    else {
      await writeSentenceSettings(folder, settings, config.hidden)
      await writeDenseModules(folder, settings, readTensor)
    }
    await writeTokenizer(folder, tokenizer)
    const { baseModel } = adapter
    const facts = { name: baseName(path), settings, hidden: config.hidden, adapter, ...(baseModel && { baseModel }) }
    await writeFile(join(folder, 'README.md'), modelCard({ ...facts, ...(notes && { notes }) }))
  })
}
