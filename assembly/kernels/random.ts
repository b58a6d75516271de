// Threefry-2x32 with 20 rounds (Salmon et al. 2011), four counters at a time: the same words as src/backend/random.ts.
// `words(c0, c1, key0, key1)` leaves the two words of each lane in `word0` and `word1` (AssemblyScript returns one value).

export let word0: v128 = i32x4.splat(0)
export let word1: v128 = i32x4.splat(0)

@inline
function rotate(x: v128, by: i32): v128 {
  return v128.or(i32x4.shl(x, by), i32x4.shr_u(x, 32 - by))
}

/** Words of the counters (c0, c1), lane by lane. */
export function words(c0: v128, c1: v128, key0: u32, key1: u32): void {
  const k0 = i32x4.splat(key0)
  const k1 = i32x4.splat(key1)
  const k2 = i32x4.splat(0x1bd11bda ^ key0 ^ key1)
  let x0 = i32x4.add(c0, k0)
  let x1 = i32x4.add(c1, k1)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 13), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 15), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 26), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 6), x0)
  x0 = i32x4.add(x0, k1); x1 = i32x4.add(x1, i32x4.add(k2, i32x4.splat(1)))
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 17), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 29), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 16), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 24), x0)
  x0 = i32x4.add(x0, k2); x1 = i32x4.add(x1, i32x4.add(k0, i32x4.splat(2)))
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 13), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 15), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 26), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 6), x0)
  x0 = i32x4.add(x0, k0); x1 = i32x4.add(x1, i32x4.add(k1, i32x4.splat(3)))
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 17), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 29), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 16), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 24), x0)
  x0 = i32x4.add(x0, k1); x1 = i32x4.add(x1, i32x4.add(k2, i32x4.splat(4)))
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 13), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 15), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 26), x0)
  x0 = i32x4.add(x0, x1); x1 = v128.xor(rotate(x1, 6), x0)
  word0 = i32x4.add(x0, k2)
  word1 = i32x4.add(x1, i32x4.add(k0, i32x4.splat(5)))
}

/** x · scale, or 0 where the word is below `threshold`. */
@inline
export function drop(x: v128, word: v128, threshold: v128, scale: v128): v128 {
  return v128.and(f32x4.mul(x, scale), i32x4.ge_u(word, threshold))
}

/** Words of (counter, pair), (counter, pair + 1) …, (counter, pair + 3): afterwards word0 holds positions 2 · pair …, word1 the next four. */
@inline
export function wordsOfRow(counter: u32, pair: u32, key0: u32, key1: u32): void {
  words(i32x4.splat(counter), i32x4.add(i32x4.splat(pair), i32x4(0, 1, 2, 3)), key0, key1)
  const even = word0
  const odd = word1
  word0 = i32x4.shuffle(even, odd, 0, 4, 1, 5)
  word1 = i32x4.shuffle(even, odd, 2, 6, 3, 7)
}
