// Ids back to text, as the WordPiece decoder of the Hugging Face tokenizers does it: continuations are joined, and with
// `cleanup` the spaces before punctuation and English contractions go. What the normaliser took away stays lost.

const CLEANUPS: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [' do not', " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
]

const clean = (text: string) => CLEANUPS.reduce((cleaned, [from, to]) => cleaned.replaceAll(from, to), text)

/** Token by token: nothing is cleaned across two tokens. */
export function decodeTokens(tokens: readonly string[], prefix: string, cleanup: boolean): string {
  const texts = tokens.map((token, i) => {
    const text = i === 0 ? token : token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`
    return cleanup ? clean(text) : text
  })
  return texts.join('')
}
