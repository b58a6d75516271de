// Writes what is known of every code point, as byte streams: assembly/text/unicode-data.ts (kinds of characters, case and
// accents; unpacked by unicode.ts) and assembly/text/normal-forms-data.ts (see unicode-forms.mjs). The facts come from this
// JavaScript engine's own \p{…}, normalize, toLowerCase and Intl.Segmenter; where the Hugging Face tokenizers library (0.23)
// knows an older Unicode, its answer counts, because the models were trained behind it: its categories and decompositions
// are about those of Unicode 8, its regular expressions know 16, its case mapping, numbers and grapheme clusters are today's. What differs is
// listed in unicode-lists.mjs. And src/text/expressions/categories-data.ts (see unicode-categories.mjs). Run by hand with `node scripts/unicode.mjs`; the output is committed, so that a build does
// not depend on the engine's Unicode.
import { writeCategories } from './unicode-categories.mjs'
import { classesOf, isCombining } from './unicode-classes.mjs'
import { writeForms } from './unicode-forms.mjs'
import {
  chinese,
  keptFormat,
  notAccent,
  notCombining,
  notDecomposed,
  notLetter,
  notMark,
  notNumber,
  notPunctuation,
  notWord,
  oldAccent,
  oldMark,
  oldPunctuation,
} from './unicode-lists.mjs'
import { createStream, writeStream } from './unicode-stream.mjs'

const UNICODE = '17.0'
if (process.versions.unicode !== UNICODE) {
  console.error(
    `this engine has Unicode ${process.versions.unicode}, expected ${UNICODE}: use another Node, or bring unicode-lists.mjs up to date`,
  )
  process.exit(1)
}

// Bits of a record's flags, read by assembly/text/unicode.ts.
const SPACE = 1
const REMOVED = 2
const PUNCTUATION = 4
const CHINESE = 8
const WORD = 16
const NUMERIC = 32
const ACCENT = 64
const LETTER = 128
const NUMBER = 256
const CLUSTER_SHIFT = 9
const ORDER_SHIFT = 13
// Dropped by strip_accents, but no obstacle to the canonical ordering of what stands around it.
const TRANSPARENT = 7

const hangulFirst = 0xac00
const hangulLast = 0xd7a3
const last = 0x10ffff

const isMark = (code, text) => oldMark.has(code) || (/^\p{Mn}$/u.test(text) && !notMark.has(code))

/** Spacing characters with a combining class, as numbers from 1 in the order of their classes. */
function combiningOrder() {
  const spacing = []
  for (let code = 0; code <= last; code++) {
    const text = String.fromCodePoint(code)
    if (
      /^\p{M}$/u.test(text) &&
      !isMark(code, text) &&
      !notMark.has(code) &&
      !notCombining.has(code) &&
      isCombining(text)
    )
      spacing.push(text)
  }
  const classes = classesOf(spacing)
  if (classes.length >= TRANSPARENT) throw new Error(`${classes.length} classes do not fit ${TRANSPARENT - 1} numbers`)
  return new Map(classes.flatMap((members, i) => members.map(text => [text, i + 1])))
}

const order = combiningOrder()

// Classes of grapheme clusters (UAX 29, tables 2 and 3); the numbers are those of assembly/text/graphemes.ts.
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })
const isOne = text => segmenter.segment(text).containing(0).segment.length === text.length
/** Whether the last two characters of a text are one cluster with what stands before them. */
const isJoined = text => segmenter.segment(text).containing(text.length - 1).segment.length > 2

function clusterClass(code, text) {
  if (code === 0x200d) return 3
  if (code >= hangulFirst && code <= hangulLast) return (code - hangulFirst) % 28 === 0 ? 9 : 10
  if (!isOne(`${text}\u0301`)) return 1
  if (isOne(`\u1100${text}\u11a8`) && !isOne(`a${text}`)) return 7
  if (isOne(`${text}\uac00`) && !isOne(`${text}a`)) return 6
  if (isOne(`\uac00${text}`) && !isOne(`a${text}`)) return 8
  if (/^\p{Regional_Indicator}$/u.test(text)) return 11
  if (isOne(`©\u200d${text}`) && !isOne(`a${text}`)) return 12
  if (isJoined(`©${text}\u200d©\u0301`)) {
    if (isJoined(`क${text}क\u0301`)) return 14
    return isJoined(`क\u094d${text}क\u0301`) ? 2 : 15
  }
  if (isOne(`a${text}`)) return 4
  if (isOne(`${text}a`)) return 5
  return isJoined(`${text}\u094dक\u0301`) ? 13 : 0
}

function flagsOf(code, text) {
  let flags = 0
  if (/^\p{White_Space}$/u.test(text)) flags |= SPACE
  const control = /^[\p{Cc}\p{Cf}\p{Co}\ufffd]$/u.test(text) && !keptFormat.has(code)
  if (control && !'\t\n\r'.includes(text)) flags |= REMOVED
  const punctuation = /^[\p{P}!-/:-@[-`{-~]$/u.test(text) && !notPunctuation.has(code)
  if (punctuation || oldPunctuation.has(code)) flags |= PUNCTUATION
  if (chinese.has(code)) flags |= CHINESE
  if (/^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u.test(text) && !notWord.has(code)) flags |= WORD
  if (/^\p{N}$/u.test(text)) flags |= NUMERIC
  if (oldAccent.has(code) || (/^\p{M}$/u.test(text) && !notAccent.has(code))) flags |= ACCENT
  if (/^\p{L}$/u.test(text) && !notLetter.has(code)) flags |= LETTER
  if (/^\p{N}$/u.test(text) && !notNumber.has(code)) flags |= NUMBER
  flags |= clusterClass(code, text) << CLUSTER_SHIFT
  const transparent = isMark(code, text) && isCombining(text)
  return flags | ((transparent ? TRANSPARENT : (order.get(text) ?? 0)) << ORDER_SHIFT)
}

function stripped(code, text) {
  // Hangul syllables are taken apart by arithmetic.
  if (notDecomposed.has(code) || (code >= hangulFirst && code <= hangulLast)) return text
  return [...text.normalize('NFD')].filter(char => !isMark(char.codePointAt(0), char)).join('')
}

// Each code point alone: no final sigma, as in the reference.
const lowered = text => [...text].map(char => char.toLowerCase()).join('')

const { bytes, put, putSigned } = createStream()

const sequences = new Map()
let sequenceCodes = 0

/** A mapping as one number: even, twice the distance to the only resulting code point; odd, the place of a sequence. */
function mapping(code, result) {
  const codes = [...result].map(char => char.codePointAt(0))
  if (codes.length === 1) return (codes[0] - code) * 2
  if (!sequences.has(result)) {
    sequences.set(result, { place: sequenceCodes, codes })
    sequenceCodes += 1 + codes.length
  }
  return sequences.get(result).place * 2 + 1
}

function recordOf(code) {
  // Surrogates cannot occur in UTF-8.
  if (code >= 0xd800 && code <= 0xdfff) return '0 0 0 0'
  const text = String.fromCodePoint(code)
  const strip = stripped(code, text)
  const results = [strip, lowered(text), lowered(strip)]
  // The buffers of assembly/text/index.ts rely on this.
  const size = new TextEncoder().encode(text).length
  for (const result of results) {
    if ([...result].length > size || new TextEncoder().encode(result).length > 3 * size)
      throw new Error(`${text} becomes ${result}: too long`)
  }
  return [flagsOf(code, text), ...results.map(result => mapping(code, result))].join(' ')
}

const records = new Map()
const runs = []
for (let code = 0; code <= last; code++) {
  const record = recordOf(code)
  if (!records.has(record)) records.set(record, records.size)
  const index = records.get(record)
  if (runs.length > 0 && runs.at(-1).index === index) runs.at(-1).length++
  else runs.push({ index, length: 1 })
}

put(records.size)
for (const record of records.keys()) {
  const [flags, ...mappings] = record.split(' ').map(Number)
  put(flags)
  mappings.forEach(putSigned)
}
put(sequences.size)
for (const { codes } of sequences.values()) {
  put(codes.length)
  codes.forEach(put)
}
for (const { index, length } of runs) {
  put(length)
  put(index)
}

writeStream('unicode', 'unicode.ts', UNICODE, { RECORDS: records.size, SEQUENCE_CODES: sequenceCodes }, bytes)
console.log(`${records.size} records, ${sequences.size} sequences, ${runs.length} runs`)
writeForms(UNICODE)
writeCategories(UNICODE)
