// How many multiply-adds a thread can do at all: twelve chains of four lanes in registers, no memory. See the kernel table.
import { at } from './memory'
import { addProduct } from './tile'

const CHAINS: f32 = 48

/** Chains j to j + 3 of element i before the first round */
@inline
function start(i: u32, j: u32): v128 {
  const steps = f32x4.add(f32x4.splat(<f32>j), f32x4(0, 1, 2, 3))
  return f32x4.add(f32x4.splat(<f32>(i & 63)), f32x4.div(steps, f32x4.splat(CHAINS)))
}

export function multiply_adds(out: usize, count: u32, rounds: u32, factor: f32, term: f32, begin: u32, end: u32): void {
  const factors = f32x4.splat(factor)
  const terms = f32x4.splat(term)
  for (let i = begin; i < end; i++) {
    let x0 = start(i, 0)
    let x1 = start(i, 4)
    let x2 = start(i, 8)
    let x3 = start(i, 12)
    let x4 = start(i, 16)
    let x5 = start(i, 20)
    let x6 = start(i, 24)
    let x7 = start(i, 28)
    let x8 = start(i, 32)
    let x9 = start(i, 36)
    let x10 = start(i, 40)
    let x11 = start(i, 44)
    for (let r: u32 = 0; r < rounds; r++) {
      x0 = addProduct(terms, x0, factors)
      x1 = addProduct(terms, x1, factors)
      x2 = addProduct(terms, x2, factors)
      x3 = addProduct(terms, x3, factors)
      x4 = addProduct(terms, x4, factors)
      x5 = addProduct(terms, x5, factors)
      x6 = addProduct(terms, x6, factors)
      x7 = addProduct(terms, x7, factors)
      x8 = addProduct(terms, x8, factors)
      x9 = addProduct(terms, x9, factors)
      x10 = addProduct(terms, x10, factors)
      x11 = addProduct(terms, x11, factors)
    }
    let sum = f32x4.splat(0)
    sum = f32x4.add(sum, x0)
    sum = f32x4.add(sum, x1)
    sum = f32x4.add(sum, x2)
    sum = f32x4.add(sum, x3)
    sum = f32x4.add(sum, x4)
    sum = f32x4.add(sum, x5)
    sum = f32x4.add(sum, x6)
    sum = f32x4.add(sum, x7)
    sum = f32x4.add(sum, x8)
    sum = f32x4.add(sum, x9)
    sum = f32x4.add(sum, x10)
    sum = f32x4.add(sum, x11)
    store<f32>(
      at(out, i),
      f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1) + f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3),
    )
  }
}
