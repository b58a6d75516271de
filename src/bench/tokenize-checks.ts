// Ids checked without a rival: against WordPiece as it is defined, or by what they decode to.
import type { Tokenizer } from '../text/tokenizer.js'
import { splitWords } from '../text/vocabulary.js'
import { sampled } from './checks.js'

/** The part of some texts whose ids are not those of the definition, or do not decode to the text. */
export function wrongTexts(tokenizer: Tokenizer, texts: readonly string[]): number {
  if (tokenizer.model === 'wordpiece') return wrongWordPieces(tokenizer, texts)
  // Words and spaces that every vocabulary and normalizer leaves as they are.
  const plain = sampled(texts.length, 64).map(i => (texts[i]!.toLowerCase().match(/[a-z]+/g) ?? []).join(' '))
  const { ids, offsets } = tokenizer.encode(plain, { addSpecialTokens: false })
  const wrong = plain.filter(
    (text, i) => tokenizer.decode(ids.subarray(offsets[i]!, offsets[i + 1]!)).trimStart() !== text,
  )
  return wrong.length / plain.length
}

/** Letter cases and accents are left out: models differ in them. */
function wrongWordPieces(tokenizer: Tokenizer, texts: readonly string[]): number {
  const ids = new Map<string, number>()
  for (let id = 0; id < tokenizer.vocabularySize; id++) {
    const token = tokenOf(tokenizer, id)
    if (token !== undefined) ids.set(token, id)
  }
  const plain = sampled(texts.length, 64).map(i => texts[i]!.toLowerCase().replace(/[^ -~]/g, ' '))
  const { ids: found, offsets } = tokenizer.encode(plain, { addSpecialTokens: false })
  const wrong = plain.filter((text, i) => {
    const expected = splitWords(text, false).flatMap(word => longestTokens(word, ids, tokenizer.special.unk ?? -1))
    const own = found.subarray(offsets[i]!, offsets[i + 1]!)
    return own.length !== expected.length || expected.some((id, t) => id !== own[t])
  })
  return wrong.length / plain.length
}

// A vocabulary may have holes.
function tokenOf(tokenizer: Tokenizer, id: number): string | undefined {
  try {
    return tokenizer.tokenOf(id)
  } catch {
    return undefined
  }
}

/** WordPiece (Wu et al. 2016, as BERT has it) of one word. */
function longestTokens(word: string, ids: ReadonlyMap<string, number>, unknown: number): number[] {
  if (word.length > 100) return [unknown]
  const out: number[] = []
  for (let start = 0; start < word.length; ) {
    let end = word.length
    const piece = () => (start > 0 ? '##' : '') + word.slice(start, end)
    while (end > start && !ids.has(piece())) end--
    if (end === start) return [unknown]
    out.push(ids.get(piece())!)
    start = end
  }
  return out
}
