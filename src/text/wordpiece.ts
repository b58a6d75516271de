// The model "WordPiece" of tokenizer.json.

import type { Lists } from './large-json.js'
import { parseComponent } from './parse.js'
import * as v from './schema.js'
import { readVocabulary, Vocabulary } from './vocabulary-json.js'

export interface WordPiece {
  readonly kind: 'wordpiece'
  /** Tokens by id; a hole where no token has that id. */
  readonly vocabulary: readonly (string | undefined)[]
  readonly unknown: number
  /** Before a token that continues a word; not part of what it matches. */
  readonly continuingPrefix: string
  /** Longer words are unknown. */
  readonly maximumCharacters: number
}

const Schema = v.looseObject({
  unk_token: v.optional(v.string(), '[UNK]'),
  continuing_subword_prefix: v.optional(v.string(), '##'),
  max_input_chars_per_word: v.optional(v.number(), 100),
  vocab: Vocabulary,
})

export function readWordPiece(json: unknown, source: string, lists?: Lists): WordPiece {
  const model = parseComponent(Schema, json, source, 'model')
  const vocabulary = lists?.vocabulary ?? readVocabulary(model.vocab, source)
  const maximumCharacters = model.max_input_chars_per_word
  if (!Number.isInteger(maximumCharacters) || maximumCharacters < 1 || maximumCharacters > 65535)
    throw new Error(
      `${source}: characters of a word are ${maximumCharacters} at most, expected an integer from 1 to 65535`,
    )
  return {
    kind: 'wordpiece',
    vocabulary,
    unknown: unknownId(vocabulary, model.unk_token, source),
    continuingPrefix: model.continuing_subword_prefix,
    maximumCharacters,
  }
}

/** The id of the token that stands for unknown words. */
export function unknownId(vocabulary: readonly (string | undefined)[], token: string, source: string): number {
  const id = vocabulary.indexOf(token)
  if (id >= 0) return id
  throw new Error(
    `${source}: the unknown token ${JSON.stringify(token)} is not in the vocabulary of ${vocabulary.length} entries; ` +
      'add it, or name the one that is there',
  )
}
