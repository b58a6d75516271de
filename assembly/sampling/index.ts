// Seeded sampling, without tables where it can be: integers, permutations of rows, choices by weight, draws without
// replacement, reservoirs. Whole numbers decide everything but the reservoir's skips, whose logarithms are this
// module's own (math.ts): the same on every runtime. One instance of this module is one stream of draws: its globals
// are the state.
export { start, drawCount, setDrawCount, below } from './random'
export { epochRows } from './permutation'
export { drawRepeated, drawDistinct } from './distinct'
export { weightRoom, setWeights, drawWeighted } from './weighted'
export { reservoirSkip, reservoirShare, setReservoirShare } from './reservoir'
