// Writes assembly/text/unicode-data.ts: what BERT's normaliser and pre-tokeniser ask about every code point, as one
// byte stream that assembly/text/unicode.ts unpacks. The facts come from this JavaScript engine's own \p{…}, normalize
// and toLowerCase; where the Hugging Face tokenizers library (0.23) knows an older Unicode, its answer counts, because
// the models were trained behind it: its categories and decompositions are about those of Unicode 8, its case mapping
// is today's. Each list below was found by asking that library about every code point. Run by hand with `node
// scripts/unicode.mjs`; the output is committed, so that a build does not depend on the engine's Unicode.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const UNICODE = '17.0'
if (process.versions.unicode !== UNICODE) {
  console.error(
    `this engine has Unicode ${process.versions.unicode}, expected ${UNICODE}: use another Node, or bring the lists below up to date`,
  )
  process.exit(1)
}

// Bits of a record's flags, read by assembly/text/unicode.ts.
const SPACE = 1
const REMOVED = 2
const PUNCTUATION = 4
const CHINESE = 8
const WORD = 16
const ORDER_SHIFT = 5
// Dropped by strip_accents, but no obstacle to the canonical ordering of what stands around it.
const TRANSPARENT = 7

const ranges = text =>
  text
    .trim()
    .split(/\s+/)
    .flatMap(range => {
      const [first, last = first] = range.split('-').map(digits => Number.parseInt(digits, 16))
      return Array.from({ length: last - first + 1 }, (_, i) => first + i)
    })

/** Cc, Cf or Co today, but kept by clean_text. */
const keptFormat = new Set(ranges('890-891 8e2 110cd 13430-1343f'))

/** Punctuation today, but no word boundary; the second list the other way round. */
const notPunctuation = new Set(
  ranges(`61d 9fd a76 c77 c84 1b4e-1b4f 1b7d-1b7f 2e43-2e4f 2e52-2e5d 10d6e 10ead 10ed0 10f55-10f59
  10f86-10f89 113d4-113d5 113d7-113d8 1144b-1144f 1145a-1145b 1145d 11660-1166c 116b9 1183b 11944-11946 119e2 11a3f-11a46
  11a9a-11a9c 11a9e-11aa2 11b00-11b09 11be1 11c41-11c45 11c70-11c71 11ef7-11ef8 11f43-11f4f 11fff 12ff1-12ff2 16d6d-16d6f
  16e97-16e9a 16fe2 1e5ff 1e95e-1e95f`),
)
const oldPunctuation = new Set(ranges('166d 111c9'))

/** Nonspacing marks today, but kept by strip_accents; the second list the other way round. */
const notMark = new Set(
  ranges(`7fd 897-89f 8ca-8e1 9fe afa-aff b55 c04 c3c d00 d3b-d3c d81 eba ece 180f 1885-1886 1abf-1add 1ae0-1aeb
  1df6-1dfb a82c a8c5 a8ff a9bd 10d24-10d27 10d69-10d6d 10eab-10eac 10efa-10eff 10f46-10f50 10f82-10f85 11070 11073-11074 110c2
  111c9 111cf 1123e 11241 1133b 113bb-113c0 113ce 113d0 113d2 113e1-113e2 11438-1143f 11442-11444 11446 1145e 1182f-11837
  11839-1183a 1193b-1193c 1193e 11943 119d4-119d7 119da-119db 119e0 11a01-11a0a 11a33-11a38 11a3b-11a3e 11a47 11a51-11a56
  11a59-11a5b 11a8a-11a96 11a98-11a99 11b60 11b62-11b64 11b66 11c30-11c36 11c38-11c3d 11c3f 11c92-11ca7 11caa-11cb0 11cb2-11cb3
  11cb5-11cb6 11d31-11d36 11d3a 11d3c-11d3d 11d3f-11d45 11d47 11d90-11d91 11d95 11d97 11ef3-11ef4 11f00-11f01 11f36-11f3a 11f40
  11f42 11f5a 13440 13447-13455 1611e-16120 16129 1612d-1612f 16f4f 16fe4 1cf00-1cf2d 1cf30-1cf46 1e000-1e006 1e008-1e018
  1e01b-1e021 1e023-1e024 1e026-1e02a 1e08f 1e130-1e136 1e2ae 1e2ec-1e2ef 1e4ec-1e4ef 1e5ee-1e5ef 1e6e3 1e6e6 1e6ee-1e6ef 1e6f5
  1e944-1e94a`),
)
const oldMark = new Set(ranges('1734 1171e'))

/** Decomposable today, but left whole. */
const notDecomposed = new Set(
  ranges('105c9 105e4 11383 11385 1138e 11391 113c5 113c7-113c8 11938 16121-16128 16d68-16d6a'),
)

/** Marks with a combining class today, but without one there. */
const notCombining = new Set(ranges('1715 113cf 1193d 11f41 16ff0-16ff1'))

/** \w today, but not there. */
const notWord = new Set(
  ranges(`88f c5c cdc 1acf-1add 1ae0-1aeb a7ce-a7cf a7d2 a7d4 a7f1 10940-10959 10ec5-10ec7 10efa-10efb 11b60-11b67
  11db0-11ddb 11de0-11de9 16ea0-16eb8 16ebb-16ed3 16ff2-16ff6 187f8-187ff 18d09-18d1e 18d80-18df2 1e6c0-1e6de 1e6e0-1e6f5
  1e6fe-1e6ff 2b73a-2b73f 2cea2-2cead 323b0-33479`),
)

/** BERT's own list: the CJK blocks of its time, not a property. */
const chinese = new Set(
  ranges('4e00-9fff 3400-4dbf 20000-2a6df 2a700-2b73f 2b740-2b81f 2b920-2ceaf f900-faff 2f800-2fa1f'),
)

const hangulFirst = 0xac00
const hangulLast = 0xd7a3
const last = 0x10ffff

const isMark = (code, text) => oldMark.has(code) || (/^\p{Mn}$/u.test(text) && !notMark.has(code))

// JavaScript does not tell combining classes, but swaps marks by them: U+0334 has the lowest (1), U+0345 the highest
// (240).
const swaps = (before, after) => `x${before}${after}`.normalize('NFD') === `x${after}${before}`
const isCombining = text => [...text.normalize('NFD')].every(char => swaps(char, '\u0334') || swaps('\u0345', char))

/** Spacing characters with a combining class, as numbers from 1 in the order of their classes. */
function combiningOrder() {
  const classes = []
  for (let code = 0; code <= last; code++) {
    const text = String.fromCodePoint(code)
    if (
      !/^\p{M}$/u.test(text) ||
      isMark(code, text) ||
      notMark.has(code) ||
      notCombining.has(code) ||
      !isCombining(text)
    )
      continue
    const same = classes.find(members => !swaps(members[0], text) && !swaps(text, members[0]))
    if (same) same.push(text)
    else classes.push([text])
  }
  classes.sort(([a], [b]) => (swaps(b, a) ? -1 : 1))
  if (classes.length >= TRANSPARENT) throw new Error(`${classes.length} classes do not fit ${TRANSPARENT - 1} numbers`)
  return new Map(classes.flatMap((members, i) => members.map(text => [text, i + 1])))
}

const order = combiningOrder()

function flagsOf(code, text) {
  let flags = 0
  if (/^\p{White_Space}$/u.test(text)) flags |= SPACE
  const control = /^[\p{Cc}\p{Cf}\p{Co}\ufffd]$/u.test(text) && !keptFormat.has(code)
  if (control && !'\t\n\r'.includes(text)) flags |= REMOVED
  const punctuation = /^[\p{P}!-/:-@[-`{-~]$/u.test(text) && !notPunctuation.has(code)
  if (punctuation || oldPunctuation.has(code)) flags |= PUNCTUATION
  if (chinese.has(code)) flags |= CHINESE
  if (/^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u.test(text) && !notWord.has(code)) flags |= WORD
  const transparent = isMark(code, text) && isCombining(text)
  return flags | ((transparent ? TRANSPARENT : (order.get(text) ?? 0)) << ORDER_SHIFT)
}

function stripped(code, text) {
  // Hangul syllables are taken apart by arithmetic.
  if (notDecomposed.has(code) || (code >= hangulFirst && code <= hangulLast)) return text
  return [...text.normalize('NFD')].filter(char => !isMark(char.codePointAt(0), char)).join('')
}

// Each code point alone: no final sigma, as in the reference.
const lowered = text => [...text].map(char => char.toLowerCase()).join('')

const bytes = []
function put(value) {
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80)
  bytes.push(value)
}
const putSigned = value => put(((value << 1) ^ (value >> 31)) >>> 0)

const sequences = new Map()
let sequenceCodes = 0

/** A mapping as one number: even, twice the distance to the only resulting code point; odd, the place of a sequence. */
function mapping(code, result) {
  const codes = [...result].map(char => char.codePointAt(0))
  if (codes.length === 1) return (codes[0] - code) * 2
  if (!sequences.has(result)) {
    sequences.set(result, { place: sequenceCodes, codes })
    sequenceCodes += 1 + codes.length
  }
  return sequences.get(result).place * 2 + 1
}

function recordOf(code) {
  // Surrogates cannot occur in UTF-8.
  if (code >= 0xd800 && code <= 0xdfff) return '0 0 0 0'
  const text = String.fromCodePoint(code)
  const strip = stripped(code, text)
  const results = [strip, lowered(text), lowered(strip)]
  // The buffers of assembly/text/index.ts rely on this.
  const size = new TextEncoder().encode(text).length
  for (const result of results) {
    if ([...result].length > size || new TextEncoder().encode(result).length > 3 * size)
      throw new Error(`${text} becomes ${result}: too long`)
  }
  return [flagsOf(code, text), ...results.map(result => mapping(code, result))].join(' ')
}

const records = new Map()
const runs = []
for (let code = 0; code <= last; code++) {
  const record = recordOf(code)
  if (!records.has(record)) records.set(record, records.size)
  const index = records.get(record)
  if (runs.length > 0 && runs.at(-1).index === index) runs.at(-1).length++
  else runs.push({ index, length: 1 })
}

put(records.size)
for (const record of records.keys()) {
  const [flags, ...mappings] = record.split(' ').map(Number)
  put(flags)
  mappings.forEach(putSigned)
}
put(sequences.size)
for (const { codes } of sequences.values()) {
  put(codes.length)
  codes.forEach(put)
}
for (const { index, length } of runs) {
  put(length)
  put(index)
}

const lines = []
for (let line = ''; bytes.length > 0; ) {
  const next = `${bytes.shift()},`
  if (line.length + next.length > 118) {
    lines.push(line)
    line = ''
  }
  line += next
  if (bytes.length === 0) lines.push(line)
}
const path = fileURLToPath(new URL('../assembly/text/unicode-data.ts', import.meta.url))
writeFileSync(
  path,
  `// Made by scripts/unicode.mjs from Unicode ${UNICODE}; not to be edited. Read by unicode.ts, which says what the numbers are.

export const RECORDS: u32 = ${records.size}
export const SEQUENCE_CODES: u32 = ${sequenceCodes}

export const UNICODE_STREAM = memory.data<u8>([
${lines.map(line => `  ${line}`).join('\n')}
])
`,
)
console.log(`${path}: ${records.size} records, ${sequences.size} sequences, ${runs.length} runs`)
