// npm run fuzz:tokenizers [-- --count N --seed S --python python3 --tokenizers folder --only text --offsets]: random and mutated strings through our tokenizers and
// through Hugging Face's, in JavaScript (bench/peers) and, with --python, in Rust. Each difference is put down to a reason (fuzz/reasons.ts); one
// without a reason, or one in which the Rust library is against us, makes the exit code 1. Where both libraries are there, Rust judges. The same seed
// gives the same strings, family by family, so that one is repeated with --only. --offsets: also where in its text each token begins and ends, which only
// the Rust library says.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startChild, temporaryFolder } from '../src/runtime/child.js'
import { loadTokenizer, type Tokenizer, tokenizerFromFiles } from '../src/text/tokenizer.js'
import { type Family, type Json, madeFamilies } from './fuzz/families.js'
import { randomOf } from './fuzz/random.js'
import { type Difference, reasonOf } from './fuzz/reasons.js'
import { fuzzString } from './fuzz/strings.js'

const { values: options } = parseArgs({
  options: {
    count: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    python: { type: 'string' },
    tokenizers: { type: 'string', multiple: true, default: ['../shared/tokenizers', '../shared/models'] },
    only: { type: 'string' },
    offsets: { type: 'boolean', default: false },
  },
})

const peers = new URL('../bench/peers/', import.meta.url).pathname
const folder = await temporaryFolder()

/** The tokenizers of the folders in a folder. */
async function realFamilies(): Promise<Family[]> {
  const families: Family[] = []
  for (const root of options.tokenizers.filter(each => existsSync(each)))
    for (const name of readdirSync(root)) {
      const tokenizer = await loadTokenizer(join(root, name)).catch(() => undefined)
      if (!tokenizer) continue
      const { 'tokenizer.json': bytes } = await tokenizer.files()
      const json = JSON.parse(new TextDecoder().decode(bytes)) as Json
      families.push({ name, json: { ...json, truncation: null, padding: null }, real: true })
    }
  return families
}

interface Reference {
  readonly name: string
  /** Ids of each text; undefined where the library refuses the tokenizer. */
  encode(): Promise<Int32Array[] | undefined>
}

async function startReference(script: string): Promise<Reference | undefined> {
  const isPython = script.endsWith('.py')
  if (isPython && !options.python) return undefined
  const child = startChild(isPython ? options.python! : 'node', [join(peers, script)], {
    TOKENIZERS_PARALLELISM: 'false',
    PYTHONDONTWRITEBYTECODE: '1',
  })
  const opened = await child.ask({ do: 'open', threads: 1 }).catch((error: Error) => error)
  if (opened instanceof Error) {
    process.stderr.write(`${script} is left out: ${opened.message}\n`)
    return undefined
  }
  const out = join(folder, `${script}.f32`)
  return {
    name: String(opened.name),
    async encode() {
      const texts = join(folder, 'texts.json')
      const request = { do: 'prepare', model: folder, texts, out, offsets: options.offsets }
      const answer = await child.ask(request).catch((error: Error) => error)
      if (answer instanceof Error) {
        process.stderr.write(`${opened.name}: ${answer.message.slice(-300)}\n`)
        return undefined
      }
      const bytes = readFileSync(out)
      return rowsOf(new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)))
    },
  }
}

/** Of each text how many ids it has, then its ids. */
function rowsOf(values: Float32Array): Int32Array[] {
  const rows: Int32Array[] = []
  for (let at = 0; at < values.length; at += 1 + values[at]!)
    rows.push(Int32Array.from(values.subarray(at + 1, at + 1 + values[at]!)))
  return rows
}

const same = (a: Int32Array, b: Int32Array | undefined) => a.length === b?.length && a.every((id, i) => id === b[i])

interface Tally {
  texts: number
  readonly tokenizers: Set<string>
  /** By library, then reason. */
  readonly differences: Map<string, { count: number; example: string }>
}
const tally: Tally = { texts: 0, tokenizers: new Set(), differences: new Map() }
let unexplained = 0

function record(library: string, family: Family, text: string, reason: string | undefined, ids: string): void {
  if (!reason) unexplained++
  const key = `${library}\t${reason ?? `OURS OR UNEXPLAINED (${family.name})`}`
  const known = tally.differences.get(key)
  if (known) known.count++
  else tally.differences.set(key, { count: 1, example: `${family.name}: ${JSON.stringify(text.slice(0, 80))}` })
  if (!reason && (known?.count ?? 0) < 3)
    process.stderr.write(`${library}: ${family.name}: ${JSON.stringify(text)}\n${ids}\n`)
}

/** As the references give them: of each text its ids, and with --offsets where each begins and ends, in code points. */
async function rowsOfOurs(own: Tokenizer, texts: readonly string[]): Promise<(i: number) => Int32Array> {
  if (!options.offsets) {
    const { ids, offsets } = own.encode(texts)
    return i => ids.subarray(offsets[i]!, offsets[i + 1]!)
  }
  const { ids, offsets, spans } = await own.encodeWithSpans(texts)
  return i => {
    const [first, last] = [offsets[i]!, offsets[i + 1]!]
    const characters = charactersBefore(texts[i]!)
    return Int32Array.from([
      ...ids.subarray(first, last),
      ...spans.subarray(2 * first, 2 * last).map(at => characters[at]!),
    ])
  }
}

/** Code points before each UTF-16 unit and before the end. */
function charactersBefore(text: string): number[] {
  const before: number[] = []
  let count = 0
  for (const character of text) {
    for (const _ of character.split('')) before.push(count)
    count++
  }
  return [...before, count]
}

async function fuzzFamily(family: Family, count: number, references: readonly Reference[]): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify(family.json))
  const own = await tokenizerFromFiles({ 'tokenizer.json': bytes }, family.name).catch((error: Error) => error)
  if (own instanceof Error) {
    process.stderr.write(`refused by us: ${own.message.slice(0, 200)}\n`)
    return
  }
  const random = randomOf(options.seed, family.name)
  const texts = Array.from({ length: count }, () => fuzzString(random))
  writeFileSync(join(folder, 'tokenizer.json'), bytes)
  writeFileSync(join(folder, 'tokenizer_config.json'), '{}')
  // Neither Python nor JSON has lone surrogates; to us they are U+FFFD.
  writeFileSync(
    join(folder, 'texts.json'),
    JSON.stringify(texts.map(text => text.replace(/\p{Surrogate}/gu, '\ufffd'))),
  )
  const rowOf = await rowsOfOurs(own, texts)
  tally.texts += count
  tally.tokenizers.add(family.name)
  const found = await Promise.all(references.map(reference => reference.encode()))
  const judge = found[references.findIndex(({ name }) => name.startsWith('tokenizers '))]
  for (const [i, text] of texts.entries()) {
    const ours = rowOf(i)
    for (const [r, rows] of found.entries()) {
      if (!rows || same(ours, rows[i])) continue
      const judged = rows === judge ? false : judge && same(ours, judge[i])
      const difference: Difference = { text, family, judged }
      record(references[r]!.name, family, text, reasonOf(difference), shown(own, ours, rows[i]!))
    }
  }
}

function shown(tokenizer: Tokenizer, ours: Int32Array, theirs: Int32Array): string {
  const at = ours.findIndex((id, i) => id !== theirs[i])
  const part = (ids: Int32Array) =>
    [...ids.subarray(Math.max(0, at - 2), at + 6)].map(id => nameOf(tokenizer, id)).join(' ')
  return `  ours   ${part(ours)}\n  theirs ${part(theirs)}`
}

function nameOf(tokenizer: Tokenizer, id: number): string {
  try {
    return JSON.stringify(tokenizer.tokenOf(id))
  } catch {
    return String(id)
  }
}

const javaScript = options.offsets ? undefined : await startReference('tokenizers_js.mjs')
const rust = await startReference('tokenizers_rust.py')
const real = await realFamilies()
const wanted = ({ name }: Family) => !options.only || name.includes(options.only)
const realOnes = real.filter(wanted)
// Made-up ones are for the Rust library: the one in JavaScript knows few of their components.
const made = rust ? madeFamilies(real, name => randomOf(options.seed, name, 'family')).filter(wanted) : []
// Real tokenizers get half of the strings.
const total = Number(options.count)
const share = (families: readonly Family[], other: readonly Family[]) =>
  Math.ceil(total / (other.length > 0 ? 2 : 1) / Math.max(1, families.length))
for (const [families, count] of [
  [realOnes, share(realOnes, made)],
  [made, share(made, realOnes)],
] as const)
  for (const family of families) {
    const references = [rust, family.real ? javaScript : undefined].filter(each => each !== undefined)
    // Smaller parts would load the tokenizer again and again, larger ones need memory.
    for (let left = count, part = 0; left > 0; left -= 50_000, part++)
      await fuzzFamily(
        part > 0 ? { ...family, name: `${family.name}, part ${part + 1}` } : family,
        Math.min(left, 50_000),
        references,
      )
  }

console.log(`${tally.texts} strings, ${tally.tokenizers.size} tokenizers, seed ${options.seed}`)
for (const [key, { count, example }] of tally.differences) console.log(`${key}\t${count}\t${example}`)
if (tally.differences.size === 0) console.log('no differences')
process.exit(unexplained > 0 || tally.texts === 0 ? 1 : 0)
