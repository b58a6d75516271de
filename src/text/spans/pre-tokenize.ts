// The pre-tokenizer, stage by stage, over texts with the places of characters: what assembly/text/pretokenize.ts does. Expressions run over a text of
// which each character is one UTF-16 unit: those beyond ASCII stand for their class, as the tokenizer's tables have it, not this JavaScript's.

import type { Host } from '../host.js'
import type { Behavior, PreTokenizerStage } from '../pre-tokenizers.js'
import { type Aligned, codesOf, prepended, slice, standsAt } from './aligned.js'
import { type Characters, LETTER, NUMBER, NUMERIC, PUNCTUATION, SPACE, WORD } from './characters.js'
import { type Match, matchesOf } from './expressions.js'
import { metaToSpaces } from './normalize.js'

const BLANK = 0x20

/** A letter, a number, white space and something else, none of them ASCII. */
const [SOME_LETTER, SOME_NUMBER, SOME_BLANK, SOMETHING] = ['é', '²', '\u00a0', '£'] as const
/** To an expression that ignores case it is an s. */
const LONG_S = 0x17f

/** Linear in the text; not by ranges of a class, of which this JavaScript may know others. */
function classesOf(codes: readonly number[], characters: Characters): string {
  const parts: string[] = []
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!
    const flags = code < 0x80 ? 0 : characters.flags(code)
    if (code < 0x80 || code === LONG_S) parts.push(String.fromCharCode(code))
    else if (flags & LETTER) parts.push(SOME_LETTER)
    else if (flags & NUMBER) parts.push(SOME_NUMBER)
    else parts.push(flags & SPACE ? SOME_BLANK : SOMETHING)
  }
  return parts.join('')
}

// JavaScript's \s has control characters that the reference's lacks, and the other way round: 0x1c to 0x1f are in neither.
const gpt2 = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu
const cl100k = (numbers: string) =>
  new RegExp(
    `'(?:[sS\u017ftTmMdD]|[rRvV][eE]|[lL][lL])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
    'gu',
  )

function matches(text: Aligned, expression: RegExp, characters: Characters): Aligned[] {
  const words: Aligned[] = []
  for (const { index, 0: found } of classesOf(text.codes, characters).matchAll(expression))
    words.push(slice(text, index, index + found.length))
  return words
}

/** The words of a text. */
export function preTokenize(
  text: Aligned,
  stages: readonly PreTokenizerStage[],
  characters: Characters,
  host: Host,
): Aligned[] {
  return stages.reduce(
    (words, stage) =>
      words.flatMap(word => applyStage(word, stage, characters, host)).filter(({ codes }) => codes.length > 0),
    text.codes.length > 0 ? [text] : [],
  )
}

function applyStage(text: Aligned, stage: PreTokenizerStage, characters: Characters, host: Host): Aligned[] {
  switch (stage.kind) {
    case 'gpt2':
      return matches(text, gpt2, characters)
    case 'cl100k':
      return matches(text, cl100k(`\\p{N}${stage.numbers > 1 ? `{1,${stage.numbers}}` : ''}`), characters)
    case 'prefix space':
      return [text.codes[0] === BLANK ? text : prepended(text, [BLANK])]
    case 'metaspace':
      return metaspace(metaToSpaces(text), stage.prepend, stage.split)
    // Only where it changes nothing.
    case 'word starts':
      return [text]
    case 'words':
      return cutAtWordBorders(text, characters)
    case 'delimited':
      return cutAtDelimiters(
        text,
        stage,
        stage.delimiter === 'expression'
          ? piecesBetween(matchesOf(text.codes, host, stage.string), text.codes.length)
          : piecesOf(text.codes, stage, characters),
      )
  }
}

function metaspace(text: Aligned, prepend: 'never' | 'first' | 'always', split: boolean): Aligned[] {
  const wanted = prepend === 'always' || (prepend === 'first' && text.begins[0] === 0)
  const whole = wanted && text.codes[0] !== BLANK ? prepended(text, [BLANK]) : text
  if (!split) return [whole]
  const words: Aligned[] = []
  let from = 0
  for (let at = 1; at <= whole.codes.length; at++) {
    if (at < whole.codes.length && whole.codes[at] !== BLANK) continue
    words.push(slice(whole, from, at))
    from = at
  }
  return words
}

/** \w+|[^\w\s]+ */
function cutAtWordBorders(text: Aligned, characters: Characters): Aligned[] {
  const words: Aligned[] = []
  let [from, before] = [0, SPACE]
  const end = (at: number) => {
    if (before !== SPACE) words.push(slice(text, from, at))
  }
  for (const [at, code] of text.codes.entries()) {
    const flags = characters.flags(code)
    const kind = flags & WORD ? WORD : flags & SPACE
    if (kind === before) continue
    end(at)
    from = at
    before = kind
  }
  end(text.codes.length)
  return words
}

type Delimited = Extract<PreTokenizerStage, { kind: 'delimited' }>

/** A delimiter of a text or what lies between two: where it ends. */
interface Piece {
  readonly end: number
  readonly matched: boolean
}

function piecesOf(codes: readonly number[], { delimiter, string }: Delimited, characters: Characters): Piece[] {
  const wanted = codesOf(string)
  const flag = delimiter === 'blank' ? SPACE : delimiter === 'number' ? NUMERIC : PUNCTUATION
  const lengthAt = (at: number) => {
    if (delimiter === 'string') return standsAt(codes, at, wanted) ? wanted.length : 0
    return characters.flags(codes[at]!) & flag ? 1 : 0
  }
  const pieces: Piece[] = []
  let from = 0
  for (let at = 0; at < codes.length; ) {
    const length = lengthAt(at)
    if (length > 0) {
      if (at > from) pieces.push({ end: at, matched: false })
      from = at + length
      pieces.push({ end: from, matched: true })
    }
    at += Math.max(length, 1)
  }
  if (from < codes.length) pieces.push({ end: codes.length, matched: false })
  return pieces
}

/** The same of an expression. */
function piecesBetween(matches: readonly Match[], length: number): Piece[] {
  const pieces: Piece[] = []
  let at = 0
  for (const { first, last } of matches) {
    if (first > at) pieces.push({ end: first, matched: false })
    pieces.push({ end: last, matched: true })
    at = last
  }
  if (at < length) pieces.push({ end: length, matched: false })
  return pieces
}

function cutAtDelimiters(text: Aligned, stage: Delimited, pieces: readonly Piece[]): Aligned[] {
  const words: Aligned[] = []
  // The piece that the next one may be added to.
  let [held, heldEnd, from, after] = [0, 0, 0, false]
  const end = () => {
    if (heldEnd > held) words.push(slice(text, held, heldEnd))
  }
  for (const { end: to, matched } of pieces) {
    const isDelimiter = matched !== stage.inverted
    if (heldEnd > held && joins(stage.behavior, isDelimiter, after)) heldEnd = to
    else {
      end()
      held = from
      heldEnd = stage.behavior === 'Removed' && isDelimiter ? from : to
    }
    after = isDelimiter
    from = to
  }
  end()
  return words
}

function joins(behavior: Behavior, isDelimiter: boolean, after: boolean): boolean {
  if (behavior === 'MergedWithPrevious') return isDelimiter && !after
  if (behavior === 'MergedWithNext') return !isDelimiter && after
  return behavior === 'Contiguous' && isDelimiter === after
}
