// One instance of the tokenizer's WebAssembly module and what is put into its memory.
import { noMemory, type TextModule } from './blocks.js'

export interface Host {
  readonly module: TextModule
  readonly memory: WebAssembly.Memory
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

const encoder = new TextEncoder()

/** ▁, which is a space in the module wherever the tokenizer makes ▁ of spaces. */
export const META = '\u2581'

/**
 * What texts are to the model: UTF-8; UTF-8 with spaces for ▁ ("meta"); or bytes, which the vocabulary writes as the
 * characters of the byte alphabet.
 */
export type TextForm = 'utf8' | 'meta' | 'bytes'

export function bytesOfTokens(form: TextForm): BytesOf {
  if (form === 'bytes') return alphabetBytes
  if (form === 'utf8') return token => encoder.encode(token)
  return token => (token.includes(' ') ? undefined : encoder.encode(token.replaceAll(META, ' ')))
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
