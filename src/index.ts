// The library: what other programs import, in every runtime. Importing it starts nothing. What it is made of is in experiment.ts.
export type { Backend } from './backend/backend.js'
export { type Collection, loadCollection } from './data/collection.js'
export { type Qrels, readQrels } from './data/qrels.js'
export { writeSafetensors } from './data/safetensors.js'
export { type Run, readRun, writeRun } from './data/trec.js'
export { type Evaluation, evaluateRun } from './evaluate/metrics.js'
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
export { type Bm25Settings, createBm25Index, searchBm25 } from './retrieve/bm25.js'
export type { PackedSpans } from './text/spans/encode.js'
export { loadTokenizer, type Tokenizer } from './text/tokenizer.js'
export { type TokenizerTraining, type TrainedTokenizer, trainTokenizer } from './text/trained-tokenizer.js'
export { version } from './version.js'
