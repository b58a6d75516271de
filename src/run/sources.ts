// What a recipe names, found: collections (the one in the package too), and the model with its tokenizer.
import { collectionFolder } from '../data/builtin.js'
import { holdsCorpus, loadDocuments } from '../data/collection.js'
import { hashLines } from '../data/fingerprint.js'
import type { NearDuplicateSettings } from '../data/near-duplicates.js'
import { loadPairs } from '../data/pairs.js'
import type { FetchOptions } from '../hub/model.js'
import { parseConfig } from '../model/config.js'
import { bothWays } from '../model/decoders.js'
import { randomSource } from '../model/load.js'
import { plainSettings, type Similarity } from '../model/sentence-transformers.js'
import { type Problem, recipeError } from '../recipe/problems.js'
import type { Recipe, TestSettings, TrainSetSettings } from '../recipe/schema.js'
import { createWordPieceTokenizer, loadTokenizer, type Tokenizer } from '../text/tokenizer.js'
import { makeVocabulary } from '../text/vocabulary.js'
import type { MiningSearch } from './mine.js'
import { searchByModel } from './mined-by.js'
import { endedTokenizer, type ModelSource } from './model.js'
import { openNamedModel } from './named-model.js'
import { asArchitecture } from './placed.js'
import { setNames, type TrainSet } from './training-sets.js'

export interface RecipeData {
  readonly train: readonly TrainSet[]
  readonly nearDuplicates?: NearDuplicateSettings
  /** Of a pair that has fewer. */
  readonly minedNegatives?: number
  /** Who ranks them; default: BM25. */
  readonly minedBy?: MiningSearch
  readonly sentenceQueries: boolean
  readonly titleSeparator?: string
  /** Of the training queries, held out to be scored during training. */
  readonly devShare?: number
  /** Pairs kept of each training set. */
  readonly sample?: number
  readonly dev: readonly { readonly path: string; readonly split: string }[]
  readonly tests: readonly TestSettings[]
}

/** The training sets of a recipe, with the names they go by; a path by itself is a set without prompts. */
function trainSetsOf(given: readonly (string | TrainSetSettings)[]): TrainSet[] {
  const names = setNames(given.map(set => (typeof set === 'string' ? set : { path: set.path, name: set.name })))
  return given.map((set, i) => {
    if (typeof set === 'string') return { path: set, name: names[i]! }
    const { prompt, ...rest } = set
    return { ...rest, name: names[i]!, prompts: prompt === undefined ? [] : [prompt].flat() }
  })
}

/** The recipe's collections; those in the package found. */
export async function openRecipeData(recipe: Recipe): Promise<RecipeData> {
  const { data } = recipe
  const found = <T extends { readonly path: string }>(each: T) =>
    collectionFolder(each.path).then(path => ({ ...each, path }))
  return {
    sentenceQueries: data.sentence_queries,
    ...(data.title_separator !== undefined && { titleSeparator: data.title_separator }),
    ...(data.sample !== undefined && { sample: data.sample }),
    ...(data.dev_share !== undefined && { devShare: data.dev_share }),
    train: await Promise.all(trainSetsOf(data.train ?? []).map(found)),
    ...(data.near_duplicates && { nearDuplicates: data.near_duplicates }),
    ...(data.mined_negatives !== undefined && { minedNegatives: data.mined_negatives }),
    ...(data.mined_by !== undefined && { minedBy: searchByModel(data.mined_by, recipe) }),
    dev: await Promise.all((data.dev ?? []).map(found)),
    tests: await Promise.all(
      data.tests.map(async test => ({
        ...(await found(test)),
        ...(test.queries !== undefined && { queries: await collectionFolder(test.queries) }),
      })),
    ),
  }
}

/**
 * The recipe's model: a folder, or a random start with a given tokenizer or a vocabulary made from the training texts. Lengths beyond its
 * positions are a RecipeError.
 */
export async function openRecipeModel(
  recipe: Recipe,
  data: RecipeData,
  fetching: FetchOptions = {},
): Promise<ModelSource> {
  const { model } = recipe
  const source = model.path ? await openNamedModel(model.path, fetching) : await openRandomModel(recipe, data)
  const tooLong = lengthProblems(recipe, source.weights.config.maxPositions)
  if (tooLong.length > 0) {
    await source.close()
    throw recipeError(`recipe ${recipe.name}`, tooLong)
  }
  const settings = {
    ...source.settings,
    ...(model.pooling && { pooling: [model.pooling] }),
    ...(model.normalize !== undefined && { normalize: model.normalize }),
    ...(recipe.train && trainedSimilarity(recipe.train.similarity)),
    maxLength: model.max_length,
  }
  const { tokenizer, folder } = source
  const { config } = source.weights
  const ended = tokenizer && folder ? await endedTokenizer(tokenizer, settings, folder, config) : tokenizer
  const whole: ModelSource = {
    ...source,
    settings,
    ...(model.bidirectional && (await bidirectional(source))),
    ...(ended && { tokenizer: ended }),
  }
  return asArchitecture(whole, model, recipe.seed)
}

const bidirectional = async ({ weights, hash }: ModelSource) => ({
  weights: { ...weights, config: bothWays(weights.config) },
  altered: true,
  hash: await hashLines([hash, 'bidirectional']),
})

/** What is trained is also what is scored and saved. */
const trainedSimilarity = (similarity: Similarity | 'l2') => ({
  similarity: similarity === 'l2' ? ('dot' as const) : similarity,
  normalize: similarity === 'cosine',
})

function lengthProblems({ model, train, eval: evaluation }: Recipe, positions: number): Problem[] {
  const lengths = { 'model.max_length': model.max_length, 'eval.max_length': evaluation.max_length }
  const all = Object.entries(train ? { ...lengths, 'train.max_length': train.max_length } : lengths)
  return all
    .filter(([, length]) => length > positions)
    .map(([key, length]) => ({
      key,
      message: `is ${length}, but the model has ${positions} positions; set it to ${positions} or less`,
    }))
}

/** Words of a vocabulary made from texts. */
const VOCABULARY = 8000

async function openRandomModel(recipe: Recipe, data: RecipeData): Promise<ModelSource> {
  const { random, tokenizer: folder } = recipe.model
  if (!random) throw new Error('the recipe names no model: set model.path or model.random')
  const tokenizer: Tokenizer = folder
    ? await loadTokenizer(folder)
    : await tokenizerFromTexts(data, random.vocabulary ?? VOCABULARY)
  const vocabulary = Math.max(random.vocabulary ?? 0, tokenizer.vocabularySize)
  const raw = randomConfig(random, vocabulary, tokenizer.special.pad ?? 0)
  const config = parseConfig(raw, 'model.random')
  return {
    name: 'random',
    weights: randomSource(config, random.seed),
    settings: { ...plainSettings(recipe.model.max_length), normalize: recipe.model.normalize ?? true },
    tokenizer,
    hash: await hashLines([JSON.stringify({ raw, seed: random.seed })]),
    close: async () => {},
  }
}

/** A config.json of these sizes. */
export const randomConfig = (
  random: NonNullable<Recipe['model']['random']>,
  vocabulary: number = random.vocabulary ?? VOCABULARY,
  pad = 0,
) => ({
  architectures: ['BertModel'],
  model_type: 'bert',
  hidden_size: random.hidden,
  num_hidden_layers: random.layers,
  num_attention_heads: random.heads,
  intermediate_size: random.intermediate,
  hidden_act: 'gelu',
  vocab_size: vocabulary,
  max_position_embeddings: random.max_positions,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  pad_token_id: pad,
  initializer_range: 0.02,
})

/** From the training pairs, the documents beside them where there are any, and the documents of the tests. */
async function tokenizerFromTexts({ train, tests }: RecipeData, size: number): Promise<Tokenizer> {
  if (train.length === 0)
    throw new Error('a random model needs a vocabulary: set model.tokenizer, or data.train to make one from')
  const texts: string[] = []
  for (const { path } of train)
    for (const { query, positives, negatives } of (await loadPairs(path)).pairs)
      texts.push(query, ...positives, ...negatives)
  for (const path of new Set([...train, ...tests].map(({ path }) => path)))
    if (await holdsCorpus(path)) texts.push(...(await loadDocuments(path)).texts)
  return createWordPieceTokenizer({ vocabulary: makeVocabulary(texts, { size }), lowerCase: true })
}
