// The library: what other programs import.
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
export { openSafetensors, writeSafetensors } from './data/safetensors.js'
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
export type { PackedBatch } from './model/batch.js'
export { completeRecipe } from './recipe/complete.js'
export { loadRecipe } from './recipe/load.js'
export type { Recipe } from './recipe/schema.js'
export { type Bm25Settings, createBm25Index, searchBm25 } from './retrieve/bm25.js'
export { encodeSequences } from './retrieve/encode.js'
export { createIndex, searchExact } from './retrieve/search.js'
export { type OpenedBackend, openBackend } from './run/backend.js'
export { evaluateBm25 } from './run/bm25.js'
export { evaluateCollection, tokenizeCollection } from './run/evaluate.js'
export type { RunHooks } from './run/hooks.js'
export { type ModelSource, openModel, placeModel } from './run/model.js'
export { type RunResult, runExperiment } from './run/run.js'
export { loadTokenizer, type Tokenizer } from './text/tokenizer.js'
export { version } from './version.js'
