// assembly/sampling/permutation.ts again, one position at a time, with any number of rounds, and backwards.
const MASK = (1n << 64n) - 1n
const GAMMA = 0x9e3779b97f4a7c15n

export function mix(z: bigint): bigint {
  const a = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK
  const b = ((a ^ (a >> 27n)) * 0x94d049bb133111ebn) & MASK
  return b ^ (b >> 31n)
}

/** SplitMix64: output `index` of a stream. */
export const output = (stream: bigint, index: bigint): bigint => mix((stream + (index + 1n) * GAMMA) & MASK)

export interface Network {
  readonly rows: number
  readonly leftSize: number
  readonly rightSize: number
  /** Two words a round. */
  readonly keys: readonly (readonly [number, number])[]
}

export function networkOf(seed: number, rows: number, epoch = 0, set = 0, rounds = 12): Network {
  const domain = Math.max(1024, rows)
  const leftSize = Math.ceil(Math.sqrt(domain))
  const key = output(output(mix(BigInt(seed)), 1n + BigInt(set)), BigInt(epoch))
  const keys = Array.from({ length: rounds }, (_, round) => {
    const word = output(key, BigInt(round))
    return [Number(word & 0xffffffffn), Number(word >> 32n)] as const
  })
  return { rows, leftSize, rightSize: Math.ceil(domain / leftSize), keys }
}

function hash(value: number, [first, second]: readonly [number, number], size: number): number {
  let x = Math.imul(value ^ first, 0x7feb352d)
  x ^= x >>> 15
  x = Math.imul((x + second) | 0, 0x846ca68b) >>> 0
  return Number((BigInt(x) * BigInt(size)) >> 32n)
}

function step({ leftSize, rightSize, keys }: Network, value: number, sign: 1 | -1): number {
  let right = value % rightSize
  let left = (value - right) / rightSize
  for (let i = 0; i < keys.length; i++) {
    const round = sign > 0 ? i : keys.length - 1 - i
    if (round % 2 === 0) left = (left + sign * hash(right, keys[round]!, leftSize) + leftSize) % leftSize
    else right = (right + sign * hash(left, keys[round]!, rightSize) + rightSize) % rightSize
  }
  return left * rightSize + right
}

function walk(network: Network, from: number, sign: 1 | -1): number {
  let value = from
  do value = step(network, value, sign)
  while (value >= network.rows)
  return value
}

export const rowAt = (network: Network, position: number): number => walk(network, position, 1)

export const positionOf = (network: Network, row: number): number => walk(network, row, -1)
