// What is known of characters: asked of the tokenizer's module, so that there is one set of tables.
import { textModule } from '../../../build/text.js'
import { moduleBytes } from '../../backend/module-bytes.js'
import { noMemory, type TextModule } from '../blocks.js'
import type { Host } from '../host.js'

// Flags of assembly/text/unicode.ts.
export const SPACE = 1
export const REMOVED = 2
export const PUNCTUATION = 4
export const CHINESE = 8
export const WORD = 16
export const NUMERIC = 32
export const ACCENT = 64
export const LETTER = 128
export const NUMBER = 256

export interface Characters {
  /** Bits as above. */
  flags(code: number): number
  lower(code: number): readonly number[]
  /** Whether BERT's normaliser drops it together with the accents. */
  isMark(code: number): boolean
  combiningClass(code: number): number
  decomposed(code: number, compatible: boolean): readonly number[]
  composed(first: number, second: number): number | undefined
}

async function newHost(strip: boolean, lower: boolean): Promise<Host> {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536 })
  const { instance } = await WebAssembly.instantiate(await moduleBytes(textModule), { env: { memory } })
  const module = instance.exports as unknown as TextModule
  if (!module.setUp(false, false, strip, lower) || !module.setUpForms())
    throw noMemory('the table of characters', 4 << 20)
  return { module, memory, expressions: new Map() }
}

/** A length, then code points. */
const sequenceAt = ({ memory }: Host, address: number): readonly number[] => {
  const [length] = new Uint32Array(memory.buffer, address >>> 0, 1)
  return [...new Uint32Array(memory.buffer, (address >>> 0) + 4, length)]
}

async function load(): Promise<Characters> {
  const [lower, strip] = [await newHost(false, true), await newHost(true, false)]
  const { module } = lower
  return {
    flags: code => module.flagsOf(code),
    lower: code => sequenceAt(lower, module.mappedAt(code)),
    isMark: code => sequenceAt(strip, strip.module.mappedAt(code)).length === 0,
    combiningClass: code => module.classOf(code),
    decomposed: (code, compatible) => sequenceAt(lower, module.decomposedAt(code, compatible)),
    composed(first, second) {
      const code = module.composedOf(first, second)
      return code < 0 ? undefined : code
    },
  }
}

let loaded: Promise<Characters> | undefined

export function loadCharacters(): Promise<Characters> {
  loaded ??= load()
  return loaded
}
