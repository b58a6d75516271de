// What a regular expression matches of a text, found by the tokenizer's module.
import type { Host } from '../host.js'
import { stringOf } from './aligned.js'

/** In characters. */
export interface Match {
  readonly first: number
  readonly last: number
}

export function matchesOf(
  codes: readonly number[],
  { module, memory, expressions }: Host,
  expression: string,
): Match[] {
  const bytes = new TextEncoder().encode(stringOf(codes))
  const start = module.prepareNormalized(bytes.length) >>> 0
  if (!start) throw new Error(`a text of ${bytes.length} bytes needs more WebAssembly memory than is to be had`)
  new Uint8Array(memory.buffer).set(bytes, start)
  const end = start + bytes.length
  const matches: Match[] = []
  let [at, character] = [0, 0]
  /** Characters before a byte; bytes come in order. */
  const charactersTo = (byte: number) => {
    for (; at < byte; at++) if ((bytes[at]! & 0xc0) !== 0x80) character++
    return character
  }
  const program = expressions.get(expression)!
  for (let from = start; from < end && module.findExpression(program, start, from, end); ) {
    from = module.matchedTo.value >>> 0
    matches.push({ first: charactersTo((module.matchedFrom.value >>> 0) - start), last: charactersTo(from - start) })
  }
  return matches
}
