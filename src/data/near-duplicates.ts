// Near-duplicates by SimHash (Charikar 2002; Manku, Jain and Das Sarma 2007): a text's words and pairs of neighbouring words vote on each of 64 bits;
// texts whose fingerprints differ in few bits are nearly the same. Two such fingerprints agree in one of k + 1 blocks of bits, so only texts with
// an equal block are compared.

/** Bits of a fingerprint, as two integers of 32. */
export interface Fingerprint {
  readonly high: number
  readonly low: number
}

export interface NearDuplicate {
  /** Of the text that is left out, in the order they were given. */
  readonly index: number
  /** Of the earlier text that is kept. */
  readonly of: number
  /** Differing bits. */
  readonly distance: number
}

export interface NearDuplicateSettings {
  /** Bits that may differ, 0 to 7; default 3. */
  readonly threshold?: number
  /** Whether texts of one group are compared; default true. */
  readonly within?: boolean
  /** Whether texts of different groups are; default true. */
  readonly across?: boolean
}

// Where words are written without spaces, each character counts as one.
const WORD = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{M}\p{N}]+/gu

/** Case and punctuation do not count. A text without words has the fingerprint of its characters. */
export function simHash(text: string): Fingerprint {
  const words = text.normalize('NFKC').toLowerCase().match(WORD) ?? [text]
  const votes = new Int32Array(64)
  let before = 0
  for (const [i, word] of words.entries()) {
    const hash = hashOf(word, 0x9e3779b9)
    vote(votes, hash, hashOf(word, 0x85ebca6b))
    // The pair hashes its two words' hashes, in their order.
    if (i > 0) {
      const pair = mix(Math.imul(before, 0x2c1b3c6d) ^ hash)
      vote(votes, pair, mix(pair ^ 0x297a2d39))
    }
    before = hash
  }
  let [high, low] = [0, 0]
  for (let bit = 0; bit < 32; bit++) {
    if (votes[bit]! > 0) high |= 1 << bit
    if (votes[32 + bit]! > 0) low |= 1 << bit
  }
  return { high, low }
}

function vote(votes: Int32Array, high: number, low: number): void {
  for (let bit = 0; bit < 32; bit++) {
    votes[bit]! += ((high >>> bit) & 1) * 2 - 1
    votes[32 + bit]! += ((low >>> bit) & 1) * 2 - 1
  }
}

/** FNV-1a over the characters' codes, then mixed. */
function hashOf(word: string, seed: number): number {
  let hash = seed ^ word.length
  for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193)
  return mix(hash)
}

/** The finaliser of MurmurHash3: every bit depends on every other. */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function bitsSet(value: number): number {
  let bits = value - ((value >>> 1) & 0x55555555)
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333)
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

export const fingerprintDistance = (a: Fingerprint, b: Fingerprint): number =>
  bitsSet(a.high ^ b.high) + bitsSet(a.low ^ b.low)

/** Bits of a block's key: more would make tables that are mostly empty. */
const LARGEST_KEY = 18

/** `width` bits from bit `from`, of the 64 that are high's 32 and then low's. */
function bitsFrom({ high, low }: Fingerprint, from: number, width: number): number {
  const mask = (1 << width) - 1
  if (from >= 32) return (low >>> (from - 32)) & mask
  const own = high >>> from
  return (from + width <= 32 ? own : own | (low << (32 - from))) & mask
}

export interface ComparedText {
  readonly text: string
  /** Must be nearly the same too: of a pair, what is beside the query. */
  readonly other?: string
  /** Such as the data set. */
  readonly group: number
}

/** Those to leave out so that no two texts are near-duplicates: each time the later one; `distance` is the larger one of text and other. */
export function findNearDuplicates(
  texts: Iterable<ComparedText>,
  { threshold = 3, within = true, across = true }: NearDuplicateSettings = {},
): NearDuplicate[] {
  if (!Number.isInteger(threshold) || threshold < 0 || threshold > 7)
    throw new Error(`the threshold of near-duplicates must be an integer from 0 to 7 bits, found ${threshold}`)
  const blocks = threshold + 1
  const width = Math.min(LARGEST_KEY, Math.floor(64 / blocks))
  // Of each block a chain of kept texts for each value of its bits: the last one, and for each text the one before.
  const heads = Array.from({ length: blocks }, () => new Int32Array(1 << width).fill(-1))
  const links: number[][] = Array.from({ length: blocks }, () => [])
  const kept: { index: number; group: number; print: Fingerprint; other: Fingerprint | undefined }[] = []
  const keyOf = (print: Fingerprint, block: number) => bitsFrom(print, Math.floor((block * 64) / blocks), width)
  const nearest = (print: Fingerprint, beside: Fingerprint | undefined, group: number) => {
    let best: { of: number; distance: number } | undefined
    for (let block = 0; block < blocks; block++)
      for (let at = heads[block]![keyOf(print, block)]!; at >= 0; at = links[block]![at]!) {
        const other = kept[at]!
        if (other.group === group ? !within : !across) continue
        const own = fingerprintDistance(print, other.print)
        const distance = beside && other.other ? Math.max(own, fingerprintDistance(beside, other.other)) : own
        if (distance > threshold) continue
        if (!best || distance < best.distance || (distance === best.distance && other.index < best.of))
          best = { of: other.index, distance }
      }
    return best
  }
  const found: NearDuplicate[] = []
  let index = -1
  for (const { text, other, group } of texts) {
    index++
    const print = simHash(text)
    const beside = other === undefined ? undefined : simHash(other)
    const best = nearest(print, beside, group)
    if (best) {
      found.push({ index, ...best })
      continue
    }
    for (let block = 0; block < blocks; block++) {
      const key = keyOf(print, block)
      links[block]!.push(heads[block]![key]!)
      heads[block]![key] = kept.length
    }
    kept.push({ index, group, print, other: beside })
  }
  return found
}
