// Vocabularies as tokenizer.json and vocab.json have them: ids by token.

import { MAXIMUM_ID } from './definition.js'
import * as v from './schema.js'

export const Vocabulary = v.custom<Record<string, unknown>>(
  value => typeof value === 'object' && value !== null && !Array.isArray(value),
  'expected an object of ids by token',
)

/** Tokens by id; a hole where no token has that id. */
export function readVocabulary(vocab: Record<string, unknown>, source: string): (string | undefined)[] {
  const vocabulary: (string | undefined)[] = []
  for (const token in vocab) {
    const id = vocab[token]
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > MAXIMUM_ID) {
      throw new Error(
        `${source}: model.vocab: ${JSON.stringify(token)} has id ${JSON.stringify(id)}, expected an integer from 0 to ${MAXIMUM_ID}`,
      )
    }
    if (vocabulary[id] !== undefined) {
      throw new Error(
        `${source}: model.vocab: ${JSON.stringify(vocabulary[id])} and ${JSON.stringify(token)} share the id ${id}`,
      )
    }
    vocabulary[id] = token
  }
  return Array.from(vocabulary)
}

/** Ids by token, of a list without repetitions. */
export function vocabularyJson(tokens: readonly string[], source: string): Record<string, number> {
  const ids: Record<string, number> = Object.create(null) as Record<string, number>
  for (const [id, token] of tokens.entries()) {
    if (token in ids)
      throw new Error(
        `${source}: the vocabulary has ${JSON.stringify(token)} twice, with ids ${ids[token]} and ${id}; remove one`,
      )
    ids[token] = id
  }
  return ids
}
