// Experiments as the command line runs them, for programs in Node, Deno and Bun: a recipe, run whole.
export { completeRecipe } from './recipe/complete.js'
export { loadRecipe } from './recipe/load.js'
export type { Recipe } from './recipe/schema.js'
export { evaluateBm25 } from './run/bm25.js'
export type { RunHooks } from './run/hooks.js'
export { type RunResult, runExperiment } from './run/run.js'
