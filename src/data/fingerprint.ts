// A short hash of a collection's content, so that two scores can be seen to come from the same data. SHA-256 (Web
// Crypto) over JSON lines of ids, texts and judgements. crypto.subtle cannot go on where it stopped, so blocks of 4 MiB
// are hashed, then their hashes: memory stays small however large the corpus is.
import type { Collection } from './collection.js'
import { compareIds } from './trec.js'

const blockBytes = 1 << 22

/**
 * 16 hexadecimal digits. Documents and queries count in the order of their files (it decides what a seed draws),
 * judgements do not: files that hold the same judgements in another order give the same hash.
 */
export async function hashCollection({
  documents,
  queries,
  qrels,
}: Pick<Collection, 'documents' | 'queries' | 'qrels'>) {
  return hashLines(collectionLines({ documents, queries, qrels }))
}

// JSON keeps apart what plain joining would not: ("a", "bc") and ("ab", "c").
function* collectionLines({ documents, queries, qrels }: Pick<Collection, 'documents' | 'queries' | 'qrels'>) {
  yield `documents ${documents.ids.length}`
  for (const [i, id] of documents.ids.entries()) yield JSON.stringify([id, documents.texts[i]])
  yield `queries ${queries.ids.length}`
  for (const [i, id] of queries.ids.entries()) yield JSON.stringify([id, queries.texts[i]])
  yield `judgements ${qrels.size}`
  for (const query of [...qrels.keys()].sort(compareIds)) {
    const grades = [...qrels.get(query)!].sort(([a], [b]) => compareIds(a, b))
    yield JSON.stringify([query, grades])
  }
}

/** The hash of any lines, as `hashCollection` makes it: of training pairs, of a recipe. */
export async function hashLines(lines: Iterable<string>): Promise<string> {
  const encoder = new TextEncoder()
  const hashes: Uint8Array[] = []
  const block = new Uint8Array(blockBytes)
  let filled = 0
  for (const line of lines) {
    for (let bytes = encoder.encode(`${line}\n`); bytes.length > 0; ) {
      const taken = bytes.subarray(0, blockBytes - filled)
      block.set(taken, filled)
      filled += taken.length
      bytes = bytes.subarray(taken.length)
      if (filled < blockBytes) continue
      hashes.push(await sha256(block))
      filled = 0
    }
  }
  hashes.push(await sha256(block.subarray(0, filled)))
  const all = new Uint8Array(hashes.length * 32)
  for (const [i, hash] of hashes.entries()) all.set(hash, i * 32)
  return Array.from((await sha256(all)).subarray(0, 8), byte => byte.toString(16).padStart(2, '0')).join('')
}

const sha256 = async (bytes: Uint8Array<ArrayBuffer>) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
