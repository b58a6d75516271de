// The library: what other programs import, in every runtime. Importing it starts nothing. What it is made of is in experiment.ts.
export type { Backend } from './backend/backend.js'
export { type Collection, loadCollection, type TextOf, type Texts } from './data/collection.js'
export { type Qrels, type QrelsFile, type QrelsFormat, readQrels } from './data/qrels.js'
export { type SafetensorsFile, type TensorToWrite, writeSafetensors } from './data/safetensors.js'
export { type Result, type Run, readRun, writeRun } from './data/trec.js'
export { type Evaluation, type EvaluationOptions, evaluateRun } from './evaluate/metrics.js'
export type { Closing } from './library/disposal.js'
export {
  type EncodeOptions,
  type EncodeProgress,
  type Encoder,
  type LoadOptions,
  loadEncoder,
  type TextVectors,
} from './library/encoder.js'
export { type EvaluationSettings, evaluateEncoder, type Judged } from './library/evaluate.js'
export type { FetchProgress, FilesByName, Location } from './library/location.js'
export { createVectorIndex, type OpenBackend, openBackend, openSafetensors } from './library/opened.js'
export { encoderFiles, saveEncoder } from './library/save.js'
export {
  createTextIndex,
  type Hit,
  type IndexedText,
  type IndexSettings,
  type SearchSettings,
  type TextHits,
  type TextIndex,
} from './library/text-index.js'
export {
  type Pair,
  type TrainedEncoder,
  type Training,
  type TrainingHooks,
  type TrainingSettings,
  type TrainingStep,
  trainEncoder,
} from './library/train.js'
export type { Precision } from './model/quantize.js'
export {
  type Bm25Index,
  type Bm25Result,
  type Bm25SearchOptions,
  type Bm25Settings,
  createBm25Index,
  searchBm25,
} from './retrieve/bm25.js'
export type { IndexOptions, SearchIndex, SearchResult } from './retrieve/search.js'
export type { BackendChoice } from './run/backend.js'
export type { CollectionScores } from './run/evaluate.js'
export type { FileContent } from './runtime/volumes.js'
export type { PackedIds } from './text/blocks.js'
export type { SpecialIds } from './text/definition.js'
export type { PackedPairs } from './text/pairs.js'
export type { PackedSpans } from './text/spans/encode.js'
export { loadTokenizer, type Tokenizer } from './text/tokenizer.js'
export { type TokenizerTraining, type TrainedTokenizer, trainTokenizer } from './text/trained-tokenizer.js'
export type { StepRecord } from './train/loop.js'
export { version } from './version.js'
