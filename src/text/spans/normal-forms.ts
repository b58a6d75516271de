// The normal forms of Unicode (UAX 15), with what they do to the places of characters: of those that a character decomposes to, all but the first are put
// in; a character that joins the one before it is dropped behind that. Both are counted where the characters stand after sorting, as the reference counts
// them (its crate unicode-normalization-alignments).
import { type Aligned, type Change, changed, newChange, put } from './aligned.js'
import type { Characters } from './characters.js'

interface Decomposed extends Change {
  readonly classes: number[]
}

/** Sorts marks by class from `first` on; those of one class stay in their order. */
function sortMarks({ codes, kinds, classes }: Decomposed, first: number): void {
  if (codes.length - first < 2) return
  const marks = codes.slice(first).map((code, i) => ({ code, kind: kinds[first + i]!, order: classes[first + i]! }))
  marks.sort((a, b) => a.order - b.order)
  for (const [i, { code, kind, order }] of marks.entries()) {
    codes[first + i] = code
    kinds[first + i] = kind
    classes[first + i] = order
  }
}

function decompose({ codes }: Aligned, compatible: boolean, characters: Characters): Decomposed {
  const to: Decomposed = { ...newChange(), classes: [] }
  let sorted = 0
  for (const code of codes) {
    const parts = code < 0x80 ? [code] : characters.decomposed(code, compatible)
    for (const [i, part] of parts.entries()) {
      const order = part < 0x300 ? 0 : characters.combiningClass(part)
      if (order === 0) {
        sortMarks(to, sorted)
        sorted = to.codes.length
      }
      put(to, part, i === 0 ? 0 : 1)
      to.classes.push(order)
      if (order === 0) sorted++
    }
  }
  sortMarks(to, sorted)
  return to
}

function compose({ codes, kinds, classes }: Decomposed, characters: Characters): Change {
  const to = newChange()
  // What marks may join: its place in `to`; and the class of the last mark that stayed behind it.
  let starter = -1
  let last = 0
  for (const [i, code] of codes.entries()) {
    const order = classes[i]!
    const blocked = starter < 0 || (last > 0 && last >= order)
    const whole = blocked ? undefined : characters.composed(to.codes[starter]!, code)
    if (whole !== undefined) {
      to.codes[starter] = whole
      to.kinds[starter]! += kinds[i]! - 1
      continue
    }
    put(to, code, kinds[i]!)
    if (order === 0) starter = to.codes.length - 1
    last = order
  }
  return to
}

/** `form`: NFC, NFD, NFKC or NFKD. */
export function toForm(text: Aligned, form: string, characters: Characters): Aligned {
  const composes = form.endsWith('C')
  // Nothing below U+00C0 decomposes or is joined in canonical forms, below U+00A0 in any.
  const least = form.length === 3 ? 0xc0 : 0xa0
  if (text.codes.every(code => code < least)) return text
  const decomposed = decompose(text, form.includes('K'), characters)
  return changed(text, composes ? compose(decomposed, characters) : decomposed)
}
