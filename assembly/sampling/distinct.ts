// Draws with and without replacement.
import { room } from './memory'
import { permuted, setPermutation } from './permutation'
import { below, next } from './random'

/**
 * Above this many, draws without replacement take the head of a fresh permutation: the insertion below is quadratic.
 */
const INSERTION_LIMIT: u32 = 64

/** Draws `count` numbers below `bound`, each on its own: repetitions are possible. (count) f64 */
export function drawRepeated(count: u32, bound: u32): usize {
  const result = room(<usize>count << 3)
  for (let i: u32 = 0; i < count; i++) store<f64>(result + (<usize>i << 3), below(bound))
  return result
}

/** Draws `count` different numbers below `bound` ≥ count, in uniformly random order. (count) f64 */
export function drawDistinct(count: u32, bound: u32): usize {
  if (count > INSERTION_LIMIT) {
    setPermutation(next(), bound)
    return permuted(0, count)
  }
  // Floyd's algorithm P (Bentley and Floyd, CACM 1987): a number drawn before is replaced by the newest possible one,
  // put behind it.
  const result = room(<usize>count << 3)
  for (let drawn: u32 = 0; drawn < count; drawn++) {
    const newest = bound - count + drawn
    const candidate = below(newest + 1)
    let place: u32 = 0
    while (place < drawn && load<f64>(result + (<usize>place << 3)) != candidate) place++
    const found = place < drawn
    const at = result + (found ? (<usize>place + 1) << 3 : 0)
    memory.copy(at + 8, at, result + (<usize>drawn << 3) - at)
    store<f64>(at, found ? newest : candidate)
  }
  return result
}
