// Tokens as stretches of one array of UTF-16 units, and an open-addressing table from a stretch of units to its id.

export interface TokenTable {
  /** Tokens by id; a hole where no token has that id. */
  readonly vocabulary: readonly (string | undefined)[]
  /** All tokens, one behind the other. */
  readonly units: Uint16Array
  /** Where each token ends. (tokens) */
  readonly ends: Int32Array
  /** (tokens) */
  readonly ids: Int32Array
  /** Number of a token + 1; 0: empty. (a power of two) */
  readonly slots: Int32Array
}

/** FNV-1a over units, its high bits mixed into the low ones. */
function hashOf(units: Uint16Array, from: number, to: number): number {
  let hash = 0x811c9dc5 | 0
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ units[i]!, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}

function isToken(
  units: Uint16Array,
  ends: Int32Array,
  token: number,
  other: Uint16Array,
  from: number,
  to: number,
): boolean {
  const start = token > 0 ? ends[token - 1]! : 0
  if (ends[token]! - start !== to - from) return false
  for (let i = start; from < to; i++, from++) if (units[i] !== other[from]) return false
  return true
}

/** Undefined where a token or an id is there twice. `units`, `ends`, `ids`: as in the table. `shown`: of a token's number. */
export function buildTokenTable(
  units: Uint16Array,
  ends: Int32Array,
  ids: Int32Array,
  shown: (token: number) => string,
): TokenTable | undefined {
  const most = ids.reduce((largest, id) => Math.max(largest, id), 0)
  let size = 256
  while (size < 2 * ends.length) size *= 2
  const slots = new Int32Array(size)
  const vocabulary = new Array<string | undefined>(most + 1).fill(undefined)
  for (let token = 0, start = 0; token < ends.length; token++) {
    const end = ends[token]!
    let slot = hashOf(units, start, end) & (size - 1)
    for (; slots[slot] !== 0; slot = (slot + 1) & (size - 1))
      if (isToken(units, ends, slots[slot]! - 1, units, start, end)) return undefined
    slots[slot] = token + 1
    const id = ids[token]!
    if (vocabulary[id] !== undefined) return undefined
    vocabulary[id] = shown(token)
    start = end
  }
  return { vocabulary, units, ends, ids, slots }
}

/** The id of a stretch of units, or −1. */
export function findToken(table: TokenTable, other: Uint16Array, from: number, to: number): number {
  const { slots, ids, units, ends } = table
  const mask = slots.length - 1
  for (let slot = hashOf(other, from, to) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
    const token = slots[slot]! - 1
    if (isToken(units, ends, token, other, from, to)) return ids[token]!
  }
  return -1
}
