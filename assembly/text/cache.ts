// A word of any pipeline but BERT's to its ids. Text repeats its words, so that the direct-mapped cache of words.ts
// answers nearly always; the model is asked for the others. An entry is told from another by its bytes and their
// number: a word may hold zero bytes.
//
// Cache entry, one line of 64 bytes: the word (32, zeros behind it), up to 7 ids (28), u16 their number, u16 bytes of
// the word.
import { bpeToIds } from './bpe'
import { countingToIds } from './counting'
import { at4 } from './memory'
import { follow, NONE, valueOf, WORDS } from './trie'
import { unigramToIds } from './unigram'
import {
  CACHED_IDS,
  COUNT_AT,
  emit,
  entryOf,
  firstBytes,
  holds,
  KEY_BYTES,
  output,
  setOutput,
  unknown,
  wordPieceToIds,
} from './words'

const WORDPIECE: u32 = 0
const BPE: u32 = 1
const UNIGRAM: u32 = 2
const WORDLEVEL: u32 = 3
const COUNTING: u32 = 4

let model: u32 = WORDPIECE

export function setModel(kind: u32): void {
  model = kind
}

const BYTES_AT: usize = COUNT_AT + 2

/** A word that is not empty. */
export function wordToIds(start: usize, end: usize): void {
  const bytes = <u32>(end - start)
  if (bytes > KEY_BYTES) {
    modelToIds(start, end)
    return
  }
  const low = v128.and(v128.load(start), firstBytes(min<u32>(bytes, 16)))
  const high = bytes > 16 ? v128.and(v128.load(start, 16), firstBytes(bytes - 16)) : i64x2.splat(0)
  const entry = entryOf(low, high)
  if (holds(entry, low, high) && load<u16>(entry, BYTES_AT) == bytes) {
    const to = output
    v128.store(to, v128.load(entry, 32))
    v128.store(to, v128.load(entry, 48), 16)
    setOutput(at4(to, load<u16>(entry, COUNT_AT)))
  } else learn(entry, low, high, start, bytes)
}

function learn(entry: usize, low: v128, high: v128, start: usize, bytes: u32): void {
  const first = output
  modelToIds(start, start + bytes)
  const count = <u32>((output - first) >> 2)
  if (count > CACHED_IDS) return
  v128.store(entry, low)
  v128.store(entry, high, 16)
  memory.copy(entry + KEY_BYTES, first, at4(0, count))
  store<u32>(entry, count | (bytes << 16), COUNT_AT)
}

function modelToIds(start: usize, end: usize): void {
  if (model == BPE) bpeToIds(start, end)
  else if (model == UNIGRAM) unigramToIds(start, end)
  else if (model == WORDLEVEL) wordLevelToIds(start, end)
  else if (model == COUNTING) countingToIds(start, end)
  else wordPieceToIds(start, end)
}

function wordLevelToIds(start: usize, end: usize): void {
  let node = WORDS
  for (let p = start; p < end; p++) {
    node = follow(node, load<u8>(p))
    if (!node) break
  }
  const id = node ? valueOf(node) : NONE
  emit(id == NONE ? unknown : id)
}
