// The model "WordLevel" of tokenizer.json: every word a token, or unknown.

import type { Lists } from './large-json.js'
import { parseComponent } from './parse.js'
import * as v from './schema.js'
import { readVocabulary, Vocabulary } from './vocabulary-json.js'
import { unknownId } from './wordpiece.js'

export interface WordLevel {
  readonly kind: 'wordlevel'
  readonly vocabulary: readonly (string | undefined)[]
  readonly unknown: number
}

const Schema = v.looseObject({ unk_token: v.optional(v.string(), '<unk>'), vocab: Vocabulary })

export function readWordLevel(json: unknown, source: string, lists?: Lists): WordLevel {
  const { unk_token, vocab } = parseComponent(Schema, json, source, 'model')
  const vocabulary = lists?.vocabulary ?? readVocabulary(vocab, source)
  return { kind: 'wordlevel', vocabulary, unknown: unknownId(vocabulary, unk_token, source) }
}
