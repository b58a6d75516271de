// Sets of characters: what a class of a regular expression holds.
import { categories, categoryRuns, scriptRuns, scripts } from './categories-data.js'

/** Code points, first and last of each run, in order, with others between them. */
export type Characters = readonly number[]

const LAST = 0x10ffff

/** Of runs in any order. */
export function unionOf(sets: readonly Characters[]): Characters {
  const runs = sets.flatMap(set => Array.from({ length: set.length / 2 }, (_, i) => [set[2 * i]!, set[2 * i + 1]!]))
  const union: number[] = []
  for (const [first, last] of runs.sort(([a], [b]) => a! - b!)) {
    const end = union.length - 1
    if (end > 0 && first! <= union[end]! + 1) union[end] = Math.max(union[end]!, last!)
    else union.push(first!, last!)
  }
  return union
}

export function complementOf(set: Characters): Characters {
  const others: number[] = []
  let next = 0
  for (let i = 0; i < set.length; i += 2) {
    if (set[i]! > next) others.push(next, set[i]! - 1)
    next = set[i + 1]! + 1
  }
  if (next <= LAST) others.push(next, LAST)
  return others
}

export const intersectionOf = (sets: readonly Characters[]): Characters => complementOf(unionOf(sets.map(complementOf)))

export const has = (set: Characters, code: number): boolean => {
  for (let i = 0; i < set.length; i += 2) if (code <= set[i + 1]!) return code >= set[i]!
  return false
}

/** Runs by the name of their kind. */
function unpack(names: string, base64: string): Map<string, number[]> {
  const bytes = Uint8Array.from(atob(base64), char => char.charCodeAt(0))
  const kinds = names.split(' ')
  const sets = new Map(kinds.map(kind => [kind, [] as number[]]))
  let at = 0
  const next = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  for (let code = 0; at < bytes.length; ) {
    const length = next()
    sets.get(kinds[next()]!)!.push(code, code + length - 1)
    code += length
  }
  return sets
}

let unpacked: Map<string, number[]> | undefined

/** \p{name}: a general category, the first letter of some, or a script; undefined where the name is not known. */
export function property(name: string): Characters | undefined {
  unpacked ??= new Map([...unpack(categories, categoryRuns), ...unpack(scripts, scriptRuns)])
  const own = unpacked.get(name)
  if (own && name !== '-') return own
  if (!/^[A-Z]$/.test(name)) return undefined
  const parts = [...unpacked].filter(([kind]) => kind.length === 2 && kind.startsWith(name))
  return parts.length > 0 ? unionOf(parts.map(([, set]) => set)) : undefined
}

export const of = (text: string): Characters =>
  unionOf(Array.from(text, character => [character.codePointAt(0)!, character.codePointAt(0)!]))

export const digits = (): Characters => property('Nd')!

/** White_Space. */
export const blanks: Characters = unionOf([
  [0x09, 0x0d],
  [0x2000, 0x200a],
  of('\u0020\u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000'),
])

export const hexDigits: Characters = unionOf([
  [0x30, 0x39],
  [0x41, 0x46],
  [0x61, 0x66],
])
