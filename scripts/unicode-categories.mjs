// What regular expressions ask of characters, for scripts/unicode.mjs: general categories and some scripts as runs of code points, in
// src/text/expressions/categories-data.ts. Those of the reference's expressions, which know Unicode 16.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { notAssigned } from './unicode-lists.mjs'
import { createStream } from './unicode-stream.mjs'

const CATEGORIES = 'Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co'.split(
  ' ',
)
const SCRIPTS = ['Han', 'Hiragana', 'Katakana', 'Hangul']
/** A letter without case today. */
const lowerCase = new Set([0x295])

function runsOf(kindOf) {
  const runs = []
  for (let code = 0; code <= 0x10ffff; code++) {
    const kind = notAssigned.has(code) ? 0 : kindOf(code, String.fromCodePoint(code))
    if (runs.at(-1)?.kind === kind) runs.at(-1).length++
    else runs.push({ kind, length: 1 })
  }
  return runs
}

const packed = runs => {
  const { bytes, put } = createStream()
  for (const { kind, length } of runs) {
    put(length)
    put(kind)
  }
  return Buffer.from(bytes).toString('base64')
}

const firstOf = tests => (_, text) =>
  Math.max(
    0,
    tests.findIndex(test => test.test(text)),
  )

export function writeCategories(unicode) {
  const categories = firstOf(CATEGORIES.map(name => new RegExp(`^\\p{${name}}$`, 'u')))
  const scripts = firstOf([/^$/u, ...SCRIPTS.map(name => new RegExp(`^\\p{Script=${name}}$`, 'u'))])
  const path = fileURLToPath(new URL('../src/text/expressions/categories-data.ts', import.meta.url))
  writeFileSync(
    path,
    `// Made by scripts/unicode.mjs from Unicode ${unicode}; not to be edited. Read by sets.ts: runs of (length, kind) as varints in base 64.

export const categories = '${CATEGORIES.join(' ')}'
export const categoryRuns =
  '${packed(runsOf((code, text) => (lowerCase.has(code) ? CATEGORIES.indexOf('Ll') : categories(code, text))))}'

/** 0: another script. */
export const scripts = '- ${SCRIPTS.join(' ')}'
export const scriptRuns =
  '${packed(runsOf(scripts))}'
`,
  )
}
