// Independent choices by weight: domains of a mixture, say. Constant time a choice, whatever the number of outcomes
// (assembly/sampling/weighted.ts).
import { checkInteger, checkSame, LARGEST_BLOCK, numbersAt, startSampling } from './sampling.js'

export interface WeightedChoice {
  /** Indices of weights, each drawn on its own. (count) */
  draw(count: number): Int32Array
  save(): WeightedChoiceState
  /** Continues as the saved choice would have; the weights have to be the same. */
  restore(state: WeightedChoiceState): void
}

/** Plain JSON. */
export interface WeightedChoiceState {
  readonly seed: number
  readonly stream: number
  readonly outcomes: number
  readonly draws: number
}

export interface WeightedChoiceSettings {
  readonly seed: number
  /**
   * Not negative, not all 0; at most 2^24. Whole weights are met exactly (a sum up to 2^37 always, 2^53 with fewer than
   * 512 of them), others to a 2^37th of their sum or better.
   */
  readonly weights: ArrayLike<number>
  /** Choices of one seed in different streams know nothing of one another; default 0. */
  readonly stream?: number
}

export function createWeightedChoice({ seed, weights, stream = 0 }: WeightedChoiceSettings): WeightedChoice {
  checkWeights(weights)
  const sampling = startSampling(seed, stream)
  numbersAt(sampling, sampling.weightRoom(weights.length), weights.length).set(weights)
  sampling.setWeights()
  const own = { seed, stream, outcomes: weights.length }
  return {
    draw(count) {
      checkInteger('the number of choices', count, 0, LARGEST_BLOCK)
      return new Int32Array(numbersAt(sampling, sampling.drawWeighted(count), count))
    },
    save: () => ({ ...own, draws: sampling.drawCount() }),
    restore(state) {
      checkSame('choice by weight', state, own)
      checkInteger("the saved choice's number of draws", state.draws, 0, Number.MAX_SAFE_INTEGER)
      sampling.setDrawCount(state.draws)
    },
  }
}

function checkWeights(weights: ArrayLike<number>): void {
  checkInteger('the number of weights', weights.length, 1, LARGEST_BLOCK)
  let sum = 0
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i]!
    if (!(weight >= 0 && weight < Infinity))
      throw new Error(`weight ${i} must be a finite number of 0 or more, found ${weight}`)
    sum += weight
  }
  if (sum === Infinity)
    throw new Error('the weights add up to more than a number can hold: divide them all by the largest')
  if (sum === 0) throw new Error(`all ${weights.length} weights are 0: give at least one of them a positive weight`)
}
