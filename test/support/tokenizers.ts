// Tokenizers made from the parts of a tokenizer.json.
import { type Tokenizer, tokenizerFromFiles } from '../../src/text/tokenizer.js'

const none = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null }

export const tokenizerOf = (parts: object): Promise<Tokenizer> =>
  tokenizerFromFiles({ 'tokenizer.json': new TextEncoder().encode(JSON.stringify({ ...none, ...parts })) }, 'x')

/** The tokens of a text, without those around it. */
export const piecesOf = (tokenizer: Tokenizer, text: string): string[] =>
  [...tokenizer.encode([text], { addSpecialTokens: false }).ids].map(tokenizer.tokenOf)

const ids = (tokens: readonly string[]) => Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id]))

/** A model that knows these words and <unk>. */
export const wordLevel = (words: readonly string[]): object => ({
  type: 'WordLevel',
  unk_token: '<unk>',
  vocab: ids(['<unk>', ...words]),
})

export const addedToken = (id: number, content: string, flags: object = {}): object => ({
  ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: false },
  ...flags,
})

/** Byte-pair encoding over the characters and what the merges make of them. */
export const bpe = (characters: string, merges: readonly (readonly [string, string])[], more: object = {}): object => ({
  type: 'BPE',
  vocab: ids(['<unk>', ...characters, ...merges.map(([left, right]) => left + right)]),
  merges,
  ...more,
})
