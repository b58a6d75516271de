// A regular expression as the program that assembly/text/expressions.ts runs, by backtracking: words of 32 bits, in which a set of characters is the
// address of its table.
import { type Expression, type Place, parseExpression } from './parse.js'
import { type Characters, has } from './sets.js'

// Operations of assembly/text/expressions.ts, which says what follows each.
const [MATCH, SET, SPAN, SPLIT, JUMP, LOOK, ATOMIC, PLACE, BEHIND] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const
const places: readonly Place[] = ['line start', 'line end', 'start', 'end', 'last line end']

const NO_LIMIT = 0xffffffff
const LONGEST = 1 << 16

export interface Program {
  /** Beginning with 256 bits: the bytes that a match may begin with. Addresses of sets are indices into `sets`, where `addresses` says so. */
  readonly words: Uint32Array
  readonly addresses: readonly number[]
  /** Tables: (0x1100) u16 the number of a page, then pages of 256 bits, the first of which is that of the first 256 characters. */
  readonly sets: readonly Uint8Array[]
}

interface Writer {
  readonly words: number[]
  readonly addresses: number[]
  readonly sets: Map<string, { readonly index: number; readonly set: Characters }>
}

/** Words before the first operation. */
const HEAD = 8

/** Throws with what is not supported. */
export function compileExpression(text: string): Program {
  const expression = parseExpression(text)
  if (shortest(expression) === 0) throw new Error('it may match nothing at all, which is not supported')
  const writer: Writer = { words: new Array(HEAD).fill(0), addresses: [], sets: new Map() }
  write(writer, expression)
  writer.words.push(MATCH)
  const words = Uint32Array.from(writer.words)
  words.set(beginnings(expression))
  return { words, addresses: writer.addresses, sets: [...writer.sets.values()].map(({ set }) => tableOf(set)) }
}

/** Characters that a match has at least. */
function shortest(expression: Expression): number {
  switch (expression.kind) {
    case 'set':
      return 1
    case 'sequence':
      return expression.parts.reduce((sum, part) => sum + shortest(part), 0)
    case 'choice':
      return Math.min(...expression.parts.map(shortest))
    case 'repeat':
      return expression.least * shortest(expression.part)
    case 'atomic':
      return shortest(expression.part)
    case 'look':
    case 'place':
      return 0
  }
}

/** What a match may begin with, or undefined where that is not simply told. */
function firstOf(expression: Expression): { sets: Characters[]; mayBeEmpty: boolean } {
  switch (expression.kind) {
    case 'set':
      return { sets: [expression.set], mayBeEmpty: false }
    case 'choice': {
      const all = expression.parts.map(firstOf)
      return { sets: all.flatMap(({ sets }) => sets), mayBeEmpty: all.some(({ mayBeEmpty }) => mayBeEmpty) }
    }
    case 'sequence': {
      const sets: Characters[] = []
      for (const part of expression.parts) {
        const first = firstOf(part)
        sets.push(...first.sets)
        if (!first.mayBeEmpty) return { sets, mayBeEmpty: false }
      }
      return { sets, mayBeEmpty: true }
    }
    case 'repeat': {
      const { sets, mayBeEmpty } = firstOf(expression.part)
      return { sets, mayBeEmpty: mayBeEmpty || expression.least === 0 }
    }
    case 'atomic':
      return firstOf(expression.part)
    case 'look':
    case 'place':
      return { sets: [], mayBeEmpty: true }
  }
}

/** (8) 256 bits; those of all bytes beyond ASCII where any character there may be the first. */
function beginnings(expression: Expression): Uint32Array {
  const { sets } = firstOf(expression)
  const bits = new Uint32Array(HEAD)
  for (let byte = 0; byte < 0x80; byte++) if (sets.some(set => has(set, byte))) bits[byte >> 5]! |= 1 << (byte & 31)
  if (sets.some(set => (set.at(-1) ?? 0) >= 0x80)) bits.fill(0xffffffff, 4)
  return bits
}

function write(writer: Writer, expression: Expression): void {
  const { words } = writer
  if (words.length > LONGEST) throw new Error('it is too long, which is not supported')
  switch (expression.kind) {
    case 'set':
      words.push(SET)
      writeSet(writer, expression.set)
      break
    case 'sequence':
      for (const part of expression.parts) write(writer, part)
      break
    case 'choice':
      writeChoice(writer, expression.parts)
      break
    case 'repeat':
      writeRepeat(writer, expression)
      break
    case 'atomic':
      writeApart(writer, [ATOMIC], expression.part)
      break
    case 'look':
      writeLook(writer, expression)
      break
    case 'place':
      words.push(PLACE, places.indexOf(expression.place))
  }
}

function writeSet({ words, addresses, sets }: Writer, set: Characters): void {
  const key = set.join()
  const known = sets.get(key) ?? { index: sets.size, set }
  sets.set(key, known)
  addresses.push(words.length)
  words.push(known.index)
}

function writeChoice(writer: Writer, parts: readonly Expression[]): void {
  const { words } = writer
  const ends: number[] = []
  for (const [i, part] of parts.entries()) {
    if (i + 1 === parts.length) write(writer, part)
    else {
      const split = words.push(SPLIT, 0, 0) - 2
      words[split] = words.length
      write(writer, part)
      ends.push(words.push(JUMP, 0) - 1)
      words[split + 1] = words.length
    }
  }
  for (const end of ends) words[end] = words.length
}

type Repeat = Extract<Expression, { kind: 'repeat' }>

function writeRepeat(writer: Writer, repeat: Repeat): void {
  const { words } = writer
  const { part, least, most, mode } = repeat
  if (part.kind === 'set' && mode !== 'lazy') {
    words.push(SPAN)
    writeSet(writer, part.set)
    words.push(least, Math.min(most, NO_LIMIT), mode === 'possessive' ? 1 : 0)
  } else if (mode === 'possessive') writeApart(writer, [ATOMIC], { ...repeat, mode: 'greedy' })
  else {
    for (let i = 0; i < least; i++) write(writer, part)
    if (most === Number.POSITIVE_INFINITY) writeLoop(writer, part, mode)
    else writeOptional(writer, part, most - least, mode)
  }
}

/** Where a choice goes: into the part first, or past it. */
function openSplit({ words }: Writer, mode: Repeat['mode']): { inside: number; past: number } {
  const at = words.push(SPLIT, 0, 0) - 2
  return mode === 'lazy' ? { inside: at + 1, past: at } : { inside: at, past: at + 1 }
}

function writeLoop(writer: Writer, part: Expression, mode: Repeat['mode']): void {
  const { words } = writer
  if (shortest(part) === 0) throw new Error('it repeats what may be nothing at all, which is not supported')
  const begin = words.length
  const { inside, past } = openSplit(writer, mode)
  words[inside] = words.length
  write(writer, part)
  words.push(JUMP, begin)
  words[past] = words.length
}

function writeOptional(writer: Writer, part: Expression, times: number, mode: Repeat['mode']): void {
  const { words } = writer
  const ends: number[] = []
  for (let i = 0; i < times; i++) {
    const { inside, past } = openSplit(writer, mode)
    words[inside] = words.length
    write(writer, part)
    ends.push(past)
  }
  for (const end of ends) words[end] = words.length
}

/** A part that is matched by itself: the operation, where it goes on, then the part. */
function writeApart(writer: Writer, operation: readonly number[], part: Expression): void {
  const { words } = writer
  const end = words.push(...operation, 0) - 1
  write(writer, part)
  words.push(MATCH)
  words[end] = words.length
}

function writeLook(writer: Writer, { part, behind, negated }: Extract<Expression, { kind: 'look' }>): void {
  if (!behind) {
    writeApart(writer, [LOOK, Number(negated)], part)
    return
  }
  if (part.kind !== 'set') throw new Error('it looks behind for more than one character, which is not supported')
  writer.words.push(BEHIND, Number(negated))
  writeSet(writer, part.set)
}

const [PAGES, PAGE] = [0x1100, 32]

function tableOf(set: Characters): Uint8Array {
  const bits = new Uint8Array(PAGES * PAGE)
  for (let i = 0; i < set.length; i += 2)
    for (let code = set[i]!; code <= set[i + 1]!; )
      if ((code & 7) === 0 && code + 7 <= set[i + 1]!) {
        bits[code >> 3] = 0xff
        code += 8
      } else bits[code >> 3]! |= 1 << (code++ & 7)
  const numbers = new Uint16Array(PAGES)
  const pages = new Map<string, number>()
  const kept: Uint8Array[] = []
  for (let i = 0; i < PAGES; i++) {
    const page = bits.subarray(i * PAGE, (i + 1) * PAGE)
    const key = page.every(byte => byte === page[0]) ? `${page[0]}` : page.join()
    if (!pages.has(key)) {
      pages.set(key, kept.length)
      kept.push(page)
    }
    numbers[i] = pages.get(key)!
  }
  const table = new Uint8Array(2 * PAGES + kept.length * PAGE)
  table.set(new Uint8Array(numbers.buffer))
  for (const [i, page] of kept.entries()) table.set(page, 2 * PAGES + i * PAGE)
  return table
}
