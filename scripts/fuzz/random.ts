// Random numbers of a seed: the same on every machine.

export interface Random {
  /** In [0, 1). */
  number(): number
  /** An integer in [0, below). */
  below(below: number): number
  pick<T>(items: readonly T[]): T
  chance(probability: number): boolean
}

/** Mulberry32 over a hash of the words. */
export function randomOf(...words: readonly (string | number)[]): Random {
  let state = 0x811c9dc5
  for (const character of words.join('/')) state = Math.imul(state ^ character.codePointAt(0)!, 0x01000193)
  const number = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(number() * limit)
  return { number, below, pick: items => items[below(items.length)]!, chance: probability => number() < probability }
}
