// Pieces of words by merging (Sennrich et al. 2016, in WordPiece's spelling): the pair of neighbours that occurs most often becomes a piece, again and
// again. Counts are kept by pair and changed only where a merge happened, so that a merge costs what it changes.

/** A pair of neighbours, how often it occurs, and the words it occurs in. */
interface Pair {
  readonly left: string
  readonly right: string
  count: number
  readonly words: Set<number>
}

/** Pairs met once say nothing about the language. */
const LEAST = 2

/**
 * At most `most` new pieces in the order of their merging. Of equally frequent pairs the first by code units is merged, so that the
 * result depends on the counts alone, not on their order.
 */
export function mergePieces(counts: ReadonlyMap<string, number>, most: number): string[] {
  const words = [...counts.keys()].sort()
  const weights = words.map(word => counts.get(word)!)
  const pieces = words.map(word => Array.from(word, (character, i) => (i === 0 ? character : `##${character}`)))
  const pairs = new Map<string, Pair>()
  const queue: QueueEntry[] = []
  const changed = new Set<Pair>()
  const count = (word: number, left: string, right: string, change: number) => {
    const key = `${left}\0${right}`
    const pair: Pair = pairs.get(key) ?? { left, right, count: 0, words: new Set() }
    pair.count += change
    if (change > 0) pair.words.add(word)
    pairs.set(key, pair)
    changed.add(pair)
  }
  const countAll = (word: number, sign: 1 | -1) => {
    const row = pieces[word]!
    for (let i = 1; i < row.length; i++) count(word, row[i - 1]!, row[i]!, sign * weights[word]!)
  }
  const enqueueChanged = () => {
    for (const pair of changed) if (pair.count >= LEAST) push(queue, { count: pair.count, pair })
    changed.clear()
  }
  for (const word of words.keys()) countAll(word, 1)
  enqueueChanged()
  const known = new Set<string>(pieces.flat())
  const merged: string[] = []
  while (merged.length < most) {
    const next = pop(queue)
    if (!next) break
    const { pair } = next
    // Counted anew since it was queued: its later entry counts.
    if (next.count !== pair.count) continue
    const piece = pair.left + pair.right.slice(2)
    for (const word of pair.words) {
      const row = pieces[word]!
      if (!holds(row, pair)) continue
      countAll(word, -1)
      pieces[word] = mergeIn(row, pair, piece)
      countAll(word, 1)
    }
    pair.words.clear()
    enqueueChanged()
    // Two pairs may spell one piece.
    if (!known.has(piece)) merged.push(piece)
    known.add(piece)
  }
  return merged
}

const holds = (row: readonly string[], { left, right }: Pair): boolean =>
  row.some((piece, i) => piece === left && row[i + 1] === right)

function mergeIn(row: readonly string[], { left, right }: Pair, piece: string): string[] {
  const result: string[] = []
  for (let i = 0; i < row.length; i++) {
    const meets = row[i] === left && row[i + 1] === right
    result.push(meets ? piece : row[i]!)
    if (meets) i++
  }
  return result
}

interface QueueEntry {
  readonly count: number
  readonly pair: Pair
}

const before = (a: QueueEntry, b: QueueEntry): boolean => {
  if (a.count !== b.count) return a.count > b.count
  if (a.pair.left !== b.pair.left) return a.pair.left < b.pair.left
  return a.pair.right < b.pair.right
}

// A binary heap: the parent of entry i is entry (i − 1) / 2.
function push(heap: QueueEntry[], entry: QueueEntry): void {
  let at = heap.length
  heap.push(entry)
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!before(entry, heap[parent]!)) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = entry
}

function pop(heap: QueueEntry[]): QueueEntry | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (!first || !last || heap.length === 0) return first
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
    if (!before(heap[child]!, last)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = last
  return first
}
