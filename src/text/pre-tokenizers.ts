// The pre-tokenizer of tokenizer.json, as the stages that assembly/text/pretokenize.ts runs. The regular expressions
// that most byte-level tokenizers have are recognised by their text: each is a scanner there; others are programs (expressions/).

import { type Host, META, place as put, type TextForm } from './host.js'
import { Pattern } from './normalizers.js'
import { checkNoOptions, componentsOf, parseComponent, unsupported } from './parse.js'
import * as v from './schema.js'

const behaviors = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const
export type Behavior = (typeof behaviors)[number]
const delimiters = ['string', 'blank', 'number', 'punctuation', 'expression'] as const
const prepends = ['never', 'first', 'always'] as const

export type PreTokenizerStage =
  | { readonly kind: 'gpt2' | 'prefix space' | 'words' }
  /** `numbers`: how many stand together at most. */
  | { readonly kind: 'cl100k'; readonly numbers: number }
  | { readonly kind: 'metaspace'; readonly prepend: (typeof prepends)[number]; readonly split: boolean }
  /** Before each space that no merge reaches over. */
  | { readonly kind: 'word starts' }
  | {
      readonly kind: 'delimited'
      readonly delimiter: (typeof delimiters)[number]
      /** A string or an expression. */
      readonly string: string
      readonly behavior: Behavior
      readonly inverted: boolean
    }

const contractions = "'s|'t|'re|'ve|'m|'ll|'d"
const cl100k = (numbers: string) =>
  `(?i:${contractions})|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`

const expressions: Readonly<Record<string, PreTokenizerStage>> = {
  [`${contractions}| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+`]: { kind: 'gpt2' },
  [cl100k('\\p{N}')]: { kind: 'cl100k', numbers: 1 },
  [cl100k('\\p{N}{1,3}')]: { kind: 'cl100k', numbers: 3 },
}

const supported =
  'BertPreTokenizer, ByteLevel, Whitespace, WhitespaceSplit, Punctuation, Digits, Metaspace, Split, CharDelimiterSplit or a Sequence of them'

const withoutOptions = ['BertPreTokenizer', 'WhitespaceSplit', 'Whitespace']

const ByteLevel = v.looseObject({
  add_prefix_space: v.optional(v.boolean(), true),
  use_regex: v.optional(v.boolean(), true),
})
const Metaspace = v.looseObject({
  replacement: v.optional(v.string(), META),
  add_prefix_space: v.nullish(v.boolean()),
  prepend_scheme: v.nullish(v.picklist(prepends)),
  split: v.nullish(v.boolean(), true),
})
const Split = v.looseObject({
  pattern: Pattern,
  behavior: v.picklist(behaviors),
  invert: v.optional(v.boolean(), false),
})

const delimited = (delimiter: (typeof delimiters)[number], behavior: Behavior): PreTokenizerStage => ({
  kind: 'delimited',
  delimiter,
  string: '',
  behavior,
  inverted: false,
})

/** `form`: what the normalizer makes of texts; returned with what the pre-tokenizer makes of them. */
export function readPreTokenizers(
  json: unknown,
  form: TextForm,
  source: string,
): { stages: PreTokenizerStage[]; form: TextForm } {
  const stages: PreTokenizerStage[] = []
  let now = form
  for (const { json: part, place } of componentsOf(json, 'pretokenizers', source, 'pre_tokenizer')) {
    const fits = now === 'utf8' || (now === 'meta' && (part.type === 'Metaspace' || part.type === 'Split'))
    if (!fits)
      throw new Error(
        `${source}: ${place} is ${part.type} behind ${now === 'bytes' ? 'ByteLevel' : `what makes ${META} of spaces`}, which is not supported`,
      )
    stages.push(...readStages(part, now, source, place))
    if (part.type === 'ByteLevel') now = 'bytes'
    if (part.type === 'Metaspace') now = 'meta'
  }
  return { stages, form: now }
}

function readStages(json: { type: string }, form: TextForm, source: string, place: string): PreTokenizerStage[] {
  if (withoutOptions.includes(json.type)) checkNoOptions(json, source, place)
  switch (json.type) {
    case 'BertPreTokenizer':
      return [delimited('blank', 'Removed'), delimited('punctuation', 'Isolated')]
    case 'WhitespaceSplit':
      return [delimited('blank', 'Removed')]
    case 'Whitespace':
      return [{ kind: 'words' }]
    case 'Punctuation': {
      const { behavior } = parseComponent(
        v.looseObject({ behavior: v.optional(v.picklist(behaviors), 'Isolated') }),
        json,
        source,
        place,
      )
      return [delimited('punctuation', behavior)]
    }
    case 'Digits': {
      const { individual_digits } = parseComponent(
        v.looseObject({ individual_digits: v.optional(v.boolean(), false) }),
        json,
        source,
        place,
      )
      return [delimited('number', individual_digits ? 'Isolated' : 'Contiguous')]
    }
    case 'CharDelimiterSplit': {
      const { delimiter } = parseComponent(
        v.looseObject({ delimiter: v.pipe(v.string(), v.nonEmpty()) }),
        json,
        source,
        place,
      )
      return [{ kind: 'delimited', delimiter: 'string', string: delimiter, behavior: 'Removed', inverted: false }]
    }
    case 'ByteLevel': {
      const { add_prefix_space, use_regex } = parseComponent(ByteLevel, json, source, place, ['trim_offsets'])
      return [
        ...(add_prefix_space ? [{ kind: 'prefix space' } as const] : []),
        ...(use_regex ? [{ kind: 'gpt2' } as const] : []),
      ]
    }
    case 'Metaspace':
      return [readMetaspace(json, source, place)]
    case 'Split':
      return readSplit(json, form, source, place)
    default:
      throw unsupported(source, place, json.type, supported)
  }
}

function readMetaspace(json: unknown, source: string, place: string): PreTokenizerStage {
  const { replacement, add_prefix_space, prepend_scheme, split } = parseComponent(Metaspace, json, source, place, [
    'str_rep',
  ])
  if (replacement !== META)
    throw new Error(`${source}: ${place}.replacement is ${JSON.stringify(replacement)}, only "${META}" is supported`)
  return {
    kind: 'metaspace',
    prepend: add_prefix_space === false ? 'never' : (prepend_scheme ?? 'always'),
    split: split ?? true,
  }
}

function readSplit(json: unknown, form: TextForm, source: string, place: string): PreTokenizerStage[] {
  const { pattern, behavior, invert } = parseComponent(Split, json, source, place)
  if ('String' in pattern) {
    // Texts have no space any more where they stand for ▁.
    if (form === 'meta' && pattern.String.includes(' ')) {
      if (behavior !== 'Removed' || !invert) return []
      throw new Error(`${source}: ${place} removes all but spaces, behind what makes ${META} of them`)
    }
    const string = form === 'meta' ? pattern.String.replaceAll(META, ' ') : pattern.String
    return [{ kind: 'delimited', delimiter: 'string', string, behavior, inverted: invert }]
  }
  const stage = Object.hasOwn(expressions, pattern.Regex) ? expressions[pattern.Regex] : undefined
  if (form === 'meta')
    throw new Error(
      `${source}: ${place} is Split with the expression ${JSON.stringify(pattern.Regex)} behind what makes ${META} of spaces, which is not supported`,
    )
  // The expressions match all text: to keep every match, and to drop what lies between them, is the same.
  if (stage && behavior === (invert ? 'Removed' : 'Isolated')) return [stage]
  return [{ kind: 'delimited', delimiter: 'expression', string: pattern.Regex, behavior, inverted: invert }]
}

// The numbers of assembly/text/pretokenize.ts.
const numbers = {
  gpt2: 0,
  cl100k: 1,
  'prefix space': 2,
  metaspace: 3,
  'word starts': 4,
  words: 5,
  delimited: 6,
} as const satisfies Record<PreTokenizerStage['kind'], number>

export function putPreTokenizers(host: Host, stages: readonly PreTokenizerStage[], source: string): void {
  const argumentsOf = (stage: PreTokenizerStage): readonly number[] => {
    if (stage.kind === 'cl100k') return [stage.numbers]
    if (stage.kind === 'metaspace') return [prepends.indexOf(stage.prepend), Number(stage.split)]
    if (stage.kind !== 'delimited') return []
    const string = new TextEncoder().encode(stage.delimiter === 'expression' ? '' : stage.string)
    const address =
      host.expressions.get(stage.string) ?? (string.length > 0 ? put(host, string, `${source}: the pre-tokenizer`) : 0)
    const behavior = behaviors.indexOf(stage.behavior) + (stage.inverted ? 8 : 0)
    return [delimiters.indexOf(stage.delimiter), behavior, address, string.length]
  }
  for (const stage of stages) {
    const [a = 0, b = 0, c = 0, d = 0] = argumentsOf(stage)
    if (!host.module.addPreTokenizer(numbers[stage.kind], a, b, c, d))
      throw new Error(`${source}: pre_tokenizer has ${stages.length} stages, at most 16 are supported`)
  }
}

/** Whether what stands before and behind a space between two ASCII letters always ends up in different words. */
export const cutsAtSpaces = (stages: readonly PreTokenizerStage[]): boolean =>
  stages.some(
    stage =>
      stage.kind === 'gpt2' ||
      stage.kind === 'cl100k' ||
      stage.kind === 'words' ||
      stage.kind === 'word starts' ||
      (stage.kind === 'metaspace' && stage.split) ||
      (stage.kind === 'delimited' && stage.delimiter === 'blank' && stage.behavior === 'Removed' && !stage.inverted),
  ) &&
  !stages.some(
    stage =>
      stage.kind === 'delimited' &&
      (stage.delimiter === 'string'
        ? /\s/.test(stage.string)
        : stage.delimiter === 'expression' ||
          (stage.delimiter === 'blank' && (stage.behavior !== 'Removed' || stage.inverted))),
  )
