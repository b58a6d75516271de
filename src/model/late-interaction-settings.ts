// What a late-interaction folder (ColBERT: one vector a token, scored by MaxSim) says about itself, as plain data. Three spellings are read:
// sentence-transformers 6 (query_expansion and document_length in sentence_bert_config.json, the skip list in the MultiVectorMask module, markers as
// prompts), PyLate (all of it in config_sentence_transformers.json), and Stanford's (artifact.metadata beside a root `linear.weight`).
// Source: https://lightonai.github.io/pylate, https://github.com/stanford-futuredata/ColBERT, Khattab & Zaharia 2020, arXiv:2004.12832
import {
  asObject,
  describe,
  type Fields,
  isObject,
  type JsonObject,
  parseStrictJson,
  readFields,
} from '../data/json.js'
import { exists, join, readText } from '../runtime/files.js'
import type { DenseLayer } from './dense.js'

export interface QueryExpansion {
  /** `fixed`: every query has exactly `length` tokens; `min`: at least. */
  readonly strategy: 'fixed' | 'min'
  /** In tokens, all included. */
  readonly length: number
  /** Whether the other tokens attend to those that were added. */
  readonly attend: boolean
  /** What is added; absent: the tokenizer's mask token. */
  readonly token?: string
}

export interface LateInteractionSettings {
  /** Applied to every token's vector, one after the other. */
  readonly projection: readonly DenseLayer[]
  /** Whether token vectors are scaled to length 1. */
  readonly normalize: boolean
  /** One token, put behind the first special one; '' where there is none. */
  readonly queryMarker: string
  readonly documentMarker: string
  /** Tokens at most, marker and special tokens included. */
  readonly queryLength: number
  readonly documentLength: number
  /** Absent: queries stay as long as they are. */
  readonly expansion?: QueryExpansion
  /** Tokens that take no part in the score. */
  readonly skipWords: readonly string[]
  /** Where those are left out. */
  readonly skipIn: readonly ('query' | 'document')[]
  readonly similarity: 'maxsim'
}

/** Python's string.punctuation. */
export const punctuation = [...'!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~']

/** The marks of PyLate in config_sentence_transformers.json. */
const pylateKeys = [
  'query_prefix',
  'document_prefix',
  'query_length',
  'document_length',
  'do_query_expansion',
  'attend_to_expansion_tokens',
  'skiplist_words',
]

function textList(raw: JsonObject, key: string, otherwise: readonly string[], fields: Fields): readonly string[] {
  const value = raw[key] ?? undefined
  if (value === undefined) return otherwise
  const list = typeof value === 'string' ? [value] : value
  if (Array.isArray(list) && list.every(entry => typeof entry === 'string')) return list
  fields.problem(`${key} is ${describe(value)}, expected a list of strings`)
  return []
}

function readPylate(raw: JsonObject, where: string): Omit<LateInteractionSettings, 'projection' | 'normalize'> {
  const fields = readFields(raw, where)
  const queryLength = fields.count('query_length', 32)
  const expands = fields.flag('do_query_expansion', true)
  const attend = fields.flag('attend_to_expansion_tokens', false)
  const settings = {
    queryMarker: fields.text('query_prefix', '[Q] '),
    documentMarker: fields.text('document_prefix', '[D] '),
    queryLength,
    documentLength: fields.count('document_length', 180),
    ...(expands && { expansion: { strategy: 'fixed' as const, length: queryLength, attend } }),
    skipWords: textList(raw, 'skiplist_words', punctuation, fields),
    skipIn: ['document'] as const,
    similarity: 'maxsim' as const,
  }
  fields.finish()
  return settings
}

function readExpansion(value: unknown, where: string): QueryExpansion | undefined {
  if (value === undefined || value === null) return undefined
  const what = `${where}: query_expansion`
  const fields = readFields(asObject(value, what), what)
  const strategy = fields.text('strategy')
  if (strategy !== 'fixed' && strategy !== 'min') fields.problem(`strategy is "${strategy}", expected "fixed" or "min"`)
  const [length, attend, token] = [fields.count('length'), fields.flag('attend', false), fields.text('token', '')]
  fields.finish()
  return { strategy: strategy as 'fixed' | 'min', length, attend, ...(token === '' ? {} : { token }) }
}

async function readMask(path: string | undefined): Promise<Pick<LateInteractionSettings, 'skipWords' | 'skipIn'>> {
  if (path === undefined) return { skipWords: [], skipIn: [] }
  const raw = (await exists(path)) ? asObject(parseStrictJson(await readText(path), path), path) : {}
  const fields = readFields(raw, path)
  const tasks = textList(raw, 'skiplist_tasks', ['document'], fields)
  for (const task of tasks)
    if (task !== 'query' && task !== 'document')
      fields.problem(`skiplist_tasks holds "${task}", expected "query" or "document"`)
  if (raw.keep_only_token_ids !== undefined && raw.keep_only_token_ids !== null)
    fields.problem('keep_only_token_ids is set, which is not supported')
  const skipWords = textList(raw, 'skiplist_words', [], fields)
  fields.finish()
  return { skipWords, skipIn: tasks as readonly ('query' | 'document')[] }
}

/** What the modules said already, and the content of the two files that hold the rest. */
export interface LateInteractionParts {
  readonly projection: readonly DenseLayer[]
  readonly normalize: boolean
  /** The MultiVectorMask module's config.json. */
  readonly maskPath?: string
  /** sentence_bert_config.json */
  readonly sentence: { readonly path: string; readonly raw: JsonObject }
  /** config_sentence_transformers.json */
  readonly use: { readonly path: string; readonly raw: JsonObject }
  /** Tokens that the model and its tokenizer allow. */
  readonly maxLength: number
}

/** Settings of a folder in PyLate's spelling or sentence-transformers'. */
export async function readLateInteraction(parts: LateInteractionParts): Promise<LateInteractionSettings> {
  const { projection, normalize, maskPath, sentence, use, maxLength } = parts
  const similarity = use.raw.similarity_fn_name ?? 'maxsim'
  if (typeof similarity !== 'string' || similarity.toLowerCase() !== 'maxsim')
    throw new Error(`${use.path}: the similarity ${describe(similarity)} is not supported; supported: MaxSim`)
  if (use.raw.model_type === 'ColBERT' || pylateKeys.some(key => key in use.raw))
    return { projection, normalize: true, ...readPylate(use.raw, use.path) } // PyLate normalises without a module
  const expansion = readExpansion(sentence.raw.query_expansion, sentence.path)
  const fields = readFields(sentence.raw, sentence.path)
  const queryLength = fields.count('query_length', expansion?.length ?? maxLength)
  const documentLength = fields.count('document_length', maxLength)
  fields.finish()
  const prompts = isObject(use.raw.prompts) ? use.raw.prompts : {}
  const marker = (name: string) => (typeof prompts[name] === 'string' ? prompts[name] : '')
  return {
    projection,
    normalize,
    queryMarker: marker('query'),
    documentMarker: marker('document'),
    queryLength: expansion?.strategy === 'fixed' ? expansion.length : queryLength,
    documentLength,
    ...(expansion && { expansion }),
    ...(await readMask(maskPath)),
    similarity: 'maxsim',
  }
}

/**
 * Settings of a Stanford ColBERT folder, which has no modules.json but artifact.metadata; undefined of another folder. Its projection is the tensor
 * `linear.weight` of the model's own file: `path` is ''.
 */
export async function readStanford(folder: string, hidden: number): Promise<LateInteractionSettings | undefined> {
  const path = join(folder, 'artifact.metadata')
  if (!(await exists(path))) return undefined
  const raw = asObject(parseStrictJson(await readText(path), path), path)
  const fields = readFields(raw, path)
  const similarity = fields.text('similarity', 'cosine')
  if (similarity !== 'cosine') fields.problem(`similarity is "${similarity}", only "cosine" is supported`)
  const queryLength = fields.count('query_maxlen', 32)
  const linear = { path: '', inputs: hidden, outputs: fields.count('dim', 128), bias: false, activation: 'identity' }
  const settings: LateInteractionSettings = {
    projection: [linear as DenseLayer],
    normalize: true,
    queryMarker: fields.text('query_token_id', '[unused0]'),
    documentMarker: fields.text('doc_token_id', '[unused1]'),
    queryLength,
    documentLength: fields.count('doc_maxlen', 180),
    expansion: { strategy: 'fixed', length: queryLength, attend: fields.flag('attend_to_mask_tokens', false) },
    skipWords: fields.flag('mask_punctuation', true) ? punctuation : [],
    skipIn: ['document'],
    similarity: 'maxsim',
  }
  fields.finish()
  return settings
}
