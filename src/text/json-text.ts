// Walking over JSON without making anything of it: from an index of the text to another. What is no JSON leads anywhere, but never back.

export const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a]
export const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d]
export const [ZERO, NINE, SPACE] = [0x30, 0x39, 0x20]

const isBlank = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

/** The first place from `at` on that is no white space. */
export function skipBlanks(text: string, at: number): number {
  while (isBlank(text.charCodeAt(at))) at++
  return at
}

/** Behind the string that is opened at `at`. */
function skipString(text: string, at: number): number {
  for (at++; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at + 1
    if (code === BACKSLASH) at++
  }
  return at
}

/** Behind the value at `at`: a string, what stands between brackets, or what stands before the next comma or closing bracket. */
export function skipValue(text: string, at: number): number {
  for (let depth = 0; at < text.length; ) {
    const code = text.charCodeAt(at)
    if (depth === 0 && (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET)) return at
    if (code === QUOTE) at = skipString(text, at)
    else {
      if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++
      if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--
      at++
    }
  }
  return at
}

/** Calls `visit` with the start of each value of the object at `at`, by key; it returns where it ends. Returns what is behind the object. */
export function visitFields(text: string, at: number, visit: (key: string, at: number) => number): number {
  if (text.charCodeAt(at) !== OPEN_BRACE) return text.length
  at = skipBlanks(text, at + 1)
  while (text.charCodeAt(at) === QUOTE) {
    const end = skipString(text, at)
    const value = skipBlanks(text, skipBlanks(text, end) + 1)
    at = skipBlanks(text, visit(text.slice(at + 1, end - 1), value))
    if (text.charCodeAt(at) !== COMMA) return at + 1
    at = skipBlanks(text, at + 1)
  }
  return at + 1
}

const escapes: Readonly<Record<string, number>> = { '"': 34, '\\': 92, '/': 47, b: 8, f: 12, n: 10, r: 13, t: 9 }

/** Where `readString` wrote to, and what is behind the string that it read last. */
export let written = 0
export let reached = 0

/** Writes what the string at `at` says from `to` on, up to the end of the pool; false where it is no JSON. */
export function readString(text: string, at: number, pool: Uint16Array, to: number): boolean {
  if (text.charCodeAt(at++) !== QUOTE) return false
  for (;;) {
    let code = text.charCodeAt(at++)
    if (code === QUOTE) break
    // NaN at the end of the text, too.
    if (!(code >= SPACE)) return false
    if (code === BACKSLASH) {
      const letter = text[at++] ?? ''
      if (letter === 'u') {
        const digits = text.slice(at, at + 4)
        if (!/^[0-9A-Fa-f]{4}$/.test(digits)) return false
        code = Number.parseInt(digits, 16)
        at += 4
      } else {
        if (!Object.hasOwn(escapes, letter)) return false
        code = escapes[letter]!
      }
    }
    if (to >= pool.length) return false
    pool[to++] = code
  }
  written = to
  reached = at
  return true
}
