// Ids back to text, as the decoders of tokenizer.json do it: from stage to stage a list of texts, at last joined. What
// the normaliser took away stays lost.

import { alphabetBytes, META } from './host.js'
import { Pattern } from './normalizers.js'
import { checkNoOptions, componentsOf, parseComponent, unsupported } from './parse.js'
import * as v from './schema.js'

export type DecoderStage =
  | { readonly kind: 'wordpiece'; readonly prefix: string; readonly cleanup: boolean }
  | { readonly kind: 'bytes' | 'byte fallback' | 'fuse' }
  | { readonly kind: 'metaspace'; readonly drop: boolean }
  | { readonly kind: 'suffix'; readonly suffix: string }
  | { readonly kind: 'strip'; readonly content: string; readonly start: number; readonly stop: number }
  | { readonly kind: 'replace'; readonly what: string; readonly by: string }

const supported =
  'WordPiece, ByteLevel, Metaspace, BPEDecoder, ByteFallback, Fuse, Strip, Replace or a Sequence of them'

const WordPiece = v.looseObject({ prefix: v.optional(v.string(), '##'), cleanup: v.optional(v.boolean(), true) })
const Metaspace = v.looseObject({
  replacement: v.optional(v.string(), META),
  add_prefix_space: v.nullish(v.boolean()),
  prepend_scheme: v.nullish(v.string()),
})
const count = v.pipe(v.number(), v.integer(), v.minValue(0))
const Strip = v.looseObject({ content: v.string(), start: count, stop: count })
const Replace = v.looseObject({ pattern: Pattern, content: v.string() })

export function readDecoders(json: unknown, source: string): DecoderStage[] {
  const parts = componentsOf(json, 'decoders', source, 'decoder')
  // A sequence of none joins tokens without spaces between them.
  if (parts.length === 0 && json !== null && json !== undefined) return [{ kind: 'fuse' }]
  return parts.map(({ json: part, place }) => readStage(part, source, place))
}

function readStage(json: { type: string }, source: string, place: string): DecoderStage {
  switch (json.type) {
    case 'WordPiece':
      return { kind: 'wordpiece', ...pick(parseComponent(WordPiece, json, source, place)) }
    case 'ByteLevel':
      parseComponent(v.looseObject({}), json, source, place, ['add_prefix_space', 'trim_offsets', 'use_regex'])
      return { kind: 'bytes' }
    case 'ByteFallback':
      checkNoOptions(json, source, place)
      return { kind: 'byte fallback' }
    case 'Fuse':
      checkNoOptions(json, source, place)
      return { kind: 'fuse' }
    case 'Metaspace': {
      const { replacement, add_prefix_space, prepend_scheme } = parseComponent(Metaspace, json, source, place, [
        'split',
        'str_rep',
      ])
      if (replacement !== META)
        throw new Error(
          `${source}: ${place}.replacement is ${JSON.stringify(replacement)}, only "${META}" is supported`,
        )
      return { kind: 'metaspace', drop: add_prefix_space !== false && prepend_scheme !== 'never' }
    }
    case 'BPEDecoder': {
      const { suffix } = parseComponent(v.looseObject({ suffix: v.optional(v.string(), '</w>') }), json, source, place)
      return { kind: 'suffix', suffix }
    }
    case 'Strip': {
      const { content, start, stop } = parseComponent(Strip, json, source, place)
      return { kind: 'strip', content, start, stop }
    }
    case 'Replace': {
      const { pattern, content: by } = parseComponent(Replace, json, source, place)
      if ('Regex' in pattern)
        throw new Error(
          `${source}: ${place} is Replace with the expression ${JSON.stringify(pattern.Regex)}, not supported`,
        )
      return { kind: 'replace', what: pattern.String, by }
    }
    default:
      throw unsupported(source, place, json.type, supported)
  }
}

const pick = ({ prefix, cleanup }: { prefix: string; cleanup: boolean }) => ({ prefix, cleanup })

/** Without decoders, tokens are joined by spaces. */
export function decodeTokens(tokens: readonly string[], stages: readonly DecoderStage[]): string {
  if (stages.length === 0) return tokens.join(' ')
  return stages.reduce(applyStage, tokens).join('')
}

function applyStage(tokens: readonly string[], stage: DecoderStage): readonly string[] {
  switch (stage.kind) {
    case 'wordpiece':
      return tokens.map((token, i) => wordPiece(token, i, stage.prefix, stage.cleanup))
    case 'bytes':
      return [fromAlphabet(tokens)]
    case 'byte fallback':
      return fromFallback(tokens)
    case 'fuse':
      return [tokens.join('')]
    case 'metaspace':
      return tokens.map((token, i) => token.replaceAll(META, stage.drop && i === 0 ? '' : ' '))
    case 'suffix':
      return tokens.map((token, i) => token.replaceAll(stage.suffix, i === tokens.length - 1 ? '' : ' '))
    case 'strip':
      return tokens.map(token => strip(token, stage.content, stage.start, stage.stop))
    case 'replace':
      return tokens.map(token => token.replaceAll(stage.what, () => stage.by))
  }
}

const CLEANUPS: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [' do not', " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
]

const clean = (text: string) => CLEANUPS.reduce((cleaned, [from, to]) => cleaned.replaceAll(from, to), text)

/** Continuations are joined; spaces before punctuation and English contractions go, token by token. */
function wordPiece(token: string, i: number, prefix: string, cleanup: boolean): string {
  const text = i === 0 ? token : token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`
  return cleanup ? clean(text) : text
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const strictDecoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let end = 0
  for (const part of parts) {
    bytes.set(part, end)
    end += part.length
  }
  return bytes
}

/** A token with a character outside of the byte alphabet stands for its own text. */
const fromAlphabet = (tokens: readonly string[]): string =>
  decoder.decode(joinBytes(tokens.map(token => alphabetBytes(token) ?? encoder.encode(token))))

/** Runs of <0x…> become the text that they spell, or a U+FFFD for each where they spell none. */
function fromFallback(tokens: readonly string[]): string[] {
  const texts: string[] = []
  let bytes: number[] = []
  const flush = () => {
    if (bytes.length === 0) return
    try {
      texts.push(strictDecoder.decode(Uint8Array.from(bytes)))
    } catch {
      texts.push(...bytes.map(() => '\ufffd'))
    }
    bytes = []
  }
  for (const token of tokens) {
    const [, digits] = /^<0x([0-9A-Fa-f]{2})>$/.exec(token) ?? []
    if (digits) bytes.push(Number.parseInt(digits, 16))
    else {
      flush()
      texts.push(token)
    }
  }
  flush()
  return texts
}

function strip(text: string, content: string, start: number, stop: number): string {
  const characters = [...text]
  let [from, to] = [0, characters.length]
  while (from < to && from < start && characters[from] === content) from++
  while (to > from && characters.length - to < stop && characters[to - 1] === content) to--
  return characters.slice(from, to).join('')
}
