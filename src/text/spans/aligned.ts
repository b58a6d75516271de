// A text on its way through a tokenizer that knows where in the original each of its characters comes from. What becomes of that at each change is what
// the Hugging Face tokenizers make of it (their NormalizedString), odd as it sometimes is: a change is a list of characters, each of which replaces one,
// is put in, or replaces one and drops so many behind it.

/** Characters are code points, and so are the places in the original. All three lists have one length. */
export interface Aligned {
  readonly codes: readonly number[]
  readonly begins: readonly number[]
  readonly ends: readonly number[]
}

/** A changed text, character by character. `kinds`: 0 replaces one, 1 is put in, −n replaces one and drops n behind it. */
export interface Change {
  readonly codes: number[]
  readonly kinds: number[]
}

export const newChange = (): Change => ({ codes: [], kinds: [] })

export function put(change: Change, code: number, kind: number): void {
  change.codes.push(code)
  change.kinds.push(kind)
}

/** `dropped`: characters that are dropped before the first. */
export function changed(text: Aligned, { codes, kinds }: Change, dropped = 0): Aligned {
  const begins = new Array<number>(codes.length)
  const ends = new Array<number>(codes.length)
  let at = dropped
  for (let i = 0; i < codes.length; i++) {
    const kind = kinds[i]!
    const from = kind > 0 ? at - 1 : at
    begins[i] = text.begins[from] ?? 0
    ends[i] = text.ends[from] ?? 0
    if (kind <= 0) at = Math.min(at + 1 - kind, text.codes.length)
  }
  return { codes, begins, ends }
}

/** The characters that are wanted, in their places. */
export function kept(text: Aligned, isWanted: (code: number) => boolean): Aligned {
  const [codes, begins, ends]: [number[], number[], number[]] = [[], [], []]
  for (const [i, code] of text.codes.entries()) {
    if (!isWanted(code)) continue
    codes.push(code)
    begins.push(text.begins[i]!)
    ends.push(text.ends[i]!)
  }
  return { codes, begins, ends }
}

/** Each character by another. */
export const mapped = (text: Aligned, map: (code: number) => number): Aligned => ({
  ...text,
  codes: text.codes.map(map),
})

/** Each character by several or none, which all come from where it did. */
export function expanded(text: Aligned, expand: (code: number) => readonly number[]): Aligned {
  const [codes, begins, ends]: [number[], number[], number[]] = [[], [], []]
  for (const [i, code] of text.codes.entries())
    for (const each of expand(code)) {
      codes.push(each)
      begins.push(text.begins[i]!)
      ends.push(text.ends[i]!)
    }
  return { codes, begins, ends }
}

/** What is put before a text comes from where its first character does. */
export function prepended(text: Aligned, codes: readonly number[]): Aligned {
  const [begin, end] = [text.begins[0], text.ends[0]]
  if (begin === undefined || end === undefined) return text
  return {
    codes: [...codes].concat(text.codes),
    begins: codes.map(() => begin).concat(text.begins),
    ends: codes.map(() => end).concat(text.ends),
  }
}

export const slice = ({ codes, begins, ends }: Aligned, first: number, last: number): Aligned => ({
  codes: codes.slice(first, last),
  begins: begins.slice(first, last),
  ends: ends.slice(first, last),
})

/** A lone surrogate counts as U+FFFD. */
export function alignedOf(text: string): Aligned {
  const codes: number[] = []
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i)!
    if (code > 0xffff) i++
    codes.push(code >= 0xd800 && code < 0xe000 ? 0xfffd : code)
  }
  return { codes, begins: codes.map((_, i) => i), ends: codes.map((_, i) => i + 1) }
}

/** Codes as a string, for texts of any length. */
export function stringOf(codes: readonly number[]): string {
  let text = ''
  for (let i = 0; i < codes.length; i += 4096) text += String.fromCodePoint(...codes.slice(i, i + 4096))
  return text
}

export const codesOf = (text: string): number[] => Array.from(text, character => character.codePointAt(0)!)

/** Whether these codes stand there. */
export function standsAt(codes: readonly number[], at: number, what: readonly number[]): boolean {
  for (let i = 0; i < what.length; i++) if (codes[at + i] !== what[i]) return false
  return true
}
