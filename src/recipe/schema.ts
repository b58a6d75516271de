// The experiment as data: every key a recipe (TOML) may hold, its type and its default. What a default takes from another key
// is filled in by complete.ts, which also checks what no single key can say. A schema's message is the phrase after “expected”; a check's is a whole sentence.
// A recipe file may also hold [quick], the keys that --quick changes: load.ts.
// Keys keep their TOML spelling in the record, so that a message, a recipe and the code say the same word.
import * as v from 'valibot'
import { supportedPooling } from '../model/sentence-transformers.js'
import { lossKinds } from '../train/contrastive-loss.js'
import { architectures } from './architecture.js'
import { above, between, choice, fileName, flag, integer, LARGEST, list, measure, probability, text } from './fields.js'
import { nearDuplicates, tdro, trainSet, transfer } from './mixture.js'
import { negatives } from './negatives.js'

/** A folder in BEIR's layout and one of its splits. */
const collection = (split: string) => ({
  path: text('a BEIR folder'),
  /** qrels/<split>.tsv. */
  split: v.optional(text('the name of a split, as in qrels/<split>.tsv'), split),
})

const randomModel = v.strictObject({
  /** Channels of the residual stream; a multiple of heads. */
  hidden: integer(1),
  layers: integer(1),
  heads: integer(1),
  /** Channels inside the feed-forward block; default 4 · hidden. */
  intermediate: v.optional(integer(1)),
  /** Tokens in the vocabulary; default: what the tokenizer has. */
  vocabulary: v.optional(integer(1)),
  max_positions: v.optional(integer(1), 512),
  /** Of the initial weights; default: the recipe's seed. */
  seed: v.optional(v.pipe(integer(0), v.maxValue(LARGEST))),
})

const model = v.strictObject({
  /** A sentence-transformers or Hugging Face folder. Exactly one of path and random. */
  path: v.optional(text('a model folder')),
  /** A BERT encoder of this shape with seeded random weights. */
  random: v.optional(randomModel),
  /** Folder with the tokenizer's files, for a random model; default: a vocabulary made from the training texts. */
  tokenizer: v.optional(text('a folder with tokenizer files')),
  /**
   * asymmetric: two encoders, of queries and of documents; symmetric: one; late_interaction: one that makes a vector a token. Brings the settings
   * that the study trains it by as defaults (architecture.ts). Absent: as the folder is, with this schema's defaults.
   */
  architecture: v.optional(choice(architectures)),
  /** late_interaction: columns of a token's vector, and tokens of queries (which are filled up to it) and of documents. */
  projection: v.optional(integer(1)),
  query_length: v.optional(integer(3)),
  document_length: v.optional(integer(3)),
  /** Default: as the model's folder says; mean for a random model. */
  pooling: v.optional(choice([...supportedPooling])),
  /** Of a decoder: every token sees those after it too, not only those before it; default: as its config.json says. */
  bidirectional: v.optional(flag()),
  /** Tokens a text is cut to, special tokens included; default 256, or max_positions of a random model where that is less. */
  max_length: v.optional(integer(3)),
  /** Whether vectors are scaled to length 1; default: as train.similarity says, else the model's folder; true for a random model. */
  normalize: v.optional(flag()),
})

const TRAIN_SETS = 'a BEIR folder or a train.jsonl'
const TRAIN_SET = 'a BEIR folder, a train.jsonl, or { path, name, prompt, symmetric }'

/** A folder "builtin:NAME" is one of those in the package: builtin:primer/all. */
const data = v.strictObject({
  /**
   * BEIR folders (of each its train.jsonl, else its train split) or files of lines {"query", "pos", "neg"}: one, or a list
   * whose pairs are put together.
   */
  train: v.optional(
    v.union(
      [text(TRAIN_SETS), list(v.union([text(TRAIN_SET), trainSet], TRAIN_SET), TRAIN_SETS)],
      `${TRAIN_SETS}, or a list of them`,
    ),
  ),
  /** Leaves out pairs that are nearly the same as an earlier one, in their set or in another (SimHash, Manku et al. 2007); absent: all are kept. */
  near_duplicates: v.optional(nearDuplicates),
  /** Hard negatives mined for pairs that have fewer: what BM25 ranks highest of the other documents of their set. */
  mined_negatives: v.optional(integer(1, 100)),
  /** Who ranks them: a model folder, or one on the Hub, in place of BM25. */
  mined_by: v.optional(text('a model folder')),
  /** Pairs kept of each training set, drawn evenly (reservoir sampling); absent: all. */
  sample: v.optional(integer(1)),
  /** Whether each sentence of a training document is a further query for it (inverse cloze task, Lee et al. 2019). */
  sentence_queries: v.optional(flag(), false),
  /**
   * What stands between a document's title and its text; default a space. "[SEP]" makes the pair (title, text) that DPR's passages are; for files that
   * keep titles apart.
   */
  title_separator: v.optional(text('what stands between title and text')),
  /** A share of the training queries that is held out by the seed to be scored during training, where there is no dev. */
  dev_share: v.optional(between(0.001, 0.9)),
  /** Of each collection that is scored: the judged documents and so many others, and so many queries at most; absent: all. */
  corpus_sample: v.optional(integer(0)),
  query_sample: v.optional(integer(1)),
  /** Scored during training (eval_every, early_stopping): the mean over all of them. */
  dev: v.optional(v.array(v.strictObject(collection('dev')), 'a list of { path, split }')),
  /** Scored before and after training. */
  tests: v.optional(
    v.array(
      v.strictObject({
        ...collection('test'),
        /** In tables and file names; default: the last name of the path. */
        name: v.optional(fileName()),
        /** A folder whose queries.jsonl, with the same ids, asks in place of its own: queries of one language for documents of another. */
        queries: v.optional(text('a BEIR folder')),
        /** Tests of one group are averaged together in the tables, in place of those in and out of domain. */
        group: v.optional(text('a name')),
        /** What is asked for, as a training set's prompt: stands before the queries in place of the model's own. */
        prompt: v.optional(text('an instruction')),
        /** Whether the documents get that prompt too: both sides are of one kind, such as questions that are duplicates. */
        symmetric: v.optional(flag()),
        /** Whether it is of a kind that was trained on; default: "in" where its path is also one of data.train. */
        domain: v.optional(choice(['in', 'out'])),
      }),
      'a list of { path, split, name, domain }',
    ),
    [],
  ),
})

const train = v.strictObject({
  method: v.optional(choice(['lora', 'full']), 'lora'),
  /** Passes over the training pairs. Exactly one of epochs and steps. */
  epochs: v.optional(integer(1)),
  /** Updates of the weights. */
  steps: v.optional(integer(1)),
  /** Pairs whose documents are one another's in-batch negatives. */
  batch_size: v.optional(integer(1), 64),
  /**
   * uniform: batch_size pairs drawn from all; by_length: pairs of about the same length, as many as tokens_per_batch
   * and batch_size allow, so that a batch of short texts is not held up by a long one.
   */
  batches: v.optional(choice(['uniform', 'by_length']), 'uniform'),
  /** by_length: tokens of a batch at most, of queries, documents and hard negatives together. */
  tokens_per_batch: v.optional(integer(1)),
  /**
   * Of several data.train: together: one set of pairs, each once an epoch; mixed: the set of each pair is drawn by its
   * weight; homogeneous: that of each batch, so that its negatives are of one task. Smaller sets come around more often.
   */
  sets: v.optional(choice(['together', 'mixed', 'homogeneous']), 'together'),
  /** Of the sets, in the order of data.train, in any proportion; default: equal. */
  weights: v.optional(list(between(0, Number.MAX_VALUE), 'a list of numbers, one for each of data.train')),
  /** How often each set is drawn and what it counts: by weights that tDRO has learned. */
  ...transfer,
  /** GradCache: sequences in memory at a time; absent: the whole batch, without a second forward pass. */
  chunk_size: v.optional(integer(1)),
  /** Batches whose gradients are averaged into one update. */
  accumulation: v.optional(integer(1), 1),
  /** As model.max_length, in training; default: model.max_length. */
  max_length: v.optional(integer(3)),
  /** The same of queries, where they may have fewer; default: max_length. */
  query_max_length: v.optional(integer(3)),
  negatives: v.optional(negatives, {}),
  /**
   * infonce: cross entropy over all candidates; both_directions: its mean with that of each positive over the batch's queries. The others look at
   * a query's own negatives alone (negatives.hard of them): pairwise_softmax and triplet; margin_mse and kl follow a teacher's scores, the
   * training file's pos_scores and neg_scores.
   */
  loss: v.optional(choice(lossKinds), 'infonce'),
  /** Similarities are divided by it; default 0.05, and 1 with loss = "triplet" or "margin_mse", which are not softmaxes. */
  temperature: v.optional(above(0)),
  /** Of loss = "triplet": by how much a positive's similarity is to exceed a negative's; default 0.2. */
  margin: v.optional(above(0)),
  /** Of loss = "kl": the teacher's scores are divided by it; default 1. */
  teacher_temperature: v.optional(above(0)),
  /** The loss is taken of the vectors' first dimensions too, each times its weight (Kusupati et al. 2022), so that vectors may be cut. */
  matryoshka: v.optional(
    v.strictObject({
      /** Such as [384, 192, 96]: the model's own among them, if whole vectors are to be trained. */
      dimensions: list(integer(1), 'a list of numbers of dimensions such as [384, 192, 96]'),
      /** Default: 1 each. */
      weights: v.optional(list(above(0), 'a list of weights above 0, one for each of the dimensions')),
    }),
  ),
  /** cosine: of vectors scaled to length 1; dot: of vectors as they are; l2: of late interaction, −‖q − d‖² of tokens. */
  similarity: v.optional(choice(['cosine', 'dot', 'l2']), 'cosine'),
  /**
   * Of late interaction, where the tokens of documents that it skips are in training: in no maximum (left_out, the default), or as zero vectors
   * among those that a maximum is taken of (zero), as in the code of Lee et al. 2023.
   */
  skipped_tokens: v.optional(choice(['left_out', 'zero'])),
  /** The highest of the schedule; default 2e-4 with LoRA, 2e-5 for the full model. */
  learning_rate: v.optional(above(0)),
  /** After the warm-up: down to min_factor in a line or half a cosine, or constant. */
  schedule: v.optional(choice(['linear', 'cosine', 'constant']), 'linear'),
  /** Default 0; at most one of warmup_steps and warmup_ratio. */
  warmup_steps: v.optional(integer(0)),
  /** Of all steps, rounded up. */
  warmup_ratio: v.optional(between(0, 1)),
  /** 0: step s of a warm-up of w has s/w of the rate, as in transformers (so the first has none); 1: (s + 1)/w. */
  warmup_offset: v.optional(v.picklist([0, 1], '0 or 1'), 0),
  /** The schedule's lowest share of the learning rate. */
  min_factor: v.optional(between(0, 1), 0),
  /** AdamW's, decoupled. */
  weight_decay: v.optional(between(0, Number.MAX_VALUE), 0.01),
  /** Whether biases and LayerNorm weights decay too. */
  decay_bias_and_norm: v.optional(flag(), false),
  betas: v.optional(v.strictTuple([probability(), probability()], 'two numbers'), [0.9, 0.999]),
  epsilon: v.optional(above(0), 1e-8),
  /** Largest norm of all gradients together; inf: no clipping. */
  clip: v.optional(above(0), 1),
  /** mixed: products of linear layers with f16 factors, all else in f32, the loss scaled; on GPUs with shader-f16. Default f32. */
  precision: v.optional(choice(['f32', 'mixed'])),
  /** Layers are run again in the backward pass: what they make is not kept, which takes less memory and a third more time. */
  recompute: v.optional(flag()),
  /** For all the model's dropouts; default: as the model's config.json says. */
  dropout: v.optional(probability()),
  /** Leaves out the incomplete batch at the end of an epoch. */
  drop_last: v.optional(flag(), true),
  /** Scores data.dev every so many steps; the weights of the best score are the ones that are kept. */
  eval_every: v.optional(integer(1)),
  /** Ends when metric on data.dev has not risen in `patience` evaluations; the best weights are kept. */
  early_stopping: v.optional(v.strictObject({ patience: integer(1), metric: v.optional(measure(), 'ndcg_at_10') })),
  /** Saves what --resume needs every so many steps. */
  checkpoint_every: v.optional(integer(1)),
})

const lora = v.strictObject({
  rank: v.optional(integer(1), 8),
  /** The update is scaled by alpha / rank. */
  alpha: v.optional(above(0), 32),
  dropout: v.optional(probability(), 0.1),
  /** Linear layers that get an update, by the end of their names. */
  targets: v.optional(list(text('the name of a layer'), 'a list of layer names such as ["query", "value"]'), [
    'query',
    'value',
  ]),
  /** Bits that the model's own linear layers are held in, 8 or 4 (in groups of 32, with 1 more for the group); default: those of its file. */
  frozen_bits: v.optional(v.picklist([8, 4], '8 or 4')),
})

const evaluation = v.strictObject({
  /** Documents retrieved for a query. */
  k: v.optional(integer(1, 1000), 100),
  /** beir: a document with the query's own id is dropped. */
  protocol: v.optional(choice(['beir', 'trec']), 'beir'),
  /** Default: ndcg_at_10, ndcg_at_100, map_at_100, mrr_at_10, recall_at_10, recall_at_100, as far as k reaches. */
  measures: v.optional(list(measure(), 'a list of measures such as ["ndcg_at_10", "recall_at_100"]')),
  /** Tokens encoded at a time. */
  batch_tokens: v.optional(integer(1), 8192),
  /** As model.max_length, in evaluation; default: model.max_length. */
  max_length: v.optional(integer(3)),
  /** Whether the tests are also scored before training. */
  before: v.optional(flag(), true),
  /** Scored beside the model: "bm25" (k1 0.9, b 0.4). */
  baselines: v.optional(v.array(choice(['bm25']), 'a list of baselines such as ["bm25"]'), []),
})

/** Another training from the same start on the same data: what differs from [train] and [lora]. */
const variant = v.strictObject({
  /** In tables and file names. */
  name: fileName(),
  train: v.optional(v.partial(train), {}),
  lora: v.optional(v.partial(lora), {}),
})

export const recipeSchema = v.strictObject({
  /** The folder of the run under `out`; default: the recipe file's name. */
  name: v.optional(fileName()),
  /** What the run is to find out: a sentence for the report. */
  question: v.optional(text('a sentence')),
  /** Of shuffling, drawing and dropout. */
  seed: v.optional(v.pipe(integer(0), v.maxValue(LARGEST)), 42),
  backend: v.optional(choice(['auto', 'webgpu', 'wasm']), 'auto'),
  /** A part of the name of the WebGPU adapter to use. */
  adapter: v.optional(text("a part of an adapter's name")),
  /** Of the wasm backend; absent: the cores there are. Results do not depend on it. */
  threads: v.optional(integer(1)),
  /** Folder for runs; default: runs in the working directory. */
  out: v.optional(text('a folder')),
  model,
  data: v.optional(data, {}),
  /** Weights of the sets of data.train, learned beside a small model before the trainings: `tdro` ends there, `run` goes on. */
  tdro: v.optional(tdro),
  /** Absent: the tests are scored, nothing is trained. */
  train: v.optional(train),
  /** Read with train.method = "lora"; left out of the record of a full fine-tuning. */
  lora: v.optional(lora),
  /** Further trainings, compared with that of [train] in one report. */
  variants: v.optional(v.array(variant, 'a list of { name, train, lora }'), []),
  eval: v.optional(evaluation, {}),
})

type With<T, K extends keyof T> = Omit<T, K> & { [P in K]-?: Exclude<T[P], undefined> }
type Parsed = v.InferOutput<typeof recipeSchema>
type ParsedModel = Parsed['model']
export type RecipeInput = v.InferInput<typeof recipeSchema>
export type ParsedRecipe = Parsed

export type RandomModelSettings = With<NonNullable<ParsedModel['random']>, 'intermediate' | 'seed'>
export type ModelSettings = Omit<With<ParsedModel, 'max_length'>, 'random'> & { random?: RandomModelSettings }
export type TestSettings = With<Parsed['data']['tests'][number], 'name' | 'domain'>
export type TrainSetSettings = v.InferOutput<typeof trainSet>
export type TdroSettings = With<v.InferOutput<typeof tdro>, 'max_length' | 'micro_batch'>
export type DataSettings = Omit<Parsed['data'], 'tests' | 'train'> & {
  train?: (string | TrainSetSettings)[]
  tests: TestSettings[]
}
export type TrainSettings = With<NonNullable<Parsed['train']>, 'max_length' | 'learning_rate' | 'temperature'>
export type LoraSettings = NonNullable<Parsed['lora']>
export type EvalSettings = With<Parsed['eval'], 'measures' | 'max_length'>
export interface Variant {
  name: string
  train: TrainSettings
  lora?: LoraSettings
}

/**
 * A completed recipe: every default filled in, every path absolute. `train` is absent where nothing is trained; `lora` is there
 * exactly when `train.method` is "lora".
 */
export type Recipe = Omit<With<Parsed, 'name' | 'out'>, 'model' | 'data' | 'train' | 'tdro' | 'variants' | 'eval'> & {
  model: ModelSettings
  tdro?: TdroSettings
  data: DataSettings
  train?: TrainSettings
  variants: Variant[]
  eval: EvalSettings
}
