// The generator: output i of stream k is mix(k + (i + 1)·γ), the SplitMix64 of Steele, Lea and Flood (OOPSLA 2014) with
// Stafford's variant 13 as mix. Its whole state is (k, i): seed and number of draws, so a saved state is two integers.

const GAMMA: u64 = 0x9e3779b97f4a7c15

let seedKey: u64 = 0
let drawKey: u64 = 0
let draws: u64 = 0

function mix(value: u64): u64 {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb
  return value ^ (value >> 31)
}

export function output(stream: u64, index: u64): u64 {
  return mix(stream + (index + 1) * GAMMA)
}

/** `seed`: an integer from 0 to 2^53 − 1; `stream`: draws of one seed that know nothing of one another. */
export function start(seed: f64, stream: u32): void {
  seedKey = mix(<u64>seed)
  // Downwards from 0, since permutations have the keys from 1 upwards.
  drawKey = output(seedKey, 0 - <u64>stream)
  draws = 0
}

/** The key of the permutation that a set of rows has in an epoch. */
export function epochKey(set: u32, epoch: u64): u64 {
  return output(output(seedKey, 1 + <u64>set), epoch)
}

/** The number of raw draws so far: with the seed, the state of the draws. */
export function drawCount(): f64 {
  return <f64>draws
}

export function setDrawCount(count: f64): void {
  draws = <u64>count
}

export function next(): u64 {
  return output(drawKey, draws++)
}

/**
 * A uniform integer below `bound` (0 stands for 2^32), without modulo bias: Lemire's multiply and reject (TOMACS 2019).
 */
export function below(bound: u32): u32 {
  if (bound == 0) return <u32>(next() >> 32)
  let product = (next() >> 32) * <u64>bound
  if (<u32>product < bound) {
    const threshold: u32 = (<u32>0 - bound) % bound // 2^32 mod bound
    while (<u32>product < threshold) product = (next() >> 32) * <u64>bound
  }
  return <u32>(product >> 32)
}

/**
 * A uniform integer below `bound` ≥ 1, of up to 64 bits: as many high bits as it has, again where they are too large.
 */
export function belowWide(bound: u64): u64 {
  const shift = clz(bound - 1)
  if (shift == 64) return 0
  let value: u64
  do {
    value = next() >> shift
  } while (value >= bound)
  return value
}
