// The normalizer of tokenizer.json, as the stages that assembly/text/normalizers.ts runs.

import { type Host, META, place as put } from './host.js'
import { checkNoOptions, componentsOf, parseComponent, unsupported } from './parse.js'
import { type Precompiled, precompiledGrowth, putPrecompiled, readPrecompiled } from './precompiled.js'
import * as v from './schema.js'

const forms = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const

export type NormalizerStage =
  | {
      readonly kind: 'bert'
      readonly cleanText: boolean
      readonly chineseCharacters: boolean
      /** null: as lowerCase says. */
      readonly stripAccents: boolean | null
      readonly lowerCase: boolean
    }
  | { readonly kind: 'lowercase' | 'strip accents' | 'nmt' }
  | { readonly kind: 'form'; readonly form: (typeof forms)[number] }
  | { readonly kind: 'strip'; readonly left: boolean; readonly right: boolean }
  | { readonly kind: 'prepend'; readonly text: string }
  | { readonly kind: 'replace'; readonly what: string; readonly by: string }
  | { readonly kind: 'replace expression'; readonly expression: string; readonly by: string }
  /** Two spaces or more. */
  | { readonly kind: 'replace spaces'; readonly by: string }
  /** " " by ▁: the module's texts have spaces for both. */
  | { readonly kind: 'meta' }
  | Precompiled

const supported =
  'BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Replace, Prepend, Nmt, Precompiled or a Sequence of them'

const withoutOptions = ['Lowercase', 'StripAccents', 'Nmt']

const Bert = v.looseObject({
  clean_text: v.optional(v.boolean(), true),
  handle_chinese_chars: v.optional(v.boolean(), true),
  strip_accents: v.nullish(v.boolean(), null),
  lowercase: v.optional(v.boolean(), true),
})
const Strip = v.looseObject({ strip_left: v.optional(v.boolean(), true), strip_right: v.optional(v.boolean(), true) })
const Prepend = v.looseObject({ prepend: v.string() })
/** A pattern of Replace and Split. */
export const Pattern = v.union(
  [v.strictObject({ String: v.pipe(v.string(), v.nonEmpty()) }), v.strictObject({ Regex: v.string() })],
  'expected {"String": …} or {"Regex": …}',
)
const Replace = v.looseObject({ pattern: Pattern, content: v.string() })

export function readNormalizers(json: unknown, source: string): NormalizerStage[] {
  const stages: NormalizerStage[] = []
  for (const { json: part, place } of componentsOf(json, 'normalizers', source, 'normalizer')) {
    const stage = readStage(part, source, place)
    const behindMeta = stages.some(({ kind }) => kind === 'meta')
    if (behindMeta && stage.kind !== 'prepend' && stage.kind !== 'meta')
      throw new Error(`${source}: ${place} is ${part.type} behind Replace of " " by ${META}, which is not supported`)
    if (stage.kind === 'prepend' && behindMeta) stages.push({ ...stage, text: stage.text.replaceAll(META, ' ') })
    else stages.push(stage)
  }
  const cases = stages.filter(({ kind }) => kind === 'bert' || kind === 'lowercase')
  if (cases.some(({ kind }) => kind === 'bert') && cases.length > 1)
    throw new Error(`${source}: normalizer has BertNormalizer beside another or Lowercase, which is not supported`)
  return stages
}

function readStage(json: { type: string }, source: string, place: string): NormalizerStage {
  const form = forms.find(name => name === json.type)
  if (form || withoutOptions.includes(json.type)) checkNoOptions(json, source, place)
  if (form) return { kind: 'form', form }
  switch (json.type) {
    case 'BertNormalizer': {
      const { clean_text, handle_chinese_chars, strip_accents, lowercase } = parseComponent(Bert, json, source, place)
      return {
        kind: 'bert',
        cleanText: clean_text,
        chineseCharacters: handle_chinese_chars,
        stripAccents: strip_accents,
        lowerCase: lowercase,
      }
    }
    case 'Lowercase':
      return { kind: 'lowercase' }
    case 'StripAccents':
      return { kind: 'strip accents' }
    case 'Nmt':
      return { kind: 'nmt' }
    case 'Strip': {
      const { strip_left: left, strip_right: right } = parseComponent(Strip, json, source, place)
      return { kind: 'strip', left, right }
    }
    case 'Prepend': {
      const { prepend: text } = parseComponent(Prepend, json, source, place)
      if (encoder.encode(text).length > LONGEST_PREPEND)
        throw new Error(`${source}: ${place}.prepend has over ${LONGEST_PREPEND} bytes, which is not supported`)
      return { kind: 'prepend', text }
    }
    case 'Replace':
      return readReplace(json, source, place)
    case 'Precompiled':
      return readPrecompiled(json, place, source)
    default:
      throw unsupported(source, place, json.type, supported)
  }
}

const encoder = new TextEncoder()
const LONGEST_PREPEND = 48

function readReplace(json: unknown, source: string, place: string): NormalizerStage {
  const { pattern, content: by } = parseComponent(Replace, json, source, place)
  if ('Regex' in pattern) {
    if (pattern.Regex === ' {2,}') return { kind: 'replace spaces', by }
    return { kind: 'replace expression', expression: pattern.Regex, by }
  }
  return pattern.String === ' ' && by === META ? { kind: 'meta' } : { kind: 'replace', what: pattern.String, by }
}

/** How much longer a text becomes: its bytes times `text`, plus `more`; and its ids at most, for each byte. */
export function growthOf(stages: readonly NormalizerStage[]): { text: number; ids: number; more: number } {
  let [text, prefix, more] = [1, 0, 0]
  let copies = false
  const size = (string: string) => encoder.encode(string).length
  for (const stage of stages) {
    if (stage.kind === 'prepend') {
      prefix = Math.max(prefix, stage.text === META ? 1 : size(stage.text))
      more += size(stage.text)
    } else if (stage.kind !== 'strip' && stage.kind !== 'meta') copies = true
    if (stage.kind === 'bert' || stage.kind === 'lowercase') text *= 3
    if (stage.kind === 'form') text *= stage.form.startsWith('NFK') ? 11 : 3
    if (stage.kind === 'replace') text *= Math.max(1, Math.ceil(size(stage.by) / size(stage.what)))
    // What an expression matches has a byte at least.
    if (stage.kind === 'replace expression') text *= Math.max(1, size(stage.by))
    if (stage.kind === 'replace spaces') text *= Math.max(1, Math.ceil(size(stage.by) / 2))
    if (stage.kind === 'precompiled') text *= precompiledGrowth(stage)
  }
  return { text: copies ? text : 0, ids: text * (1 + prefix), more }
}

// The numbers of assembly/text/normalizers.ts.
const numbers = {
  bert: 0,
  lowercase: 1,
  strip: 2,
  prepend: 3,
  replace: 4,
  'replace spaces': 5,
  meta: 6,
  form: 7,
  'strip accents': 8,
  nmt: 9,
  precompiled: 10,
  'replace expression': 11,
} as const satisfies Record<NormalizerStage['kind'], number>

export function putNormalizers(host: Host, stages: readonly NormalizerStage[], source: string): void {
  const string = (text: string) => {
    const bytes = encoder.encode(text)
    return [put(host, bytes, `${source}: the normalizer`), bytes.length] as const
  }
  const argumentsOf = (stage: NormalizerStage): readonly number[] => {
    if (stage.kind === 'strip') return [Number(stage.left), Number(stage.right)]
    if (stage.kind === 'prepend') return string(stage.text)
    if (stage.kind === 'replace') return [...string(stage.what), ...string(stage.by)]
    if (stage.kind === 'replace expression') return [host.expressions.get(stage.expression)!, 0, ...string(stage.by)]
    if (stage.kind === 'replace spaces') return [0, 0, ...string(stage.by)]
    return stage.kind === 'form' ? [forms.indexOf(stage.form)] : []
  }
  for (const stage of stages) {
    if (stage.kind === 'precompiled') putPrecompiled(host, stage, source)
    if (stage.kind === 'form' && !host.module.setUpForms()) throw new Error(`${source}: no memory for ${stage.form}`)
    const [a = 0, b = 0, c = 0, d = 0] = argumentsOf(stage)
    if (!host.module.addNormalizer(numbers[stage.kind], a, b, c, d))
      throw new Error(`${source}: normalizer has ${stages.length} stages, at most 16 are supported`)
  }
}
