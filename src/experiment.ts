// What the library and the command line are made of, for programs that go deeper: backends, samplers, tokenized collections, and a recipe's whole
// experiment. The parts that read recipes are for Node, Deno and Bun.

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
export type { PackedBatch } from './model/batch.js'
export { createLateTokenizer, type LateBatch, type LateTokenizer } from './model/late-interaction.js'
export { completeRecipe } from './recipe/complete.js'
export { loadRecipe } from './recipe/load.js'
export type { Recipe } from './recipe/schema.js'
export { encodeSequences } from './retrieve/encode.js'
export { encodeLate, type PackedVectors } from './retrieve/encode-late.js'
export { createLateIndex, type LateIndex, type LateIndexOptions } from './retrieve/late-index.js'
export { type LateSearchOptions, rescoreLate, searchLate } from './retrieve/maxsim.js'
export { pooledStore, pooledTokens } from './retrieve/pooled.js'
export { compressTokens, type ResidualOptions } from './retrieve/residuals.js'
export { searchExact } from './retrieve/search.js'
export { openTokenStore, type TokenStore, vectorStore, writeTokenStore } from './retrieve/token-store.js'
export { evaluateBm25 } from './run/bm25.js'
export { evaluateCollection, tokenizeCollection } from './run/evaluate.js'
export type { RunHooks } from './run/hooks.js'
export { type ModelSource, openModel, placeModel } from './run/model.js'
export { type RunResult, runExperiment } from './run/run.js'
