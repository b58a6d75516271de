// The innermost products, a (4 × k) times b (k × 8) in 8 accumulators. Every element is summed over k from the first to the last
// in f32, whichever of these functions computes it, so that a row gives the same bits in a tile of four and alone.
// Steps are in bytes: from one k to the next, and from one row of c to the next.

/** c = [c +] (alpha · sum [+ bias]); bias is 0 for none. */
@inline
function finish4(c: usize, sum: v128, alpha: v128, accumulate: bool, bias: usize): void {
  let value = f32x4.mul(sum, alpha)
  if (bias) value = f32x4.add(value, v128.load(bias))
  if (accumulate) value = f32x4.add(value, v128.load(c))
  v128.store(c, value)
}

@inline
function finish8(c: usize, low: v128, high: v128, alpha: v128, accumulate: bool, bias: usize): void {
  finish4(c, low, alpha, accumulate, bias)
  finish4(c + 16, high, alpha, accumulate, bias ? bias + 16 : 0)
}

/** sum + x · y: rounded once in the build for runtimes with relaxed SIMD, twice in the other, for wasm SIMD has no fused product. */
@inline
export function addProduct(sum: v128, x: v128, y: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(x, y, sum)
  return f32x4.add(sum, f32x4.mul(x, y))
}

/** Four rows of c from a with its four rows side by side: element (i, k) at a + k · aStep + 4 i. */
@inline
export function tile4(k: u32, a: usize, aStep: usize, b: usize, bStep: usize, c: usize, cStep: usize, alpha: f32, accumulate: bool, bias: usize): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0), c10 = f32x4.splat(0), c11 = f32x4.splat(0)
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0), c30 = f32x4.splat(0), c31 = f32x4.splat(0)
  for (let left = k; left; --left) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    let x = v128.load32_splat(a)
    c00 = addProduct(c00, x, b0)
    c01 = addProduct(c01, x, b1)
    x = v128.load32_splat(a, 4)
    c10 = addProduct(c10, x, b0)
    c11 = addProduct(c11, x, b1)
    x = v128.load32_splat(a, 8)
    c20 = addProduct(c20, x, b0)
    c21 = addProduct(c21, x, b1)
    x = v128.load32_splat(a, 12)
    c30 = addProduct(c30, x, b0)
    c31 = addProduct(c31, x, b1)
    a += aStep
    b += bStep
  }
  const scale = f32x4.splat(alpha)
  finish8(c, c00, c01, scale, accumulate, bias)
  finish8(c += cStep, c10, c11, scale, accumulate, bias)
  finish8(c += cStep, c20, c21, scale, accumulate, bias)
  finish8(c += cStep, c30, c31, scale, accumulate, bias)
}

/** One row of c: element k of a at a + k · aStep. */
@inline
export function tile1(k: u32, a: usize, aStep: usize, b: usize, bStep: usize, c: usize, alpha: f32, accumulate: bool, bias: usize): void {
  let c0 = f32x4.splat(0), c1 = f32x4.splat(0)
  for (let left = k; left; --left) {
    const x = v128.load32_splat(a)
    c0 = addProduct(c0, x, v128.load(b))
    c1 = addProduct(c1, x, v128.load(b, 16))
    a += aStep
    b += bStep
  }
  finish8(c, c0, c1, f32x4.splat(alpha), accumulate, bias)
}

/** Four rows of c from four rows of a, aRow bytes apart: element (i, k) at a + i · aRow + 4 k. */
@inline
export function tileRows4(k: u32, a: usize, aRow: usize, b: usize, bStep: usize, c: usize, cStep: usize, alpha: f32): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0), c10 = f32x4.splat(0), c11 = f32x4.splat(0)
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0), c30 = f32x4.splat(0), c31 = f32x4.splat(0)
  let a1 = a + aRow
  let a2 = a1 + aRow
  let a3 = a2 + aRow
  for (let left = k; left; --left) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    let x = v128.load32_splat(a)
    c00 = addProduct(c00, x, b0)
    c01 = addProduct(c01, x, b1)
    x = v128.load32_splat(a1)
    c10 = addProduct(c10, x, b0)
    c11 = addProduct(c11, x, b1)
    x = v128.load32_splat(a2)
    c20 = addProduct(c20, x, b0)
    c21 = addProduct(c21, x, b1)
    x = v128.load32_splat(a3)
    c30 = addProduct(c30, x, b0)
    c31 = addProduct(c31, x, b1)
    a += 4
    a1 += 4
    a2 += 4
    a3 += 4
    b += bStep
  }
  const scale = f32x4.splat(alpha)
  finish8(c, c00, c01, scale, false, 0)
  finish8(c += cStep, c10, c11, scale, false, 0)
  finish8(c += cStep, c20, c21, scale, false, 0)
  finish8(c += cStep, c30, c31, scale, false, 0)
}

/** The greater of both; a NaN in x is passed over. */
@inline
function greater(before: v128, x: v128): v128 {
  return f32x4.pmax(before, x)
}

/** `most` (8) raised to the greatest sums of four rows of a, as in tileRows4, with the eight columns of b. */
@inline
export function raiseRows4(k: u32, a: usize, aRow: usize, b: usize, most: usize): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0), c10 = f32x4.splat(0), c11 = f32x4.splat(0)
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0), c30 = f32x4.splat(0), c31 = f32x4.splat(0)
  let a1 = a + aRow
  let a2 = a1 + aRow
  let a3 = a2 + aRow
  for (let left = k; left; --left) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    let x = v128.load32_splat(a)
    c00 = addProduct(c00, x, b0)
    c01 = addProduct(c01, x, b1)
    x = v128.load32_splat(a1)
    c10 = addProduct(c10, x, b0)
    c11 = addProduct(c11, x, b1)
    x = v128.load32_splat(a2)
    c20 = addProduct(c20, x, b0)
    c21 = addProduct(c21, x, b1)
    x = v128.load32_splat(a3)
    c30 = addProduct(c30, x, b0)
    c31 = addProduct(c31, x, b1)
    a += 4
    a1 += 4
    a2 += 4
    a3 += 4
    b += 32
  }
  v128.store(most, greater(greater(greater(greater(v128.load(most), c00), c10), c20), c30))
  v128.store(most, greater(greater(greater(greater(v128.load(most, 16), c01), c11), c21), c31), 16)
}

/** The same with one row. */
@inline
export function raiseRow(k: u32, a: usize, b: usize, most: usize): void {
  let c0 = f32x4.splat(0), c1 = f32x4.splat(0)
  for (let left = k; left; --left) {
    const x = v128.load32_splat(a)
    c0 = addProduct(c0, x, v128.load(b))
    c1 = addProduct(c1, x, v128.load(b, 16))
    a += 4
    b += 32
  }
  v128.store(most, greater(v128.load(most), c0))
  v128.store(most, greater(v128.load(most, 16), c1), 16)
}
