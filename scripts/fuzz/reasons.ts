// Why the library in JavaScript gives other ids than ours and, where it is there, the one in Rust. A reason is told by the text and the tokenizer, not by
// the ids; what none of them fits is unexplained, and so is whatever the Rust library has otherwise.
import { loadCharacters } from '../../src/text/spans/characters.js'
import { tokenizerFromFiles } from '../../src/text/tokenizer.js'
import type { Family, Json } from './families.js'

export interface Difference {
  readonly text: string
  readonly family: Family
  /** Whether the library in Rust agrees with us; undefined where it is not there. False, too, where it is the one that differs. */
  readonly judged: boolean | undefined
}

const typesIn = (component: unknown): string[] => {
  const { type, normalizers = [] } = (component ?? {}) as { type?: string; normalizers?: Json[] }
  return [type ?? '', ...normalizers.flatMap(typesIn)]
}

const lowerCases = ({ json }: Family) => {
  const { type, lowercase } = (json.normalizer ?? {}) as Json
  return (type === 'BertNormalizer' && lowercase === true) || typesIn(json.normalizer).includes('Lowercase')
}
const has = (part: 'normalizer' | 'pre_tokenizer', type: string) => (family: Family) =>
  typesIn(family.json[part]).includes(type)

const letters = { unk_token: '?', vocab: { x: 0, xx: 1, '?': 2 } }
const probe = await tokenizerFromFiles(
  {
    'tokenizer.json': new TextEncoder().encode(
      JSON.stringify({
        normalizer: { type: 'BertNormalizer', strip_accents: true, lowercase: false },
        pre_tokenizer: { type: 'BertPreTokenizer' },
        model: { type: 'WordLevel', ...letters },
      }),
    ),
  },
  'probe',
)

/** Whether a character is punctuation, a mark or a control character to this JavaScript but not to BERT's tokenizers, which know those of an older Unicode. */
function isNewer(character: string): boolean {
  if (!/[\p{P}\p{M}\p{Cf}]/u.test(character)) return false
  const expected = /\p{P}/u.test(character) ? [0, 2, 0] : [1]
  return [...probe.encode([`x${character}x`]).ids].join() !== expected.join()
}

const characters = await loadCharacters()

/** Whether a mark changes places with others to this JavaScript (U+0334 goes before all of higher classes), but is none to our tables, which are the Rust library's. */
const isNewerMark = (character: string): boolean =>
  `a${character}\u0334`.normalize('NFD').startsWith('a\u0334') &&
  [...character.normalize('NFD')].some(part => characters.combiningClass(part.codePointAt(0)!) === 0)

const reasons: readonly { readonly reason: string; fits(difference: Difference): boolean }[] = [
  {
    reason: 'Precompiled is not read: NFKC and a list of spaces stand in for it',
    fits: ({ text, family }) => has('normalizer', 'Precompiled')(family) && /[^ -~]/.test(text),
  },
  {
    reason: 'a final Σ is lower-cased as ς, not as σ, which is what case by characters gives',
    fits: ({ text, family }) => lowerCases(family) && /[Σ\u{10400}]/u.test(text),
  },
  {
    reason: "JavaScript's \\s has U+FEFF and lacks U+0085",
    fits: ({ text }) => /[\ufeff\u0085]/.test(text),
  },
  {
    reason: 'Chinese characters beyond U+FFFF are not seen as such',
    fits: ({ text, family }) => has('normalizer', 'BertNormalizer')(family) && /[\u{20000}-\u{2fa1f}]/u.test(text),
  },
  {
    reason: "characters newer than Node's Unicode",
    fits: ({ text }) => /\p{Cn}/u.test(text),
  },
  {
    reason: "marks newer than the Rust library's tables, which leave them where they stand",
    fits: ({ text, family }) =>
      (has('normalizer', 'NFC')(family) || has('normalizer', 'NFKC')(family)) && [...text].some(isNewerMark),
  },
  {
    reason: "punctuation, marks and control characters newer than the Rust library's tables for BERT",
    fits: ({ text, family }) => has('normalizer', 'BertNormalizer')(family) && [...text].some(isNewer),
  },
]

export function reasonOf(difference: Difference): string | undefined {
  if (difference.judged === false) return undefined
  return reasons.find(({ fits }) => fits(difference))?.reason
}
