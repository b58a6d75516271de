// The normalizer of a tokenizer, stage by stage, with the places of characters.

import type { Host } from '../host.js'
import { META } from '../host.js'
import type { NormalizerStage } from '../normalizers.js'
import {
  type Aligned,
  type Change,
  changed,
  codesOf,
  expanded,
  kept,
  mapped,
  newChange,
  prepended,
  put,
  slice,
  standsAt,
  stringOf,
} from './aligned.js'
import { ACCENT, CHINESE, type Characters, REMOVED, SPACE } from './characters.js'
import { matchesOf } from './expressions.js'
import { toForm } from './normal-forms.js'

const [BLANK, META_CODE] = [0x20, META.codePointAt(0)!]

/** Spaces for ▁, as the module's texts have them. */
export const metaToSpaces = (text: Aligned): Aligned => mapped(text, code => (code === META_CODE ? BLANK : code))

export function normalize(
  text: Aligned,
  stages: readonly NormalizerStage[],
  characters: Characters,
  host: Host,
): Aligned {
  return stages.reduce((now, stage) => (now.codes.length === 0 ? now : applyStage(now, stage, characters, host)), text)
}

function applyStage(text: Aligned, stage: NormalizerStage, characters: Characters, host: Host): Aligned {
  const is = (flag: number) => (code: number) => (characters.flags(code) & flag) !== 0
  switch (stage.kind) {
    case 'bert':
      return bert(text, stage, characters)
    case 'lowercase':
      return expanded(text, characters.lower)
    case 'strip accents':
      return kept(text, code => !is(ACCENT)(code))
    case 'form':
      return toForm(text, stage.form, characters)
    case 'nmt':
      return mapped(
        kept(text, code => !isDropped(code)),
        code => (isOddSpace(code) ? BLANK : code),
      )
    case 'strip':
      return strip(text, stage.left, stage.right, is(SPACE))
    case 'prepend':
      return prepended(text, codesOf(stage.text))
    case 'replace':
      return replace(text, codesOf(stage.what), codesOf(stage.by))
    case 'replace expression':
      return replaceExpression(text, stage.expression, codesOf(stage.by), host)
    case 'replace spaces':
      return replaceSpaces(text, codesOf(stage.by))
    case 'meta':
      return metaToSpaces(text)
    case 'precompiled':
      return precompiled(text, host)
  }
}

type Bert = Extract<NormalizerStage, { kind: 'bert' }>

function bert(text: Aligned, { cleanText, chineseCharacters, stripAccents, lowerCase }: Bert, characters: Characters) {
  const is = (code: number, flag: number) => (characters.flags(code) & flag) !== 0
  let now = text
  if (cleanText)
    now = mapped(
      kept(now, code => !is(code, REMOVED)),
      code => (is(code, SPACE) ? BLANK : code),
    )
  if (chineseCharacters) now = expanded(now, code => (is(code, CHINESE) ? [BLANK, code, BLANK] : [code]))
  if (stripAccents ?? lowerCase) now = kept(toForm(now, 'NFD', characters), code => !characters.isMark(code))
  return lowerCase ? expanded(now, characters.lower) : now
}

const isDropped = (code: number) =>
  code < 0x20
    ? (code >= 1 && code <= 8) || code === 0x0b || code >= 0x0e
    : code === 0x7f || code === 0x8f || code === 0x9f

const oddSpaces = new Set([
  ...[0x09, 0x0a, 0x0c, 0x0d, 0x1680, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029, 0x2581, 0xfeff, 0xfffd],
])
const isOddSpace = (code: number) => oddSpaces.has(code)

function strip(text: Aligned, left: boolean, right: boolean, isSpace: (code: number) => boolean): Aligned {
  let [first, last] = [0, text.codes.length]
  if (left) while (first < last && isSpace(text.codes[first]!)) first++
  if (right) while (last > first && isSpace(text.codes[last - 1]!)) last--
  return slice(text, first, last)
}

/** What replaces several characters comes from where the last of them did. */
function replaceMatches(text: Aligned, matchAt: (at: number) => number, by: readonly number[]): Aligned {
  const [codes, begins, ends]: [number[], number[], number[]] = [[], [], []]
  for (let at = 0; at < text.codes.length; ) {
    const length = matchAt(at)
    const last = at + Math.max(length, 1) - 1
    for (const code of length > 0 ? by : [text.codes[at]!]) {
      codes.push(code)
      begins.push(text.begins[last]!)
      ends.push(text.ends[last]!)
    }
    at = last + 1
  }
  return { codes, begins, ends }
}

const replace = (text: Aligned, what: readonly number[], by: readonly number[]) =>
  replaceMatches(text, at => (standsAt(text.codes, at, what) ? what.length : 0), by)

function replaceSpaces(text: Aligned, by: readonly number[]): Aligned {
  const spacesAt = (at: number) => {
    let end = at
    while (text.codes[end] === BLANK) end++
    return end - at > 1 ? end - at : 0
  }
  return replaceMatches(text, spacesAt, by)
}

function replaceExpression(text: Aligned, expression: string, by: readonly number[], host: Host): Aligned {
  const lengths = new Map(matchesOf(text.codes, host, expression).map(({ first, last }) => [first, last - first]))
  return replaceMatches(text, at => lengths.get(at) ?? 0, by)
}

/** A replacement longer than what it replaces ends with what is put in; a shorter one drops what is left behind its last character, or behind the one before. */
function putReplacement(change: Change, by: readonly number[], count: number): void {
  for (const [i, code] of by.entries()) put(change, code, i >= count ? 1 : 0)
  const last = change.kinds.length - 1
  if (by.length < count && last >= 0) change.kinds[last]! += by.length - count
}

/** SentencePiece's table: see assembly/text/precompiled.ts. */
function precompiled(text: Aligned, { module, memory }: Host): Aligned {
  const bytes = new TextEncoder().encode(stringOf(text.codes))
  const start = module.prepareNormalized(bytes.length) >>> 0
  if (!start) throw new Error(`a text of ${bytes.length} bytes needs more WebAssembly memory than is to be had`)
  const memoryBytes = new Uint8Array(memory.buffer)
  memoryBytes.set(bytes, start)
  const end = start + bytes.length
  const widthAt = (at: number) => {
    const byte = memoryBytes[at]!
    return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
  }
  const replacement = (from: number, to: number) => {
    const address = module.replacementOf(from, to) >>> 0
    return address
      ? codesOf(
          new TextDecoder('utf-8', { ignoreBOM: true }).decode(
            memoryBytes.subarray(address, memoryBytes.indexOf(0, address)),
          ),
        )
      : undefined
  }
  const change = newChange()
  let character = 0
  for (let at = start; at < end; ) {
    const next = module.clusterEnd(at, end) >>> 0
    let count = 0
    for (let p = at; p < next; p += widthAt(p)) count++
    const whole = next - at < 6 ? replacement(at, next) : undefined
    if (whole) putReplacement(change, whole, count)
    else
      for (let p = at, i = 0; p < next; p += widthAt(p), i++) {
        const single = replacement(p, p + widthAt(p))
        if (single) putReplacement(change, single, 1)
        else put(change, text.codes[character + i]!, 0)
      }
    character += count
    at = next
  }
  return changed(text, change)
}
