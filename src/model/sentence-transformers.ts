// What a sentence-transformers folder says about the way from hidden states to one vector a text: pooling, normalisation,
// length, prompts, similarity. Both spellings are read (modules `sentence_transformers.models.*` with one boolean a pooling mode,
// and version 6's `pooling_mode`); the first is written, which every release reads.
// Source: https://sbert.net/docs/package_reference/sentence_transformer/models.html
import { asObject, describe, isObject, type JsonObject, jsonText, parseStrictJson, readFields } from '../data/json.js'
import { exists, join, makeFolder, readText } from '../runtime/files.js'
import { writeFile } from '../runtime/write.js'
import type { ModelConfig } from './config.js'

/** In the fixed order in which the legacy booleans are concatenated. */
const legacyKeys = {
  cls: 'pooling_mode_cls_token',
  max: 'pooling_mode_max_tokens',
  mean: 'pooling_mode_mean_tokens',
  mean_sqrt_len_tokens: 'pooling_mode_mean_sqrt_len_tokens',
  weightedmean: 'pooling_mode_weightedmean_tokens',
  lasttoken: 'pooling_mode_lasttoken',
} as const

export const supportedPooling = ['mean', 'cls'] as const
export type PoolingMode = (typeof supportedPooling)[number]

export const supportedSimilarity = ['cosine', 'dot'] as const
export type Similarity = (typeof supportedSimilarity)[number]

export interface SentenceSettings {
  /** One mode, or several whose vectors are concatenated in this order. */
  readonly pooling: readonly PoolingMode[]
  /** False: the tokens of a prompt take part in attention but not in the pooling. */
  readonly includePrompt: boolean
  readonly normalize: boolean
  /** The most tokens of a text, special tokens included. */
  readonly maxLength: number
  /** Lower-case the text before the tokenizer sees it. */
  readonly doLowerCase: boolean
  /** By name, to be put in front of a text. */
  readonly prompts: Readonly<Record<string, string>>
  readonly defaultPromptName?: string
  readonly similarity: Similarity
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

interface Modules {
  poolingPath: string
  normalize: boolean
}

/** Transformer at "", Pooling, and perhaps Normalize, in this order; anything else would change the vectors and is refused by name. */
async function readModules(path: string): Promise<Modules> {
  const content = parseStrictJson(await readText(path), path)
  if (!Array.isArray(content)) throw new Error(`${path} holds ${describe(content)}, expected a list of modules`)
  const modules = content.map((entry, i) => {
    const fields = readFields(asObject(entry, `${path}: module ${i}`), `${path}: module ${i}`)
    const module = { type: fields.text('type'), path: fields.text('path') }
    fields.finish()
    const kind = module.type.startsWith('sentence_transformers.')
      ? (module.type.split('.').at(-1) as string)
      : module.type
    if (/^[/\\]|:|(^|[/\\])\.\.([/\\]|$)/.test(module.path))
      throw new Error(`${path}: module ${i} has the path "${module.path}", expected one inside the folder`)
    return {
      kind: supported(kind, ['Transformer', 'Pooling', 'Normalize'], path, 'the module type'),
      path: module.path,
    }
  })
  const kinds = modules.map(module => module.kind).join(', ')
  if (!/^Transformer, Pooling(, Normalize)*$/.test(kinds))
    throw new Error(
      `${path} lists the modules ${kinds || '(none)'}, expected Transformer, Pooling and perhaps Normalize, in this order`,
    )
  const [transformer, pooling] = modules as [(typeof modules)[0], (typeof modules)[0]]
  if (transformer.path !== '')
    throw new Error(
      `${path}: the transformer lies in "${transformer.path}", expected "": move its files into the model's folder`,
    )
  return { poolingPath: pooling.path, normalize: modules.length > 2 }
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

/**
 * sentence_bert_config.json's max_seq_length; where it has none, the tokenizer's model_max_length. Never more than the model has
 * positions for. (tokenizer.json's own truncation does not count.)
 */
async function readLength(
  folder: string,
  maxPositions: number,
): Promise<Pick<SentenceSettings, 'maxLength' | 'doLowerCase'>> {
  const path = join(folder, 'sentence_bert_config.json')
  const sentence = readFields(await readObjectIfPresent(path), path)
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

async function readUse(path: string): Promise<Pick<SentenceSettings, 'prompts' | 'defaultPromptName' | 'similarity'>> {
  const raw = await readObjectIfPresent(path)
  const prompts = raw.prompts ?? {}
  if (!isObject(prompts) || !Object.values(prompts).every(prompt => typeof prompt === 'string'))
    throw new Error(`${path}: prompts is ${describe(prompts)}, expected an object of strings`)
  const fields = readFields(raw, path)
  const similarity = fields.text('similarity_fn_name', 'cosine')
  const name = fields.text('default_prompt_name', '')
  fields.finish()
  if (name !== '' && !Object.hasOwn(prompts, name))
    throw new Error(
      `${path}: default_prompt_name is "${name}", but prompts has only ${Object.keys(prompts).join(', ') || 'no entries'}`,
    )
  return {
    prompts: prompts as Record<string, string>,
    ...(name === '' ? {} : { defaultPromptName: name }),
    similarity: supported(similarity, supportedSimilarity, path, 'the similarity'),
  }
}

/** What holds where nothing else is said: the mean over tokens, not normalised, no prompts, cosine similarity. */
export function plainSettings(maxLength: number): SentenceSettings {
  return {
    pooling: ['mean'],
    includePrompt: true,
    normalize: false,
    maxLength,
    doLowerCase: false,
    prompts: {},
    similarity: 'cosine',
  }
}

/** Reads the settings of a sentence-transformers folder; of a folder without modules.json, `plainSettings` and the tokenizer's length. */
export async function readSentenceSettings(folder: string, config: ModelConfig): Promise<SentenceSettings> {
  const length = await readLength(folder, config.maxPositions)
  const modulesPath = join(folder, 'modules.json')
  if (!(await exists(modulesPath))) return { ...plainSettings(length.maxLength), ...length }
  const { poolingPath, normalize } = await readModules(modulesPath)
  return {
    ...(await readPooling(join(folder, poolingPath, 'config.json'), config.hidden)),
    normalize,
    ...length,
    ...(await readUse(join(folder, 'config_sentence_transformers.json'))),
  }
}

/** The legacy booleans; `pooling_mode` where they would put several modes into another order. */
function poolingJson({ pooling, includePrompt }: SentenceSettings, hidden: number): JsonObject {
  const legacy = Object.entries(legacyKeys)
  const ordered = legacy.map(([name]) => name).filter(name => (pooling as readonly string[]).includes(name))
  if (ordered.join() !== pooling.join())
    return { embedding_dimension: hidden, pooling_mode: pooling, include_prompt: includePrompt }
  const flags = legacy.map(([name, key]) => [key, ordered.includes(name)])
  return { word_embedding_dimension: hidden, ...Object.fromEntries(flags), include_prompt: includePrompt }
}

/** Writes the settings' files into a folder that exists (`writeModelFolder` makes the whole appear at once). */
export async function writeSentenceSettings(folder: string, settings: SentenceSettings, hidden: number): Promise<void> {
  const kinds = [
    ['Transformer', ''],
    ['Pooling', '1_Pooling'],
    ...(settings.normalize ? [['Normalize', '2_Normalize']] : []),
  ]
  const modules = kinds.map(([kind, path], idx) => ({
    idx,
    name: String(idx),
    path,
    type: `sentence_transformers.models.${kind}`,
  }))
  await writeFile(join(folder, 'modules.json'), jsonText(modules))
  await writeFile(join(folder, '1_Pooling', 'config.json'), jsonText(poolingJson(settings, hidden)))
  if (settings.normalize) await makeFolder(join(folder, '2_Normalize'))
  await writeFile(
    join(folder, 'sentence_bert_config.json'),
    jsonText({ max_seq_length: settings.maxLength, do_lower_case: settings.doLowerCase }),
  )
  await writeFile(
    join(folder, 'config_sentence_transformers.json'),
    jsonText({
      __version__: { sentence_transformers: '3.0.0' }, // the release whose form of files this is
      prompts: settings.prompts,
      default_prompt_name: settings.defaultPromptName ?? null,
      similarity_fn_name: settings.similarity,
    }),
  )
}
