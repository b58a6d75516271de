// What a dry run runs on: made pairs and collections in the places of a recipe's, and a narrow model of its family. Words by a fixed rule, so that every dry
// run of a recipe is the same.

import { placeFrom } from '../../hub/names.js'
import { keyValueHeadsOf, type ModelConfig, parseConfig, readConfig, toConfigJson } from '../../model/config.js'
import { randomSource } from '../../model/load.js'
import { plainSettings } from '../../model/sentence-transformers.js'
import { writeModelFolder } from '../../model/writing.js'
import type { Recipe } from '../../recipe/schema.js'
import { environment, homeFolder } from '../../runtime/downloads.js'
import { exists, join, makeFolder } from '../../runtime/files.js'
import { writeFile } from '../../runtime/write.js'
import { createWordPieceTokenizer } from '../../text/tokenizer.js'
import { makeVocabulary } from '../../text/vocabulary.js'
import { modelFolder } from '../named-model.js'
import { randomConfig } from '../sources.js'

/** Pairs of a set, documents and queries of a collection. */
const COUNT = 24
const WORDS = 400
/** Tokens of a text at most, in a dry run. */
export const LENGTH = 32
const HIDDEN = 32

const lines = (rows: readonly object[]) => rows.map(row => `${JSON.stringify(row)}\n`).join('')

/** Syllables by number: a query shares three words with its document. */
const word = (i: number): string => {
  const [a, b] = [i % 20, Math.floor(i / 20) % 20]
  return `${'bcdfghklmnprstvwxzjq'[a]}a${'bcdfghklmnprstvwxzjq'[b]}o`
}
const sentence = (seed: number, count: number): string =>
  Array.from({ length: count }, (_, i) => word((Math.imul(seed * 31 + i + 1, 0x9e3779b1) >>> 12) % WORDS)).join(' ')

const queryOf = (seed: number) => `${sentence(seed, 3)} ${word(seed % WORDS)}`
const documentOf = (seed: number) => `${sentence(seed, 3)} ${sentence(seed + 5000, 6)}`

/** A training file. `scores`: of a teacher. */
export async function writePairs(path: string, seed: number): Promise<void> {
  const rows = Array.from({ length: COUNT }, (_, i) => ({
    query: queryOf(seed + i),
    pos: [documentOf(seed + i)],
    neg: [documentOf(seed + i + 1000), documentOf(seed + i + 2000)],
    pos_scores: [0.9],
    neg_scores: [0.2, 0.4],
  }))
  await writeFile(path, lines(rows))
}

/** A folder in BEIR's layout with judgements for these splits. */
export async function writeCollection(folder: string, splits: readonly string[]): Promise<void> {
  await makeFolder(join(folder, 'qrels'))
  const rows = Array.from({ length: COUNT }, (_, i) => i)
  await writeFile(
    join(folder, 'corpus.jsonl'),
    lines(rows.map(i => ({ _id: `d${i}`, title: '', text: documentOf(i) }))),
  )
  await writeFile(join(folder, 'queries.jsonl'), lines(rows.map(i => ({ _id: `q${i}`, text: queryOf(i) }))))
  const judged = rows.map(i => `q${i}\td${i}\t1`).join('\n')
  for (const split of splits)
    await writeFile(join(folder, `qrels/${split}.tsv`), `query-id\tcorpus-id\tscore\n${judged}\n`)
}

/**
 * The config of a recipe's model where its folder is here, or what was fetched of it; undefined where neither is, and for folders of several models. Of a
 * random start the one that it says, were its vocabulary as large as it may be.
 */
export async function configOf({ model }: Recipe): Promise<ModelConfig | undefined> {
  if (model.random) return parseConfig(randomConfig(model.random), 'model.random')
  if (model.path === undefined) return undefined
  // Nothing is fetched for a dry run.
  const place = { ...(await placeFrom(environment(), homeFolder())), offline: true }
  const folder = await modelFolder(model.path, { place }).catch(() => undefined)
  return folder !== undefined && (await exists(join(folder, 'config.json'))) ? readConfig(folder) : undefined
}

const GUESSED = {
  bert: {
    ...{ model_type: 'bert', hidden_size: HIDDEN, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64 },
    ...{ hidden_act: 'gelu', max_position_embeddings: 2 * LENGTH, type_vocab_size: 2, layer_norm_eps: 1e-12 },
    ...{ hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1, initializer_range: 0.02 },
  },
  qwen2: {
    ...{
      model_type: 'qwen2',
      hidden_size: HIDDEN,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      intermediate_size: 64,
    },
    ...{ num_key_value_heads: 2, hidden_act: 'silu', max_position_embeddings: 2 * LENGTH, rms_norm_eps: 1e-6 },
    ...{ rope_theta: 10000, attention_dropout: 0, initializer_range: 0.02 },
  },
}

/** Of a model that is not here, by the names of the layers that get updates: those of decoders end in _proj. */
export const guessedFamily = ({ lora, variants }: Recipe): keyof typeof GUESSED =>
  [lora, ...variants.map(each => each.lora)].some(each => each?.targets.some(target => target.endsWith('_proj')))
    ? 'qwen2'
    : 'bert'

/** A model folder: the config's family two layers deep and 32 wide, with weights and a vocabulary made here. */
export async function writeNarrowModel(folder: string, recipe: Recipe, config: ModelConfig | undefined): Promise<void> {
  const texts = Array.from({ length: WORDS }, (_, i) => `${word(i)} Instruct: Query: 0123456789`)
  const tokenizer = await createWordPieceTokenizer({
    vocabulary: makeVocabulary(texts, { size: 1000 }),
    lowerCase: true,
  })
  const vocabulary = tokenizer.vocabularySize
  const pad = tokenizer.special.pad ?? 0
  const raw = config
    ? {
        ...toConfigJson({
          ...config,
          ...{ hidden: HIDDEN, layers: Math.min(2, config.layers), heads: 2, intermediate: 64, vocabulary, padId: pad },
          keyValueHeads: keyValueHeadsOf(config) < config.heads ? 1 : 2,
          ...(config.headSize !== undefined && { headSize: HIDDEN / 2 }),
          maxPositions: 2 * LENGTH,
        }),
        ...Object.fromEntries(['bos_token_id', 'eos_token_id'].filter(key => key in config.raw).map(key => [key, pad])),
      }
    : { ...GUESSED[guessedFamily(recipe)], vocab_size: vocabulary, pad_token_id: pad }
  const narrow = parseConfig(raw, 'the narrow model')
  const { pooling = 'mean', normalize = true } = recipe.model
  const source = randomSource(narrow, recipe.seed)
  await writeModelFolder(folder, {
    config: narrow,
    settings: { ...plainSettings(LENGTH), pooling: [pooling], normalize },
    readTensor: source.readTensor,
    tokenizer: await tokenizer.files(),
  })
}
