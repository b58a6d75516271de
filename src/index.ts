// The library: what other programs import, in every runtime. Importing it starts nothing. The experiments of the command line are in experiment.ts.
export type { Backend } from './backend/backend.js'
export { createWasmBackend } from './backend/wasm/backend.js'
export { createWebGpuBackend } from './backend/webgpu/backend.js'
export {
  createSetBatches,
  type ExampleSet,
  type SetBatch,
  type SetBatches,
  type SetBatchesSettings,
  type SetBatchesState,
} from './data/batches.js'
export {
  createLengthBatches,
  type LengthBatch,
  type LengthBatches,
  type LengthBatchesSettings,
  type LengthBatchesState,
} from './data/batches-by-length.js'
export { type Collection, loadCollection } from './data/collection.js'
export { type Qrels, readQrels } from './data/qrels.js'
export { writeSafetensors } from './data/safetensors.js'
export {
  createSampler,
  type SampledBatch,
  type Sampler,
  type SamplerSettings,
  type SamplerState,
} from './data/sampler.js'
export type { DrawnNegatives, Draws } from './data/sampling-draws.js'
export { createPermutation, type Permutation } from './data/sampling-permutation.js'
export { createReservoir, type Reservoir, type ReservoirState, sampleStream } from './data/sampling-reservoir.js'
export { createWeightedChoice, type WeightedChoice, type WeightedChoiceSettings } from './data/sampling-weighted.js'
export { type Run, readRun, writeRun } from './data/trec.js'
export { type Evaluation, evaluateRun } from './evaluate/metrics.js'
export {
  type EncodeOptions,
  type EncodeProgress,
  type Encoder,
  type LoadOptions,
  loadEncoder,
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
  type TextIndex,
} from './library/text-index.js'
export {
  type Pair,
  type TrainedEncoder,
  type TrainingHooks,
  type TrainingSettings,
  type TrainingStep,
  trainEncoder,
} from './library/train.js'
export type { PackedBatch } from './model/batch.js'
export { type Bm25Settings, createBm25Index, searchBm25 } from './retrieve/bm25.js'
export { encodeSequences } from './retrieve/encode.js'
export { searchExact } from './retrieve/search.js'
export { evaluateCollection, tokenizeCollection } from './run/evaluate.js'
export { type ModelSource, openModel, placeModel } from './run/model.js'
export { loadTokenizer, type Tokenizer } from './text/tokenizer.js'
export { version } from './version.js'
