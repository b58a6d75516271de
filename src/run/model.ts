// A model as a user names it: a sentence-transformers or Hugging Face folder, a PEFT adapter's folder, or a seeded random start; with its tokenizer,
// on a backend.
import type { Backend } from '../backend/backend.js'
import { hashLines } from '../data/fingerprint.js'
import { asObject, type JsonObject, parseStrictJson } from '../data/json.js'
import type { PackedBatch } from '../model/batch.js'
import type { ModelConfig } from '../model/config.js'
import { hasTokenizer, openModelFolder } from '../model/folder.js'
import { createLateTokenizer } from '../model/late-interaction.js'
import { type LoadedEncoder, type LoadOptions, loadEncoder, type Method, type WeightSource } from '../model/load.js'
import { type Adapter, adaptedTensor, readAdapter } from '../model/peft.js'
import { writeAdapter } from '../model/peft-writing.js'
import type { SentenceSettings } from '../model/sentence-transformers.js'
import { writeModelFolder } from '../model/writing.js'
import { exists, hashFile, isAbsolute, isFolder, join, readText, resolve } from '../runtime/files.js'
import { quantizedBits } from '../tensor/tensor.js'
import { withEnd } from '../text/ending.js'
import { loadTokenizer, type Tokenizer } from '../text/tokenizer.js'

/** Where a model's parts come from, before anything is in a backend. */
export interface ModelSource {
  /** As it was named; "random" for a random start. */
  readonly name: string
  readonly weights: WeightSource
  readonly settings: SentenceSettings
  readonly tokenizer?: Tokenizer
  /** Of a PEFT folder. */
  readonly adapter?: Adapter
  /** The base model's folder; absent for a random start. */
  readonly folder?: string
  /** Of a model with two encoders, that of documents; itself where both begin as the same. */
  readonly passage?: ModelSource
  /** What an adapter names as its base; default: the folder's path. */
  readonly base?: { readonly name: string; readonly revision: string }
  /** The config is not the folder's: an adapter alone would load onto another model than it was trained on. */
  readonly altered?: boolean
  /** sha-256 over weights and adapter, hexadecimal; names the model in fingerprints. */
  readonly hash: string
  close(): Promise<void>
}

/** A model whose hash has not been asked for: that reads all of its weights. */
export interface UnhashedSource extends Omit<ModelSource, 'hash'> {
  hash(): Promise<string>
}

export interface OpenModelOptions {
  /** False for callers that bring ids; optional for those that only pass it on. */
  readonly tokenizer?: boolean | 'optional'
  /** Where the base model of an adapter is sought that no folder has the name of; undefined where it is not there either. */
  readonly findBase?: (base: string, revision?: string) => Promise<string | undefined>
}

/** Opens a model folder or a PEFT adapter's folder. */
export async function openModel(path: string, options: OpenModelOptions = {}): Promise<ModelSource> {
  const source = await openModelUnhashed(path, options)
  try {
    return { ...source, hash: await source.hash() }
  } catch (error) {
    await source.close()
    throw error
  }
}

/** Where the two encoders of a model lie in its folder. */
const QUERIES = 'query'
const DOCUMENTS = 'document'

const isModel = async (path: string) =>
  (await exists(join(path, 'config.json'))) || (await exists(join(path, 'adapter_config.json')))

/** Whether a folder holds an encoder of queries and one of documents. */
export const holdsTwo = async (path: string): Promise<boolean> =>
  !(await isModel(path)) && (await isModel(join(path, QUERIES))) && (await isModel(join(path, DOCUMENTS)))

async function openTwo(path: string, options: OpenModelOptions): Promise<UnhashedSource> {
  const passage = await openModel(join(path, DOCUMENTS), options)
  const query = await openModelUnhashed(join(path, QUERIES), options).catch(async error => {
    await passage.close()
    throw error
  })
  return {
    ...query,
    name: path,
    passage,
    hash: async () => hashLines([await query.hash(), passage.hash]),
    close: async () => void (await Promise.all([query.close(), passage.close()])),
  }
}

export async function openModelUnhashed(path: string, options: OpenModelOptions = {}): Promise<UnhashedSource> {
  if (await holdsTwo(path)) return openTwo(path, options)
  const adapterConfig = join(path, 'adapter_config.json')
  const hasAdapter = (await exists(adapterConfig)) && !(await exists(join(path, 'config.json')))
  const base = hasAdapter
    ? await baseOf(
        path,
        asObject(parseStrictJson(await readText(adapterConfig), adapterConfig), adapterConfig),
        options.findBase,
      )
    : path
  // An adapter may have been trained with another pooling or similarity than its base model's.
  const ownSettings = hasAdapter && (await exists(join(path, 'modules.json')))
  const folder = await openModelFolder(base, ownSettings ? path : base)
  try {
    const { lateInteraction } = folder.settings
    const adapter = hasAdapter ? await readAdapter(path, folder.config, lateInteraction?.projection) : undefined
    const hash = async () => {
      const weights = await folder.weightsHash()
      return adapter ? hashLines([weights, await hashFile(join(path, 'adapter_model.safetensors'))]) : weights
    }
    const { settings, config } = folder
    const { tokenizer: wanted = true } = options
    const without = wanted === 'optional' ? !(await hasTokenizer(base)) : !wanted
    const tokenizer = without ? undefined : await endedTokenizer(await loadTokenizer(base), settings, base, config)
    return {
      name: path,
      weights: adapter?.projection ? withSavedProjection(folder, adapter.projection) : folder,
      settings: folder.settings,
      folder: base,
      hash,
      close: () => folder.close(),
      ...(tokenizer && { tokenizer }),
      ...(adapter && { adapter }),
    }
  } catch (error) {
    await folder.close()
    throw error
  }
}

/** Weights whose projection is the one that was trained beside an adapter. */
const withSavedProjection = (weights: WeightSource, projection: NonNullable<Adapter['projection']>): WeightSource => ({
  ...weights,
  readTensor: async name => projection.get(name) ?? weights.readTensor(name),
  stored: name => weights.stored?.(name),
})

/**
 * Where the last token makes the vector, an end token stands behind every text. A sentence-transformers folder's tokenizer says itself how
 * texts end, and is taken as it is.
 */
export async function endedTokenizer(
  tokenizer: Tokenizer,
  { pooling }: Pick<SentenceSettings, 'pooling'>,
  folder: string,
  { raw }: Pick<ModelConfig, 'raw'>,
): Promise<Tokenizer> {
  if (!pooling.includes('lasttoken') || (await exists(join(folder, 'modules.json')))) return tokenizer
  const id = Array.isArray(raw.eos_token_id) ? raw.eos_token_id[0] : raw.eos_token_id
  return withEnd(tokenizer, folder, typeof id === 'number' ? id : undefined)
}

/** The base model of an adapter: relative paths count from the adapter's folder, then from the working directory. */
async function baseOf(path: string, config: JsonObject, findBase?: OpenModelOptions['findBase']): Promise<string> {
  const base = config.base_model_name_or_path
  if (typeof base !== 'string' || base === '')
    throw new Error(
      `${path}/adapter_config.json names no base model; put the folder's path into base_model_name_or_path`,
    )
  const candidates = isAbsolute(base) ? [base] : [resolve(path, base), resolve(base)]
  for (const candidate of candidates) if (await isFolder(candidate)) return candidate
  const elsewhere = await findBase?.(base, typeof config.revision === 'string' ? config.revision : undefined)
  if (elsewhere) return elsewhere
  throw new Error(
    `${path} adapts the base model "${base}", which is not at ${candidates.join(' nor ')}; put the folder's path into base_model_name_or_path of adapter_config.json`,
  )
}

/** Puts the source's weights into a backend for inference, or for training where a method is given. */
export function placeModel(
  backend: Backend,
  source: Pick<ModelSource, 'weights' | 'settings' | 'adapter'>,
  method?: Method,
  options?: LoadOptions,
): Promise<LoadedEncoder> {
  const frozen: Method = { kind: 'frozen', ...(source.adapter && { adapter: source.adapter }) }
  return loadEncoder(backend, source.weights, source.settings, method ?? frozen, options)
}

/** Saves what was trained: a sentence-transformers folder, or, where only an adapter was and its base is a folder, a PEFT folder. */
export async function saveModel(
  path: string,
  source: ModelSource,
  loaded: LoadedEncoder & { readonly passage?: LoadedEncoder },
): Promise<'peft' | 'sentence-transformers'> {
  if (loaded.passage) {
    // Each of the two is a model of its own, as DPR's are.
    await saveModel(join(path, DOCUMENTS), source.passage ?? source, loaded.passage)
    const { passage: _, ...query } = loaded
    return saveModel(join(path, QUERIES), source, query)
  }
  const adapter = await loaded.readAdapter()
  const { encoder } = loaded
  const settings: SentenceSettings = { ...source.settings, pooling: encoder.pooling, normalize: encoder.normalize }
  if (adapter && source.folder && !source.altered) {
    const { name: baseModel, revision } = source.base ?? { name: resolve(source.folder), revision: null }
    const base = { ...adapter, baseModel, raw: { ...adapter.raw, revision } }
    const tokenizer = source.tokenizer ? await source.tokenizer.files() : {}
    const readTensor = (name: string) => loaded.readWeight(name)
    await writeAdapter(path, base, source.weights.config, { settings, tokenizer, readTensor })
    return 'peft'
  }
  await writeModelFolder(path, {
    config: source.weights.config,
    settings,
    tokenizer: source.tokenizer ? await source.tokenizer.files() : {},
    readTensor: name =>
      adapter ? adaptedTensor(name, adapter, each => baseWeight(source, loaded, each)) : loaded.readWeight(name),
  })
  return 'sentence-transformers'
}

/** What lies frozen in 8 or 4 bits comes from where it was read. */
function baseWeight({ weights }: ModelSource, { encoder, readWeight }: LoadedEncoder, name: string) {
  const onHost = encoder.words && name === encoder.config.form.words
  return !onHost && quantizedBits(encoder.weights(name)) ? weights.readTensor(name) : readWeight(name)
}

/** The prompt that stands before a text of this kind, as sentence-transformers chooses it. */
export function promptFor(settings: SentenceSettings, kind: 'query' | 'document'): string {
  const { prompts, defaultPromptName } = settings
  const names = kind === 'query' ? ['query'] : ['document', 'passage', 'corpus']
  const name = names.find(candidate => candidate in prompts) ?? defaultPromptName
  return (name !== undefined && prompts[name]) || ''
}

/** Texts as the tokenizer is to see them: after the prompt, and in lower case where the model's folder asks for that. */
export function inputTexts(
  settings: SentenceSettings,
  kind: 'query' | 'document',
  texts: readonly string[],
  prompt = promptFor(settings, kind),
): readonly string[] {
  const prompted = prompt === '' ? texts : texts.map(text => prompt + text)
  return settings.doLowerCase ? prompted.map(text => text.toLowerCase()) : prompted
}

/** Texts after their prompt, tokenized; `starts` where the model leaves that out of its pooling. */
export function packTexts(
  tokenizer: Tokenizer,
  settings: SentenceSettings,
  kind: 'query' | 'document',
  texts: readonly string[],
  maxLength: number,
  prompt = promptFor(settings, kind),
): PackedBatch & { readonly truncated: number } {
  if (settings.lateInteraction) {
    const limit = maxLength < settings.maxLength ? maxLength : undefined
    return createLateTokenizer(tokenizer, settings).encode(kind, texts, limit)
  }
  const packed = tokenizer.encode(inputTexts(settings, kind, texts, prompt), { maxLength })
  return { ...packed, ...startsOf(tokenizer, settings, packed, () => prompt) }
}

/**
 * Where the pooling of each sequence begins, for a model that leaves prompts out of it: behind the tokens of the prompt alone, the special ones
 * before it included.
 */
export function startsOf(
  tokenizer: Tokenizer,
  settings: SentenceSettings,
  { offsets }: Pick<PackedBatch, 'offsets'>,
  promptOf: (sequence: number) => string,
): Pick<PackedBatch, 'starts'> {
  if (settings.includePrompt) return {}
  const known = new Map([['', 0]])
  const special = new Set(Object.values(tokenizer.special))
  const tokensOf = (prompt: string): number => {
    const { ids } = tokenizer.encode(inputTexts(settings, 'query', [''], prompt))
    return ids.length - (special.has(ids.at(-1)) ? 1 : 0)
  }
  const starts = new Int32Array(offsets.length - 1)
  for (let i = 0; i < starts.length; i++) {
    const prompt = promptOf(i)
    if (!known.has(prompt)) known.set(prompt, tokensOf(prompt))
    starts[i] = Math.min(known.get(prompt)!, offsets[i + 1]! - offsets[i]!)
  }
  return starts.some(start => start > 0) ? { starts } : {}
}
