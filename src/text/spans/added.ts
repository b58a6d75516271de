// Added tokens found in a text: the longest at each place, as assembly/text/added.ts finds them.
import { type Aligned, codesOf, slice } from './aligned.js'
import { type Characters, SPACE, WORD } from './characters.js'

/** A token as it is looked for. */
export interface AddedText {
  readonly id: number
  readonly text: string
  readonly singleWord: boolean
  readonly leftStrip: boolean
  readonly rightStrip: boolean
}

interface Node {
  readonly next: Map<number, Node>
  token?: AddedText
}

export type AddedIndex = Node

export function indexOf(tokens: readonly AddedText[]): AddedIndex {
  const root: Node = { next: new Map() }
  for (const token of tokens) {
    let node = root
    for (const code of codesOf(token.text)) {
      const next: Node = node.next.get(code) ?? { next: new Map() }
      node.next.set(code, next)
      node = next
    }
    // Of two that look alike the first counts.
    if (node !== root) node.token ??= token
  }
  return root
}

function longestAt(
  index: AddedIndex,
  codes: readonly number[],
  at: number,
): { token: AddedText; end: number } | undefined {
  let found: { token: AddedText; end: number } | undefined
  let node: Node | undefined = index
  for (let i = at; i < codes.length; i++) {
    node = node.next.get(codes[i]!)
    if (!node) break
    if (node.token) found = { token: node.token, end: i + 1 }
  }
  return found
}

/** A stretch of text, or an added token with the white space that it takes along. */
export interface Part {
  readonly text: Aligned
  readonly id: number | undefined
}

/** `metaSpaces`: a space stands for ▁, which is no white space. */
export function cutAtAdded(text: Aligned, index: AddedIndex, characters: Characters, metaSpaces: boolean): Part[] {
  const { codes } = text
  if (index.next.size === 0) return codes.length > 0 ? [{ text, id: undefined }] : []
  const is = (at: number, flag: number) => (characters.flags(codes[at]!) & flag) !== 0
  const isBlank = (at: number) => is(at, SPACE) && !(metaSpaces && codes[at] === 0x20)
  const parts: Part[] = []
  let piece = 0
  const cut = (to: number) => {
    if (piece < to) parts.push({ text: slice(text, piece, to), id: undefined })
  }
  for (let at = 0; at < codes.length; ) {
    const found = longestAt(index, codes, at)
    if (!found) {
      at++
      continue
    }
    const { token, end } = found
    const alone = !(at > 0 && is(at - 1, WORD)) && !(end < codes.length && is(end, WORD))
    if (!token.singleWord || alone) {
      let [from, to] = [at, end]
      if (token.leftStrip) while (from > piece && isBlank(from - 1)) from--
      if (token.rightStrip) while (to < codes.length && isBlank(to)) to++
      cut(from)
      parts.push({ text: slice(text, from, to), id: token.id })
      piece = to
    }
    at = end
  }
  cut(codes.length)
  return parts
}
