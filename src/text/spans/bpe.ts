// Byte-pair encoding of one word, with the bytes of the word that each token stands for: see assembly/text/bpe.ts. A heap of pairs, so that long words
// take n log n.
import type { Bpe } from '../bpe.js'
import type { Host, TextForm } from '../host.js'
import { stringOf } from './aligned.js'
import type { Pieces } from './models.js'
import { letterOf } from './models.js'

interface Symbols {
  readonly ids: number[]
  /** Bytes of each. */
  readonly sizes: number[]
}

interface Indexed extends Bpe {
  /** Tokens by their texts; where words are bytes, whole words in the byte alphabet. */
  readonly ids: ReadonlyMap<string, number>
  /** Of the tokens that stand for bytes, and of those for the last byte of a word. (256) */
  readonly bytes: Int32Array
  readonly lastBytes: Int32Array
  /** Bytes that a character counts for. */
  width(code: number): number
}

export function bpeWord(codes: readonly number[], bpe: Indexed, form: TextForm, host: Host): Pieces {
  const text = stringOf(codes)
  const bytes = form === 'bytes' ? new TextEncoder().encode(text) : undefined
  if (bpe.wholeWords) {
    const id = bpe.ids.get(bytes ? Array.from(bytes, letterOf).join('') : text)
    if (id !== undefined)
      return { ids: [id], begins: [0], ends: [bytes?.length ?? codes.reduce((sum, code) => sum + bpe.width(code), 0)] }
  }
  const symbols = bytes
    ? [...bytes].map((byte, i) => ofByte(byte, i + 1 === bytes.length, bpe))
    : ofCharacters(codes, bpe)
  return merged(symbolsOf(symbols, bpe), host)
}

/** What a word begins as: a byte or a character. */
interface Symbol {
  /** Undefined where no token is just that. */
  readonly id: number | undefined
  readonly size: number
  /** Tokens of its bytes, where they stand in for one. */
  readonly bytes: readonly number[] | undefined
}

function ofByte(byte: number, last: boolean, { bytes, lastBytes }: Indexed): Symbol {
  const id = (last ? lastBytes : bytes)[byte]!
  return { id: id < 0 ? undefined : id, size: 1, bytes: undefined }
}

function ofCharacters(codes: readonly number[], { ids, bytes, byteFallback, suffix = '', width }: Indexed): Symbol[] {
  return codes.map((code, i) => {
    const character = String.fromCodePoint(code)
    const id = ids.get(i + 1 === codes.length ? character + suffix : character)
    const parts =
      id === undefined && byteFallback ? [...new TextEncoder().encode(character)].map(byte => bytes[byte]!) : [-1]
    return { id, size: width(code), bytes: parts.includes(-1) ? undefined : parts }
  })
}

function symbolsOf(symbols: readonly Symbol[], { unknown, fuseUnknown }: Indexed): Symbols {
  const to: Symbols = { ids: [], sizes: [] }
  const put = (id: number, size: number) => {
    to.ids.push(id)
    to.sizes.push(size)
  }
  // Bytes of what is unknown and has not been put yet: only a known character does that, tokens of bytes come before.
  let waiting = 0
  const putUnknown = () => {
    if (waiting > 0) put(unknown!, waiting)
    waiting = 0
  }
  for (const { id, size, bytes } of symbols) {
    if (id !== undefined) {
      putUnknown()
      put(id, size)
    } else if (bytes) for (const each of bytes) put(each, 1)
    else if (unknown !== undefined) {
      if (!fuseUnknown) putUnknown()
      waiting += size
    }
  }
  putUnknown()
  return to
}

/** By rank, then place. */
interface Entry {
  readonly rank: number
  readonly place: number
}

function push(heap: Entry[], entry: Entry): void {
  let at = heap.length
  heap.push(entry)
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!isBefore(entry, heap[parent]!)) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = entry
}

function pop(heap: Entry[]): Entry {
  const first = heap[0]!
  const last = heap.pop()!
  for (let at = 0; heap.length > 0; ) {
    let child = 2 * at + 1
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
    if (child >= heap.length || !isBefore(heap[child]!, last)) {
      heap[at] = last
      break
    }
    heap[at] = heap[child]!
    at = child
  }
  return first
}

const isBefore = (a: Entry, b: Entry) => a.rank < b.rank || (a.rank === b.rank && a.place < b.place)

function merged({ ids, sizes }: Symbols, { module, memory }: Host): Pieces {
  const count = ids.length
  const next = Int32Array.from(ids, (_, i) => i + 1)
  const previous = Int32Array.from(ids, (_, i) => i - 1)
  const ranks = new Float64Array(count).fill(-1)
  const results = new Int32Array(count)
  const heap: Entry[] = []
  const rank = (i: number) => {
    ranks[i] = -1
    const j = next[i]!
    if (j >= count) return
    const cell = new Uint32Array(memory.buffer, module.pairAt(ids[i]!, ids[j]!) >>> 0, 4)
    if (cell[0] === 0) return
    ranks[i] = cell[2]!
    results[i] = cell[3]!
    push(heap, { rank: cell[2]!, place: i })
  }
  for (let i = 0; i + 1 < count; i++) rank(i)
  while (heap.length > 0) {
    const { rank: wanted, place: i } = pop(heap)
    if (ranks[i] !== wanted) continue
    const gone = next[i]!
    ids[i] = results[i]!
    sizes[i]! += sizes[gone]!
    next[i] = next[gone]!
    ranks[gone] = -1
    if (next[i]! < count) previous[next[i]!] = i
    rank(i)
    if (previous[i]! >= 0) rank(previous[i]!)
  }
  const pieces: Pieces = { ids: [], begins: [], ends: [] }
  for (let i = 0, byte = 0; i < count; i = next[i]!) {
    pieces.ids.push(ids[i]!)
    pieces.begins.push(byte)
    byte += sizes[i]!
    pieces.ends.push(byte)
  }
  return pieces
}
