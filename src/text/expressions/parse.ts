// Regular expressions of Split, as the reference reads them: Oniguruma's own syntax (its doc/RE). What of it has no place here is refused by name.
import {
  blanks,
  type Characters,
  complementOf,
  digits,
  has,
  hexDigits,
  intersectionOf,
  of,
  property,
  unionOf,
} from './sets.js'

export type Mode = 'greedy' | 'lazy' | 'possessive'
export type Place = 'line start' | 'line end' | 'start' | 'end' | 'last line end'

export type Expression =
  | { readonly kind: 'set'; readonly set: Characters }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly Expression[] }
  | {
      readonly kind: 'repeat'
      readonly part: Expression
      readonly least: number
      readonly most: number
      readonly mode: Mode
    }
  | { readonly kind: 'look'; readonly part: Expression; readonly behind: boolean; readonly negated: boolean }
  | { readonly kind: 'atomic'; readonly part: Expression }
  | { readonly kind: 'place'; readonly place: Place }

interface Reader {
  readonly source: readonly string[]
  at: number
  /** (?i) and (?m): letters of either case; a dot matches line ends too. */
  fold: boolean
  dotAll: boolean
}

const refuse = (what: string): never => {
  throw new Error(`${what}, which is not supported`)
}

/** Throws with what is not supported. */
export function parseExpression(text: string): Expression {
  const reader: Reader = { source: [...text], at: 0, fold: false, dotAll: false }
  const parsed = readChoice(reader)
  if (reader.at < reader.source.length) refuse('it has a ) without its (')
  return parsed
}

const peek = ({ source, at }: Reader) => source[at]
const next = (reader: Reader): string => reader.source[reader.at++] ?? refuse('it ends too soon')

function take(reader: Reader, text: string): boolean {
  const { source, at } = reader
  if (![...text].every((character, i) => source[at + i] === character)) return false
  reader.at += [...text].length
  return true
}

function readChoice(reader: Reader): Expression {
  const { fold, dotAll } = reader
  const parts = [readSequence(reader)]
  while (take(reader, '|')) parts.push(readSequence(reader))
  Object.assign(reader, { fold, dotAll })
  return parts.length > 1 ? { kind: 'choice', parts } : parts[0]!
}

function readSequence(reader: Reader): Expression {
  const parts: Expression[] = []
  for (let character = peek(reader); character !== undefined && character !== '|' && character !== ')'; ) {
    let part = readAtom(reader)
    for (let repeat = readRepeat(reader); repeat; repeat = readRepeat(reader)) part = { ...repeat, part }
    parts.push(part)
    if (reader.fold) checkFold(parts)
    character = peek(reader)
  }
  return parts.length === 1 ? parts[0]! : { kind: 'sequence', parts }
}

function readRepeat(reader: Reader): Omit<Extract<Expression, { kind: 'repeat' }>, 'part'> | undefined {
  const kind = 'repeat'
  for (const [sign, least, most] of [
    ['*', 0, Number.POSITIVE_INFINITY],
    ['+', 1, Number.POSITIVE_INFINITY],
    ['?', 0, 1],
  ] as const)
    if (take(reader, sign)) {
      const mode = take(reader, '?') ? 'lazy' : take(reader, '+') ? 'possessive' : 'greedy'
      return { kind, least, most, mode }
    }
  const [found, low, comma, high] =
    /^\{(\d*)(,?)(\d*)\}/.exec(reader.source.slice(reader.at, reader.at + 16).join('')) ?? []
  if (!found || (low === '' && high === '')) return undefined
  reader.at += found.length
  const least = Number(low)
  const most = !comma ? least : high ? Number(high) : Number.POSITIVE_INFINITY
  if (least > most || Math.max(least, Number.isFinite(most) ? most : 0) > 1000) refuse(`it has ${found}`)
  // A + behind it repeats all of it; to a number alone a ? makes it optional.
  if (comma && take(reader, '?')) return { kind, least, most, mode: 'lazy' }
  return { kind, least, most, mode: 'greedy' }
}

function readAtom(reader: Reader): Expression {
  const character = next(reader)
  if (character === '(') return readGroup(reader)
  if (character === '[') return setOf(reader, readClass(reader))
  if (character === '.') return { kind: 'set', set: reader.dotAll ? complementOf([]) : complementOf(of('\n')) }
  if (character === '^') return { kind: 'place', place: 'line start' }
  if (character === '$') return { kind: 'place', place: 'line end' }
  if (character === '*' || character === '+' || character === '?') refuse(`it has ${character} behind nothing`)
  if (character !== '\\') return setOf(reader, of(character))
  if (take(reader, 'w')) return { kind: 'set', set: unionOf([word(), fractions]) }
  if (take(reader, 'W')) return { kind: 'set', set: complementOf(unionOf([word(), fractions])) }
  const places = { A: 'start', z: 'end', Z: 'last line end' } as const
  const place = places[peek(reader) as keyof typeof places]
  if (!place) return setOf(reader, readEscape(reader))
  next(reader)
  return { kind: 'place', place }
}

function readGroup(reader: Reader): Expression {
  const { fold, dotAll } = reader
  const closed = (made: (part: Expression) => Expression): Expression => {
    const part = readChoice(reader)
    if (!take(reader, ')')) refuse('it has a ( without its )')
    Object.assign(reader, { fold, dotAll })
    return made(part)
  }
  if (!take(reader, '?')) return closed(part => part)
  if (take(reader, ':')) return closed(part => part)
  if (take(reader, '>')) return closed(part => ({ kind: 'atomic', part }))
  for (const [sign, behind, negated] of [
    ['=', false, false],
    ['!', false, true],
    ['<=', true, false],
    ['<!', true, true],
  ] as const)
    if (take(reader, sign)) return closed(part => ({ kind: 'look', part, behind, negated }))
  for (let on = true; ; ) {
    const option = next(reader)
    if (option === '-') on = false
    else if (option === 'i') reader.fold = on
    else if (option === 'm') reader.dotAll = on
    else if (option === ':') return closed(part => part)
    // From here to the end of the group around it: an own one, choices included.
    else if (option === ')') return readChoiceOn(reader)
    else return refuse(`it has (?${option}`)
  }
}

/** Goes on with options that were just set, which end with the group around. */
function readChoiceOn(reader: Reader): Expression {
  const parts = [readSequence(reader)]
  while (take(reader, '|')) parts.push(readSequence(reader))
  return parts.length > 1 ? { kind: 'choice', parts } : parts[0]!
}

const letter = (code: number, fold: boolean) =>
  fold && (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a ? String.fromCharCode(code & ~0x20, code | 0x20) : ''

/** Beyond ASCII, all that may be a case of something else. */
const cased = () =>
  intersectionOf([
    [0x80, 0x10ffff],
    unionOf([...['Lu', 'Ll', 'Lt', 'Nl'].map(name => property(name)!), otherAlphabetic, [0x345, 0x345]]),
  ])

/** Behind (?i) with letters of either case, and ſ and K, which are an s and a k to it; beyond ASCII with all characters that have case, or none. */
function setOf({ fold }: Reader, set: Characters): Expression {
  if (!fold) return { kind: 'set', set }
  const found = (set.at(-1) ?? 0) > 0x7f ? intersectionOf([set, cased()]) : []
  if (found.length > 0 && found.join() !== cased().join()) refuse('it has characters behind (?i) beyond ASCII')
  let letters = ''
  for (let code = 0x41; code <= 0x7a; code++) if (has(set, code)) letters += letter(code, fold)
  if (/s/.test(letters)) letters += '\u017f'
  if (/k/.test(letters)) letters += '\u212a'
  return { kind: 'set', set: unionOf([set, of(letters)]) }
}

/** Two letters that are one character to an expression which ignores case: ß, ﬁ, … */
const TOGETHER = ['ss', 'ff', 'fi', 'fl', 'st']

function checkFold(parts: readonly Expression[]): void {
  const [before, after] = parts.slice(-2)
  if (before?.kind !== 'set' || after?.kind !== 'set') return
  const holds = ({ set }: { set: Characters }, character: string) =>
    set.length < 16 && has(set, character.charCodeAt(0)) && !has(set, 0x30)
  for (const [first, second] of TOGETHER)
    if (holds(before, first!) && holds(after, second!)) refuse(`it has ${first}${second} behind (?i)`)
}

/** \w of the reference: letters, marks, digits, connectors; and what is alphabetic without being a letter. */
const word = () => unionOf([...['L', 'M', 'Nd', 'Pc', 'Nl'].map(name => property(name)!), otherAlphabetic])
/** Of \w to it, too, but not of a class with \w in it. */
const fractions = of('²³¹¼½¾')
const otherAlphabetic: Characters = [0x24b6, 0x24e9, 0x1f130, 0x1f149, 0x1f150, 0x1f169, 0x1f170, 0x1f189]

const controls: Readonly<Record<string, string>> = {
  ...{ n: '\n', r: '\r', t: '\t', f: '\f', v: '\v', a: '\x07', e: '\x1b' },
}

/** What stands behind a backslash. */
function readEscape(reader: Reader): Characters {
  const character = next(reader)
  const classes: Readonly<Record<string, () => Characters>> = {
    s: () => blanks,
    d: digits,
    w: word,
    h: () => hexDigits,
  }
  const known = classes[character.toLowerCase()]
  if (known) return character === character.toLowerCase() ? known() : complementOf(known())
  if (character === 'p' || character === 'P') return readProperty(reader, character === 'P')
  if (Object.hasOwn(controls, character)) return of(controls[character]!)
  if (character === 'x' || character === 'u') return readCode(reader, character)
  if (/[A-Za-z0-9]/.test(character)) refuse(`it has \\${character}`)
  return of(character)
}

function readCode(reader: Reader, sign: 'x' | 'u'): Characters {
  const rest = reader.source.slice(reader.at, reader.at + 12).join('')
  const [found, braced, plain] = /^(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{2,4}))/.exec(rest) ?? []
  const hex = sign === 'u' ? (plain?.length === 4 ? plain : undefined) : (braced ?? plain?.slice(0, 2))
  if (!found || !hex) return refuse(`it has \\${sign}${rest.slice(0, 4)}`)
  const code = Number.parseInt(hex, 16)
  // A byte above ASCII is no character to it.
  if (!braced && sign === 'x' && code > 0x7f) refuse(`it has \\x${hex}`)
  reader.at += braced ? found.length : hex.length
  return [code, code]
}

function readProperty(reader: Reader, negated: boolean): Characters {
  const end = reader.source.indexOf('}', reader.at)
  const written = reader.source.slice(reader.at, end + 1).join('')
  const [, not, name] = /^\{(\^?)([A-Za-z]+)\}$/.exec(written) ?? []
  const set = name && property(name)
  if (!set) return refuse(`it has \\${negated ? 'P' : 'p'}${written.slice(0, 30)}`)
  reader.at = end + 1
  return negated !== (not === '^') ? complementOf(set) : set
}

/** Behind the [ of a class, to behind its ]. */
function readClass(reader: Reader): Characters {
  const negated = take(reader, '^')
  const both: Characters[] = []
  let sets: Characters[] = []
  if (peek(reader) === ']') refuse('it has a class that begins with ]')
  while (!take(reader, ']')) {
    if (take(reader, '[')) {
      if (peek(reader) === ':') refuse(`it has [:${reader.source.slice(reader.at + 1, reader.at + 6).join('')}`)
      sets.push(readClass(reader))
    } else if (take(reader, '&&')) {
      both.push(unionOf(sets))
      sets = []
    } else sets.push(readRange(reader))
  }
  const set = intersectionOf([...both, unionOf(sets)])
  return negated ? complementOf(set) : set
}

function readRange(reader: Reader): Characters {
  const one = () => (take(reader, '\\') ? readEscape(reader) : of(next(reader)))
  const from = one()
  const after = reader.source[reader.at + 1]
  if (peek(reader) !== '-' || after === ']' || after === undefined) return from
  if (from.length > 2 || from[0] !== from[1]) return refuse('it has a class with - behind more than one character')
  if (after === '[') return refuse('it has a class with - before [')
  next(reader)
  const to = one()
  if (to.length > 2 || to[0] !== to[1] || to[0]! < from[0]!) return refuse('it has a class with a range that is none')
  return [from[0]!, to[0]!]
}
