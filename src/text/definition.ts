// A tokenizer as plain data: what tokenizer.json, or the older files, say.
import type { Bpe } from './bpe.js'
import type { DecoderStage } from './decode.js'
import type { TextForm } from './host.js'
import type { NormalizerStage } from './normalizers.js'
import type { PreTokenizerStage } from './pre-tokenizers.js'
import type { Template } from './template.js'
import type { Unigram } from './unigram.js'
import type { WordLevel } from './word-level.js'
import type { WordPiece } from './wordpiece.js'

export interface AddedToken {
  readonly id: number
  readonly content: string
  /** Found only where no word character stands beside it. */
  readonly singleWord: boolean
  /** Takes the white space before it, or behind it, with it. */
  readonly leftStrip: boolean
  readonly rightStrip: boolean
  /** Looked for in the normalised text. */
  readonly normalized: boolean
  readonly special: boolean
}

/** The ids of special tokens, where the tokenizer has them. */
export interface SpecialIds {
  readonly cls: number | undefined
  readonly sep: number | undefined
  readonly pad: number | undefined
  readonly unk: number | undefined
  readonly mask: number | undefined
}

export type Model = WordPiece | Bpe | Unigram | WordLevel

export interface Definition {
  readonly normalizers: readonly NormalizerStage[]
  readonly preTokenizers: readonly PreTokenizerStage[]
  readonly form: TextForm
  readonly model: Model
  readonly added: readonly AddedToken[]
  readonly special: SpecialIds
  readonly template: Template
  /** None: tokens are joined by spaces. */
  readonly decoders: readonly DecoderStage[]
}

export const MAXIMUM_ID = (1 << 23) - 1

/** Every token by id, added ones too; a hole where no token has that id. */
export function allTokens({ model, added }: Pick<Definition, 'model' | 'added'>): (string | undefined)[] {
  const tokens = model.vocabulary.slice()
  for (const { id, content } of added) tokens[id] = content
  return Array.from(tokens)
}

/** Checks what no single part can tell; `source` begins the error messages. */
export function checkAdded(definition: Definition, source: string): void {
  const { vocabulary } = definition.model
  const ids = new Map<number, string>()
  for (const { id, content } of definition.added) {
    const known = vocabulary[id] ?? ids.get(id)
    if (known !== undefined && known !== content) {
      throw new Error(
        `${source}: the added token ${JSON.stringify(content)} has id ${id}, which belongs to ${JSON.stringify(known)}`,
      )
    }
    ids.set(id, content)
  }
}
