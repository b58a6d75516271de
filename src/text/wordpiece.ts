// A WordPiece tokenizer as plain data: what tokenizer.json, or vocab.txt with tokenizer_config.json, says.

export interface AddedToken {
  readonly id: number
  readonly content: string
  /** Found only where no word character stands beside it. */
  readonly singleWord: boolean
  readonly leftStrip: boolean
  readonly rightStrip: boolean
  /** Looked for in the normalised text. */
  readonly normalized: boolean
  readonly special: boolean
}

/** A piece of what is made of one text, or of two: a text's own ids, or special tokens. */
export type TemplatePiece =
  | { readonly kind: 'text'; readonly text: 'first' | 'second'; readonly type: number }
  | { readonly kind: 'special'; readonly name: string; readonly ids: readonly number[]; readonly type: number }

export interface Template {
  readonly single: readonly TemplatePiece[]
  readonly pair: readonly TemplatePiece[]
}

export interface SpecialIds {
  readonly cls: number | undefined
  readonly sep: number | undefined
  readonly pad: number | undefined
  readonly unk: number | undefined
  readonly mask: number | undefined
}

export interface WordPiece {
  /** Tokens by id; a hole where no token has that id. */
  readonly vocabulary: readonly (string | undefined)[]
  readonly unknownToken: string
  /** Before a token that continues a word; not part of what it matches. */
  readonly continuingPrefix: string
  /** Longer words are unknown. */
  readonly maximumCharacters: number
  readonly cleanText: boolean
  readonly chineseCharacters: boolean
  /** null: as lowerCase says. */
  readonly stripAccents: boolean | null
  readonly lowerCase: boolean
  readonly added: readonly AddedToken[]
  readonly special: SpecialIds
  readonly template: Template
  /** undefined: tokens are joined by spaces. */
  readonly decoder: { readonly prefix: string; readonly cleanup: boolean } | undefined
}

/** BERT's: [CLS] first [SEP], and second [SEP] behind it; a special token that is not there is left out. */
export function bertTemplate(cls: Named | undefined, sep: Named | undefined): Template {
  const special = (token: Named | undefined, type: number): TemplatePiece[] =>
    token ? [{ kind: 'special', name: token.content, ids: [token.id], type }] : []
  const single: TemplatePiece[] = [...special(cls, 0), { kind: 'text', text: 'first', type: 0 }, ...special(sep, 0)]
  return { single, pair: [...single, { kind: 'text', text: 'second', type: 1 }, ...special(sep, 1)] }
}

export interface Named {
  readonly content: string
  readonly id: number
}

export const plainTemplate: Template = bertTemplate(undefined, undefined)

/** The special ids of a template, before and behind the first text. */
export function specialsAround(pieces: readonly TemplatePiece[]): { before: number[]; after: number[] } {
  const place = pieces.findIndex(piece => piece.kind === 'text')
  const ids = (from: readonly TemplatePiece[]) => from.flatMap(piece => (piece.kind === 'special' ? piece.ids : []))
  return { before: ids(pieces.slice(0, place)), after: ids(pieces.slice(place + 1)) }
}

/** Every token by id, added ones too. */
export function allTokens(wordpiece: WordPiece): (string | undefined)[] {
  const tokens = wordpiece.vocabulary.slice()
  for (const { id, content } of wordpiece.added) tokens[id] = content
  return tokens
}

export const MAXIMUM_ID = (1 << 23) - 1

/** Checks what no single file can tell; `source` begins the error messages. */
export function checkWordPiece(wordpiece: WordPiece, source: string): WordPiece {
  const { vocabulary, unknownToken, added } = wordpiece
  if (!vocabulary.includes(unknownToken)) {
    throw new Error(
      `${source}: the unknown token ${JSON.stringify(unknownToken)} is not in the vocabulary of ${vocabulary.length} entries; ` +
        'add it, or name the one that is there',
    )
  }
  if (
    !Number.isInteger(wordpiece.maximumCharacters) ||
    wordpiece.maximumCharacters < 1 ||
    wordpiece.maximumCharacters > 65535
  ) {
    throw new Error(
      `${source}: characters of a word are ${wordpiece.maximumCharacters} at most, expected an integer from 1 to 65535`,
    )
  }
  const ids = new Map<number, string>()
  for (const { id, content, normalized } of added) {
    const known = vocabulary[id] ?? ids.get(id)
    if (known !== undefined && known !== content) {
      throw new Error(
        `${source}: the added token ${JSON.stringify(content)} has id ${id}, which belongs to ${JSON.stringify(known)}`,
      )
    }
    if (normalized && content.trim() !== content) {
      throw new Error(
        `${source}: the added token ${JSON.stringify(content)} is normalized and begins or ends with white space: not supported`,
      )
    }
    ids.set(id, content)
  }
  return wordpiece
}
