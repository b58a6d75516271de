// One instance of the tokenizer's WebAssembly module and what is put into its memory.
import { noMemory, type TextModule } from './blocks.js'

export interface Host {
  readonly module: TextModule
  readonly memory: WebAssembly.Memory
  /** Addresses of the programs of regular expressions. */
  readonly expressions: Map<string, number>
}

/** A token as the module's texts have it; undefined: it cannot occur in one. */
export type BytesOf = (token: string) => Uint8Array | undefined

/** Copies data into the module's memory for good; returns its address, a multiple of 64. */
export function place({ module, memory }: Host, data: Uint8Array | Int32Array | Float64Array, what: string): number {
  const address = module.reserve(data.byteLength + 16) >>> 0
  if (!address) throw noMemory(what, data.byteLength)
  new Uint8Array(memory.buffer, address, data.byteLength).set(
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  )
  return address
}

/** ▁, which is a space in the module wherever the tokenizer makes ▁ of spaces. */
export const META = '\u2581'

const [SPACE, META_CODE, REPLACEMENT] = [0x20, 0x2581, 0xfffd]

/**
 * What texts are to the model: UTF-8; UTF-8 with spaces for ▁ ("meta"); or bytes, which the vocabulary writes as the
 * characters of the byte alphabet.
 */
export type TextForm = 'utf8' | 'meta' | 'bytes'

export function bytesOfTokens(form: TextForm): BytesOf {
  if (form === 'bytes') return alphabetBytes
  return token => {
    const bytes = new Uint8Array(3 * token.length)
    const end = writeToken(token, form, bytes, 0)
    return end < 0 ? undefined : bytes.slice(0, end)
  }
}

/**
 * Writes a token in UTF-8, as a TextEncoder would, but sooner for short ones; a ▁ as a space where that is the form. Returns where it ends, −1 where
 * it cannot occur in a text.
 */
export function writeToken(token: string, form: Exclude<TextForm, 'bytes'>, to: Uint8Array, at: number): number {
  const meta = form === 'meta'
  for (let i = 0; i < token.length; i++) {
    let code = token.charCodeAt(i)
    if (meta && code === SPACE) return -1
    if (meta && code === META_CODE) code = SPACE
    if (code < 0x80) {
      to[at++] = code
      continue
    }
    if (code >= 0xd800 && code < 0xe000) {
      code = token.codePointAt(i)!
      if (code > 0xffff) i++
      else code = REPLACEMENT
    }
    if (code < 0x800) to[at++] = 0xc0 | (code >> 6)
    else {
      if (code < 0x10000) to[at++] = 0xe0 | (code >> 12)
      else {
        to[at++] = 0xf0 | (code >> 18)
        to[at++] = 0x80 | ((code >> 12) & 0x3f)
      }
      to[at++] = 0x80 | ((code >> 6) & 0x3f)
    }
    to[at++] = 0x80 | (code & 0x3f)
  }
  return at
}

/** Undefined where it is not base 64. */
export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  let binary: string
  try {
    binary = atob(text)
  } catch {
    return undefined
  }
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}

/**
 * The byte alphabet of byte-level tokenizers (Radford et al. 2019): printable bytes of Latin-1 stand for themselves,
 * the others for characters from U+0100 on. (256)
 */
export const byteAlphabet: readonly string[] = (() => {
  const printable = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad && byte < 0x100)
  let other = 0x100
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : other++))
})()

/** The byte of a character of the alphabet, by UTF-16 unit; −1 elsewhere. */
const bytesByUnit = new Int16Array(0x150).fill(-1)
for (const [byte, character] of byteAlphabet.entries()) bytesByUnit[character.charCodeAt(0)] = byte

export function alphabetBytes(token: string): Uint8Array | undefined {
  const bytes = new Uint8Array(token.length)
  for (let i = 0; i < token.length; i++) {
    const byte = bytesByUnit[token.charCodeAt(i)] ?? -1
    if (byte < 0) return undefined
    bytes[i] = byte
  }
  return bytes
}
