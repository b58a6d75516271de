// Two texts as one sequence, put together by the pair template. Where they are too long, the longer one is cut first
// ("longest_first" of the Hugging Face tokenizers).
import type { PackedIds } from './blocks.js'
import type { TemplatePiece } from './template.js'

export interface PackedPairs extends PackedIds {
  /** 0 for the first text and its special tokens, 1 for the second (as the template says). (offsets[pairs]) */
  readonly typeIds: Int32Array
}

/**
 * How many ids of each text stay when both together may have `limit`. Of two equally long texts the second gets the odd
 * id.
 */
export function longestFirst(first: number, second: number, limit: number): [number, number] {
  if (first + second <= limit) return [first, second]
  const keep = Math.min(first, second, Math.floor(limit / 2))
  return first > second ? [limit - keep, keep] : [keep, limit - keep]
}

/** `limit`: ids of both texts at most, special ones not counted. */
export function joinPairs(
  first: PackedIds,
  second: PackedIds,
  pieces: readonly TemplatePiece[],
  limit: number,
): PackedPairs {
  const pairs = first.offsets.length - 1
  const added = pieces.reduce((sum, piece) => sum + (piece.kind === 'special' ? piece.ids.length : 0), 0)
  const capacity = first.ids.length + second.ids.length + pairs * added
  const [ids, typeIds] = [new Int32Array(capacity), new Int32Array(capacity)]
  const offsets = new Int32Array(pairs + 1)
  let [end, truncated] = [0, 0]
  for (let i = 0; i < pairs; i++) {
    const texts = { first: idsOf(first, i), second: idsOf(second, i) }
    const [keepFirst, keepSecond] = longestFirst(texts.first.length, texts.second.length, limit)
    if (keepFirst < texts.first.length || keepSecond < texts.second.length) truncated++
    for (const piece of pieces) {
      const from =
        piece.kind === 'special'
          ? piece.ids
          : texts[piece.text].subarray(0, piece.text === 'first' ? keepFirst : keepSecond)
      ids.set(from, end)
      typeIds.fill(piece.type, end, end + from.length)
      end += from.length
    }
    offsets[i + 1] = end
  }
  return { ids: ids.slice(0, end), typeIds: typeIds.slice(0, end), offsets, truncated }
}

const idsOf = ({ ids, offsets }: PackedIds, i: number) => ids.subarray(offsets[i], offsets[i + 1])
