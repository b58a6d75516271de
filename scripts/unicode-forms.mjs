// Writes assembly/text/normal-forms-data.ts: combining classes (as numbers from 1 in their order, which is all that counts)
// and full decompositions, canonical and compatible, without Hangul syllables (those are arithmetic). See unicode.mjs
// for where they come from.
import { classesOf, isCombining } from './unicode-classes.mjs'
import { notCombining, notCompatible, notDecomposed } from './unicode-lists.mjs'
import { createStream, writeStream } from './unicode-stream.mjs'

const isHangul = code => code >= 0xac00 && code <= 0xd7a3

const characters = []
for (let code = 0; code <= 0x10ffff; code++)
  if ((code < 0xd800 || code > 0xdfff) && !isHangul(code)) characters.push(String.fromCodePoint(code))

const codesOf = text => [...text].map(char => char.codePointAt(0))

/** Runs of one class: distance from the last run, length, class. */
function putClasses(put) {
  const marks = characters.filter(
    text =>
      /\p{M}/u.test(text) &&
      text.normalize('NFD') === text &&
      isCombining(text) &&
      !notCombining.has(text.codePointAt(0)),
  )
  const classes = new Map(classesOf(marks).flatMap((members, i) => members.map(text => [text.codePointAt(0), i + 1])))
  const runs = []
  for (const [code, number] of [...classes].sort(([a], [b]) => a - b)) {
    const run = runs.at(-1)
    if (run && run.end === code && run.number === number) run.end++
    else runs.push({ start: code, end: code + 1, number })
  }
  put(runs.length)
  let place = 0
  for (const { start, end, number } of runs) {
    put(start - place)
    put(end - start)
    put(number)
    place = end
  }
  return [...classes.keys()]
}

/** Entries: distance from the last one, length (canonical ones: doubled, odd where it composes again), code points. */
function putDecompositions({ put, putSigned }, entries, canonical) {
  put(entries.length)
  const before = []
  let place = 0
  for (const { text, codes } of entries) {
    const code = text.codePointAt(0)
    put(code - place)
    put(canonical ? codes.length * 2 + (text.normalize('NFC') === text ? 1 : 0) : codes.length)
    // Next to each other they differ little, place by place; within one of them, code by code.
    for (const [i, target] of codes.entries())
      putSigned(target - (canonical || i === 0 ? (before[i] ?? 0) : codes[i - 1]))
    for (const [i, target] of codes.entries()) before[i] = target
    place = code
  }
  return entries.reduce((sum, { codes }) => sum + 1 + codes.length, 0)
}

export function writeForms(unicode) {
  const stream = createStream()
  const marks = putClasses(stream.put)
  const canonical = characters
    .filter(text => text.normalize('NFD') !== text && !notDecomposed.has(text.codePointAt(0)))
    .map(text => ({ text, codes: codesOf(text.normalize('NFD')) }))
  const compatible = characters
    .filter(text => text.normalize('NFKD') !== text.normalize('NFD') && !notCompatible.has(text.codePointAt(0)))
    .map(text => ({ text, codes: codesOf(text.normalize('NFKD')) }))
  const codes = putDecompositions(stream, canonical, true) + putDecompositions(stream, compatible, false)
  const composed = canonical.filter(({ text, codes }) => codes.length > 1 && text.normalize('NFC') === text)
  const own = [...canonical, ...compatible].map(({ text }) => text.codePointAt(0))
  // Each of them, and each last code point of a pair, has a record; one is shared by all others, one by Hangul syllables,
  // one by Hangul vowels and trailing consonants.
  const records = new Set([...marks, ...own, ...composed.map(({ codes }) => codes.at(-1))]).size + 3
  const constants = {
    FORMS_END: Math.max(...own) + 1,
    FORM_RECORDS: records,
    FORM_CODES: codes,
  }
  writeStream('normal-forms', 'normal-forms.ts', unicode, constants, stream.bytes)
  console.log(`${canonical.length} canonical and ${compatible.length} compatible decompositions`)
}
