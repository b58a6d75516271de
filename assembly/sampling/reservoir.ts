// Reservoir sampling by skips: algorithm L of Li (TOMS 1994). The share of the stream that still enters is the largest
// of `size` uniform numbers, and the number of items passed over is geometric in it.
import { exponential, logarithm, logarithmOfRest } from './math'
import { next } from './random'

/** ln of the share. */
let share: f64 = 0

// In (0, 1), both excluded.
function uniform(): f64 {
  return (<f64>(next() >> 12) + 0.5) * (1.0 / 4503599627370496.0)
}

/** Items passed over before the next one enters a full reservoir. */
export function reservoirSkip(size: f64): f64 {
  share += logarithm(uniform()) / size
  return Math.floor(logarithm(uniform()) / logarithmOfRest(exponential(share)))
}

export function reservoirShare(): f64 {
  return share
}

export function setReservoirShare(value: f64): void {
  share = value
}
