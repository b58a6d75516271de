// Strings to tokenize: pieces of natural text with mistakes put in, and random characters of one kind or of all.
import type { Random } from './random.js'

/** What tokenizers have rules for: their special tokens, contractions, ▁, bytes, spaces of all sorts. */
const fragments = [
  ...[
    '<s>',
    '</s>',
    '<pad>',
    '<mask>',
    '<unk>',
    '[CLS]',
    '[SEP]',
    '[MASK]',
    '[UNK]',
    '<|endoftext|>',
    '<|im_start|>',
    '<|end|>',
    '<|user|>',
  ],
  ...[
    '<extra_id_0>',
    '\u2581',
    '\u2581\u2581',
    '_',
    '[X]',
    'foo',
    'Foo bar',
    'ab',
    'aB',
    '<0x41>',
    'Ġ',
    '##s',
    '  ',
    '\r\n',
    '\n\n',
  ],
  ...[
    "'s",
    "'T",
    "'re",
    "'VE",
    "'ll",
    "'ſ",
    "'d",
    "'",
    "''s",
    'the',
    'ing',
    'hello world',
    ' a',
    'Straße',
    'é',
    'ΟΔΟΣ',
    'İ',
    'ı',
    '한글',
    'e\u0301',
    'ﬁ',
    '½',
    '①',
  ],
  ...[
    '1234567',
    '١٢٣',
    'Ⅷ',
    '👩‍👩‍👧',
    '🇩🇪🇫🇷',
    '\u200d',
    '\ufeff',
    '\ufffd',
    '\u00ad',
    '\u0600',
    'क्षि',
    '\u0e33',
    '中文',
    '日本語',
    'カタカナ',
  ],
]

const sentences = [
  'The quick brown fox jumps over the lazy dog, doesn’t it? "Yes", he said (in 2024) — twice...',
  'Größere Übungen führen zu schöneren Äußerungen; 3,5 % davon genügen.',
  'L’été dernier, nous avons mangé des crêpes à Nîmes: c’était délicieux!',
  'El niño comió piñatas y jalapeños; ¿qué más quería?',
  'Быстрая коричневая лиса перепрыгивает через ленивую собаку.',
  'Η γρήγορη αλεπού ΠΗΔΑΕΙ πάνω από τον ΣΚΥΛΟΣ.',
  'الثعلب البني السريع يقفز فوق الكلب الكسول.',
  'तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है।',
  '敏捷的棕色狐狸跳过了懒狗。她说：“今天是2024年。”',
  '素早い茶色の狐がのろまな犬を飛び越える。ｶﾀｶﾅも。',
  '빠른 갈색 여우가 게으른 개를 뛰어넘는다.',
  'สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ',
  'Con cáo nâu nhanh nhẹn nhảy qua con chó lười biếng.',
  'def f(x):\n    return [y**2 for y in range(x) if y % 2 == 0]  # squares\n\n\tprint(f(10))',
  '{"id": 17, "name": "a_b-c", "url": "https://example.org/a?b=c&d=%20#e", "x": [1.5e-3, null]}',
  '| a | b |\n|---|---|\n| 1,000 | $2.50 |\r\n',
  'HELLO WORLD iPhone McDonald’s e.g. U.S.A. 10:30pm 1st 2nd x² H₂O ½ ™ © 😀👍🏽 :-)',
]

const between = (random: Random, from: number, to: number) => String.fromCodePoint(from + random.below(to - from))

/** One character, or a fragment, of a kind each. */
const kinds: readonly ((random: Random) => string)[] = [
  random =>
    String.fromCodePoint(
      random.pick([
        0x20, 0x20, 0x0a, 0x0d, 0x09, 0x0b, 0x0c, 0x1c, 0x85, 0xa0, 0x1680, 0x2003, 0x2028, 0x202f, 0x3000, 0x200b,
        0xfeff,
      ]),
    ),
  random => between(random, 0x21, 0x7f),
  random => between(random, 0x41, 0x7b),
  random => random.pick([...'0123456789']),
  random => between(random, 0xa0, 0x250),
  random => between(random, 0x250, 0x3000),
  random => between(random, 0x4e00, 0x9fff),
  random => between(random, 0x3040, 0x3100),
  random => between(random, 0xac00, 0xd7b0),
  random => between(random, 0x1f300, 0x1f700),
  random => between(random, 0x300, 0x370),
  random => between(random, 0, 0x20),
  random => between(random, 0, 0x110000),
  random => random.pick(fragments),
  () => ' ',
  random => random.pick(['the', 'ing', ' a', 'tion', 'Hello', ' World']),
]

function mutated(random: Random): string {
  const characters = [...random.pick(sentences)]
  const start = random.below(characters.length)
  const text = characters.slice(start, start + 1 + random.below(120))
  for (let left = random.below(6); left > 0; left--) {
    const at = random.below(text.length + 1)
    const way = random.number()
    if (way < 0.6) text.splice(at, 0, random.pick(kinds)(random))
    else if (way < 0.8) text.splice(at, 1)
    else if (text.length > 0) text.splice(at, 0, random.pick(text))
  }
  return text.join('')
}

/** May hold lone surrogates. */
export function fuzzString(random: Random): string {
  const way = random.number()
  if (way < 0.45) return mutated(random)
  const length = random.below(way < 0.9 ? 25 : 200)
  const one = way < 0.9 ? undefined : random.pick(kinds)
  return Array.from({ length }, () => (one ?? random.pick(kinds))(random)).join('')
}
