// What a sentence-transformers folder says about the way from hidden states to one vector a text: pooling, Dense modules, normalisation,
// length, prompts, similarity. Both spellings are read: modules `sentence_transformers.models.*` with one boolean a pooling mode,
// and version 6's `pooling_mode`. sentence-writing.ts writes.
// Source: https://sbert.net/docs/package_reference/sentence_transformer/models.html
import { asObject, describe, isObject, type JsonObject, parseStrictJson, readFields } from '../data/json.js'
import { exists, join, readText } from '../runtime/files.js'
import type { ModelConfig } from './config.js'
import { type DenseLayer, readDenseConfig } from './dense.js'
import { type LateInteractionSettings, readLateInteraction, readStanford } from './late-interaction-settings.js'

/** In the fixed order in which the legacy booleans are concatenated. */
export const legacyKeys = {
  cls: 'pooling_mode_cls_token',
  max: 'pooling_mode_max_tokens',
  mean: 'pooling_mode_mean_tokens',
  mean_sqrt_len_tokens: 'pooling_mode_mean_sqrt_len_tokens',
  weightedmean: 'pooling_mode_weightedmean_tokens',
  lasttoken: 'pooling_mode_lasttoken',
} as const

/** By the names that files have for them. */
export const supportedPooling = ['mean', 'cls', 'max', 'mean_sqrt_len_tokens', 'weightedmean', 'lasttoken'] as const
export type PoolingMode = (typeof supportedPooling)[number]

/** Of q and d: q·d / ‖q‖‖d‖, q·d, −‖q − d‖₂, −‖q − d‖₁. */
export const supportedSimilarity = ['cosine', 'dot', 'euclidean', 'manhattan'] as const
export type Similarity = (typeof supportedSimilarity)[number]

export interface SentenceSettings {
  /** One mode, or several whose vectors are concatenated in this order; none in late interaction. */
  readonly pooling: readonly PoolingMode[]
  /** False: the tokens of a prompt take part in attention but not in the pooling. */
  readonly includePrompt: boolean
  /** Applied to the pooled vector, one after the other. */
  readonly dense: readonly DenseLayer[]
  /** Whether the vector is scaled to length 1 in the end. */
  readonly normalize: boolean
  /** The most tokens of a text, special tokens included. */
  readonly maxLength: number
  /** Lower-case the text before the tokenizer sees it. */
  readonly doLowerCase: boolean
  /** By name, to be put in front of a text. */
  readonly prompts: Readonly<Record<string, string>>
  readonly defaultPromptName?: string
  readonly similarity: Similarity
  /** Of a model with one vector a token. */
  readonly lateInteraction?: LateInteractionSettings
}

async function readObject(path: string): Promise<JsonObject> {
  return asObject(parseStrictJson(await readText(path), path), path)
}

const readObjectIfPresent = async (path: string): Promise<JsonObject> => ((await exists(path)) ? readObject(path) : {})

function supported<T extends string>(value: string, list: readonly T[], where: string, what: string): T {
  if (!(list as readonly string[]).includes(value))
    throw new Error(`${where}: ${what} "${value}" is not supported; supported: ${list.join(', ')}`)
  return value as T
}

interface Module {
  readonly kind: (typeof moduleKinds)[number]
  readonly path: string
}

const moduleKinds = ['Transformer', 'Pooling', 'Dense', 'Normalize', 'MultiVectorMask'] as const

const dense = /^Transformer, Pooling(, Dense|, Normalize)*$/
const lateInteraction = /^Transformer(, Dense)+(, MultiVectorMask)?(, Normalize)*(, MultiVectorMask)?$/

/** The modules in order. Anything else than what is known would change the vectors and is refused by name. */
async function readModules(path: string): Promise<readonly Module[]> {
  const content = parseStrictJson(await readText(path), path)
  if (!Array.isArray(content)) throw new Error(`${path} holds ${describe(content)}, expected a list of modules`)
  const modules = content.map((entry, i): Module => {
    const fields = readFields(asObject(entry, `${path}: module ${i}`), `${path}: module ${i}`)
    const module = { type: fields.text('type'), path: fields.text('path') }
    fields.finish()
    const kind = /^(sentence_transformers|pylate)\./.test(module.type)
      ? (module.type.split('.').at(-1) as string)
      : module.type
    if (/^[/\\]|:|(^|[/\\])\.\.([/\\]|$)/.test(module.path))
      throw new Error(`${path}: module ${i} has the path "${module.path}", expected one inside the folder`)
    return { kind: supported(kind, moduleKinds, path, 'the module type'), path: module.path }
  })
  const kinds = modules.map(module => module.kind).join(', ')
  if (!dense.test(kinds) && !lateInteraction.test(kinds))
    throw new Error(
      `${path} lists the modules ${kinds || '(none)'}, expected Transformer, Pooling and perhaps Dense and Normalize, in this order ` +
        '(late interaction: Transformer, Dense and perhaps MultiVectorMask and Normalize)',
    )
  if (modules[0]!.path !== '')
    throw new Error(
      `${path}: the transformer lies in "${modules[0]!.path}", expected "": move its files into the model's folder`,
    )
  return modules
}

/** The Dense modules, each checked against the width of what comes in, and whether the last step scales to length 1. */
async function readDenseModules(folder: string, modules: readonly Module[], width: number, late: boolean) {
  const layers: DenseLayer[] = []
  let [inputs, normalize] = [width, false]
  for (const { kind, path } of modules)
    if (kind === 'Normalize') normalize = true
    else if (kind === 'Dense') {
      const layer = await readDenseConfig(folder, path, inputs, late ? 'token_embeddings' : 'sentence_embedding')
      layers.push(normalize ? { ...layer, normalizeFirst: true } : layer)
      inputs = layer.outputs
      normalize = false
    }
  return { layers, normalize }
}

/** `pooling_mode` (a name or a list of names), or the legacy booleans, of which mean alone is on when it is not mentioned. */
function poolingModes(raw: JsonObject, where: string): string[] {
  const mode = raw.pooling_mode ?? undefined
  if (mode === undefined) {
    const fields = readFields(raw, where)
    const modes = Object.entries(legacyKeys).filter(([name, key]) => fields.flag(key, name === 'mean'))
    fields.finish()
    return modes.map(([name]) => name)
  }
  const modes = Array.isArray(mode) ? mode : [mode]
  if (!modes.every(name => typeof name === 'string'))
    throw new Error(`${where}: pooling_mode is ${describe(mode)}, expected a name or a list of names`)
  return modes
}

async function readPooling(path: string, hidden: number): Promise<Pick<SentenceSettings, 'pooling' | 'includePrompt'>> {
  const raw = await readObject(path)
  const pooling = poolingModes(raw, path).map(mode => supported(mode, supportedPooling, path, 'the pooling mode'))
  if (pooling.length === 0)
    throw new Error(`${path} switches every pooling mode off, expected one of ${supportedPooling.join(', ')}`)
  const fields = readFields(raw, path)
  const key = 'embedding_dimension' in raw ? 'embedding_dimension' : 'word_embedding_dimension'
  const dimension = fields.count(key)
  const includePrompt = fields.flag('include_prompt', true)
  fields.finish()
  if (dimension !== hidden)
    throw new Error(`${path}: ${key} is ${dimension}, but the transformer's hidden_size is ${hidden}`)
  return { pooling, includePrompt }
}

async function readSentenceConfig(folder: string): Promise<{ path: string; raw: JsonObject }> {
  const path = join(folder, 'sentence_bert_config.json')
  return { path, raw: await readObjectIfPresent(path) }
}

/**
 * sentence_bert_config.json's max_seq_length; where it has none, the tokenizer's model_max_length. Never more than the model has
 * positions for. (tokenizer.json's own truncation does not count.)
 */
async function readLength(
  folder: string,
  maxPositions: number,
): Promise<Pick<SentenceSettings, 'maxLength' | 'doLowerCase'>> {
  const { path, raw } = await readSentenceConfig(folder)
  const sentence = readFields(raw, path)
  const doLowerCase = sentence.flag('do_lower_case', false)
  const stated = sentence.integer('max_seq_length', 0, Number.POSITIVE_INFINITY, 0)
  sentence.finish()
  if (stated > 0) return { maxLength: Math.min(stated, maxPositions), doLowerCase }
  const tokenizerPath = join(folder, 'tokenizer_config.json')
  const tokenizer = readFields(await readObjectIfPresent(tokenizerPath), tokenizerPath)
  // "No limit" is written as about 1e30, which is no exact integer.
  const limit = tokenizer.number('model_max_length', 1, Number.POSITIVE_INFINITY, maxPositions)
  tokenizer.finish()
  return { maxLength: Math.min(Math.floor(limit), maxPositions), doLowerCase }
}

function readUse(
  path: string,
  raw: JsonObject,
  late: boolean,
): Pick<SentenceSettings, 'prompts' | 'defaultPromptName' | 'similarity'> {
  const prompts = raw.prompts ?? {}
  if (!isObject(prompts) || !Object.values(prompts).every(prompt => typeof prompt === 'string'))
    throw new Error(`${path}: prompts is ${describe(prompts)}, expected an object of strings`)
  const fields = readFields(raw, path)
  const named = fields.text('similarity_fn_name', 'cosine')
  const similarity = named === 'dot_product' ? 'dot' : named // an old name
  const name = fields.text('default_prompt_name', '')
  fields.finish()
  if (name !== '' && !Object.hasOwn(prompts, name))
    throw new Error(
      `${path}: default_prompt_name is "${name}", but prompts has only ${Object.keys(prompts).join(', ') || 'no entries'}`,
    )
  return {
    prompts: prompts as Record<string, string>,
    ...(name === '' ? {} : { defaultPromptName: name }),
    similarity: late ? 'dot' : supported(similarity, supportedSimilarity, path, 'the similarity'),
  }
}

/** What holds where nothing else is said: the mean over tokens, not normalised, no prompts, cosine similarity. */
export function plainSettings(maxLength: number): SentenceSettings {
  return {
    pooling: ['mean'],
    includePrompt: true,
    dense: [],
    normalize: false,
    maxLength,
    doLowerCase: false,
    prompts: {},
    similarity: 'cosine',
  }
}

/** Lengths of its own for queries or documents would change the vectors. */
function refuseTaskLengths({ path, raw }: { path: string; raw: JsonObject }): void {
  for (const key of ['query_length', 'document_length', 'query_expansion'])
    if ((raw[key] ?? null) !== null)
      throw new Error(`${path}: ${key} is ${describe(raw[key])}, which is supported for late interaction only`)
}

/**
 * Reads the settings of a sentence-transformers folder; of a folder without modules.json, `plainSettings` and the tokenizer's length. A folder of
 * late interaction has no pooling, but `lateInteraction`.
 */
export async function readSentenceSettings(folder: string, config: ModelConfig): Promise<SentenceSettings> {
  const length = await readLength(folder, config.maxPositions)
  const modulesPath = join(folder, 'modules.json')
  if (!(await exists(modulesPath))) {
    const stanford = await readStanford(folder, config.hidden)
    const plain = { ...plainSettings(length.maxLength), ...length }
    return stanford ? { ...plain, pooling: [], lateInteraction: stanford } : plain
  }
  const modules = await readModules(modulesPath)
  const pooling = modules.find(({ kind }) => kind === 'Pooling')
  const usePath = join(folder, 'config_sentence_transformers.json')
  const use = { path: usePath, raw: await readObjectIfPresent(usePath) }
  const sentence = await readSentenceConfig(folder)
  const common = { ...length, ...readUse(usePath, use.raw, !pooling) }
  if (pooling) {
    refuseTaskLengths(sentence)
    const read = await readPooling(join(folder, pooling.path, 'config.json'), config.hidden)
    const width = config.hidden * read.pooling.length
    const { layers, normalize } = await readDenseModules(folder, modules, width, false)
    return { ...read, dense: layers, normalize, ...common }
  }
  const { layers, normalize } = await readDenseModules(folder, modules, config.hidden, true)
  const mask = modules.find(({ kind }) => kind === 'MultiVectorMask')
  const late = await readLateInteraction({
    ...{ projection: layers, normalize, sentence, use, maxLength: length.maxLength },
    ...(mask && { maskPath: join(folder, mask.path, 'config.json') }),
  })
  return { ...plainSettings(length.maxLength), ...common, pooling: [], lateInteraction: late }
}

/** The width of a text's vector. */
export function vectorWidth(settings: Pick<SentenceSettings, 'pooling' | 'dense'>, hidden: number): number {
  return settings.dense.at(-1)?.outputs ?? settings.pooling.length * hidden
}
