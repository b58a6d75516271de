// The post-processor of tokenizer.json: which special tokens stand around a text, or around and between two.

import { componentsOf, parseComponent, unsupported } from './parse.js'
import * as v from './schema.js'

/** A piece of what is made of one text, or of two: a text's own ids, or special tokens. */
export type TemplatePiece =
  | { readonly kind: 'text'; readonly text: 'first' | 'second'; readonly type: number }
  | { readonly kind: 'special'; readonly name: string; readonly ids: readonly number[]; readonly type: number }

export interface Template {
  readonly single: readonly TemplatePiece[]
  readonly pair: readonly TemplatePiece[]
  /** White space at both ends of a token is no part of its place in the text; once for each processor that says so. */
  readonly trims?: readonly Trim[]
}

/** `prefixed`: one space at the beginning of a text was put there, and is not taken off. */
export interface Trim {
  readonly prefixed: boolean
}

export interface Named {
  readonly content: string
  readonly id: number
}

const special = (token: Named | undefined, type: number): TemplatePiece[] =>
  token ? [{ kind: 'special', name: token.content, ids: [token.id], type }] : []

/** BERT's: [CLS] first [SEP], and second [SEP] behind it; a special token that is not there is left out. */
export function bertTemplate(cls: Named | undefined, sep: Named | undefined): Template {
  const single: TemplatePiece[] = [...special(cls, 0), { kind: 'text', text: 'first', type: 0 }, ...special(sep, 0)]
  return { single, pair: [...single, { kind: 'text', text: 'second', type: 1 }, ...special(sep, 1)] }
}

/** RoBERTa's: <s> first </s>, and </s> second </s> behind it; all of one type. */
function robertaTemplate(cls: Named, sep: Named): Template {
  const single: TemplatePiece[] = [...special(cls, 0), { kind: 'text', text: 'first', type: 0 }, ...special(sep, 0)]
  return {
    single,
    pair: [...single, ...special(sep, 0), { kind: 'text', text: 'second', type: 0 }, ...special(sep, 0)],
  }
}

export const plainTemplate: Template = bertTemplate(undefined, undefined)

/** The special ids of a template, before and behind the first text. */
export function specialsAround(pieces: readonly TemplatePiece[]): { before: number[]; after: number[] } {
  const place = pieces.findIndex(piece => piece.kind === 'text')
  const ids = (from: readonly TemplatePiece[]) => from.flatMap(piece => (piece.kind === 'special' ? piece.ids : []))
  return { before: ids(pieces.slice(0, place)), after: ids(pieces.slice(place + 1)) }
}

const IdPair = v.tuple([v.string(), v.pipe(v.number(), v.integer(), v.minValue(0))])
const Around = v.looseObject({ sep: IdPair, cls: IdPair })
const Trimming = v.looseObject({
  trim_offsets: v.optional(v.boolean(), true),
  add_prefix_space: v.optional(v.boolean(), true),
})

const Piece = v.union(
  [
    v.strictObject({ Sequence: v.looseObject({ id: v.picklist(['A', 'B']), type_id: v.number() }) }),
    v.strictObject({ SpecialToken: v.looseObject({ id: v.string(), type_id: v.number() }) }),
  ],
  '{"Sequence": {"id": "A" or "B", "type_id"}} or {"SpecialToken": {"id", "type_id"}}',
)
const TemplateProcessing = v.looseObject({
  single: v.array(Piece),
  pair: v.array(Piece),
  special_tokens: v.record(v.looseObject({ ids: v.array(v.pipe(v.number(), v.integer(), v.minValue(0))) })),
})
type TemplateProcessing = v.Output<typeof TemplateProcessing>

const supported =
  'TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or a Sequence with one of the first three'

export function readTemplate(json: unknown, source: string): Template {
  const templates: Template[] = []
  const trims: Trim[] = []
  for (const { json: part, place } of componentsOf(json, 'processors', source, 'post_processor')) {
    if (part.type === 'TemplateProcessing') templates.push(readPieces(part, source, place))
    else if (part.type === 'BertProcessing' || part.type === 'RobertaProcessing') {
      const { cls, sep } = parseComponent(Around, part, source, place, ['trim_offsets', 'add_prefix_space'])
      const [before, behind] = [cls, sep].map(([content, id]) => ({ content, id }))
      templates.push(part.type === 'BertProcessing' ? bertTemplate(before, behind) : robertaTemplate(before!, behind!))
    } else if (part.type !== 'ByteLevel') throw unsupported(source, place, part.type, supported)
    if (part.type === 'ByteLevel' || part.type === 'RobertaProcessing') {
      const { trim_offsets, add_prefix_space: prefixed } = parseComponent(Trimming, part, source, place, [
        'sep',
        'cls',
        'use_regex',
      ])
      if (trim_offsets) trims.push({ prefixed })
    }
  }
  if (templates.length > 1)
    throw new Error(
      `${source}: post_processor adds special tokens ${templates.length} times; one template is supported`,
    )
  return { ...(templates[0] ?? plainTemplate), ...(trims.length > 0 && { trims }) }
}

function readPieces(json: unknown, source: string, place: string): Template {
  const { single, pair, special_tokens } = parseComponent(TemplateProcessing, json, source, place)
  const read = (pieces: TemplateProcessing['single'], texts: string, key: string): TemplatePiece[] => {
    const found = pieces.flatMap(piece => ('Sequence' in piece ? [piece.Sequence.id] : [])).sort()
    if (found.join() !== texts)
      throw new Error(`${source}: ${place}.${key} has the texts "${found.join()}", expected each of "${texts}" once`)
    return pieces.map(piece => {
      if ('Sequence' in piece)
        return { kind: 'text', text: piece.Sequence.id === 'A' ? 'first' : 'second', type: piece.Sequence.type_id }
      const { id: name, type_id: type } = piece.SpecialToken
      const token = Object.hasOwn(special_tokens, name) ? special_tokens[name] : undefined
      if (!token)
        throw new Error(`${source}: ${place}.${key} names ${JSON.stringify(name)}, which ${place}.special_tokens lacks`)
      return { kind: 'special', name, ids: token.ids, type }
    })
  }
  return { single: read(single, 'A', 'single'), pair: read(pair, 'A,B', 'pair') }
}

/** As tokenizer.json has it. `tokens`: by id. */
export function templateJson({ single, pair }: Template, tokens: readonly (string | undefined)[]): unknown {
  const write = (pieces: readonly TemplatePiece[]) =>
    pieces.map(piece =>
      piece.kind === 'text'
        ? { Sequence: { id: piece.text === 'first' ? 'A' : 'B', type_id: piece.type } }
        : { SpecialToken: { id: piece.name, type_id: piece.type } },
    )
  const named = pair.flatMap(piece => (piece.kind === 'special' ? [piece] : []))
  if (named.length === 0) return null
  return {
    type: 'TemplateProcessing',
    single: write(single),
    pair: write(pair),
    special_tokens: Object.fromEntries(
      named.map(({ name, ids }) => [name, { id: name, ids, tokens: ids.map(id => tokens[id]) }]),
    ),
  }
}
