// Training sets as a run trains on them: tokenized with their prompts and lengths, an example for every positive.
import type { Collection } from '../data/collection.js'
import { hashLines } from '../data/fingerprint.js'
import { expandPairs } from '../data/pairs.js'
import { joinBatches } from '../model/batch.js'
import { onThreads } from '../text/on-threads.js'
import type { Example } from '../train/loop.js'
import type { BatchedPairs } from './batches.js'
import { cardOf, type SetCard } from './mixture-card.js'
import { type ModelSource, packTexts, promptFor } from './model.js'
import { hashPairs, type ReadOptions, type RemovedPair, readSets, setNames, type TrainSet } from './training-sets.js'

export interface TokenizedPairs extends BatchedPairs {
  readonly pairs: number
  readonly truncated: number
  readonly warnings: readonly string[]
  /** Lines for people: how negatives were found. */
  readonly notes: readonly string[]
  readonly hash: string
  /** (sets) */
  readonly cards: readonly SetCard[]
  readonly removed: readonly RemovedPair[]
  /** What was held out of training, to be searched for in the passages of all pairs. */
  readonly heldOut?: Collection
}

export interface MixtureOptions extends ReadOptions {
  /** To tokenize on; default: the cores there are. */
  readonly threads?: number | undefined
  /** Tokens of a query, where they may be fewer than of a document. */
  readonly queryMaxLength?: number
}

/** LLM retrievers' form, a real newline in it (Wang et al. 2024). */
export const instruction = (prompt: string): string => `Instruct: ${prompt}\nQuery: `

interface Bucket {
  readonly kind: 'query' | 'document'
  readonly prompt: string
  readonly length: number
  readonly rows: Map<string, number>
}

/** Distinct texts, gathered by side, prompt and length, so that each is tokenized once. */
function createStore(source: ModelSource) {
  const buckets = new Map<string, Bucket>()
  const keep = (kind: Bucket['kind'], prompt: string, length: number, text: string) => {
    const key = JSON.stringify([kind, prompt, length])
    const bucket = buckets.get(key) ?? { kind, prompt, length, rows: new Map<string, number>() }
    buckets.set(key, bucket)
    const row = bucket.rows.get(text) ?? bucket.rows.size
    bucket.rows.set(text, row)
    return { bucket, row }
  }
  const texts = () => [...buckets.values()].flatMap(({ rows }) => [...rows.keys()])
  const pack = () => {
    // Queries come first.
    const ordered = [...buckets.values()].sort((a, b) => Number(a.kind === 'document') - Number(b.kind === 'document'))
    const firstOf = new Map<Bucket, number>()
    let first = 0
    for (const bucket of ordered) {
      firstOf.set(bucket, first)
      first += bucket.rows.size
    }
    const { tokenizer, settings } = source
    const packed = ordered.map(({ kind, prompt, length, rows }) =>
      packTexts(tokenizer!, settings, kind, [...rows.keys()], length, prompt),
    )
    return {
      texts: joinBatches(packed),
      truncated: packed.reduce((sum, each) => sum + each.truncated, 0),
      rowOf: ({ bucket, row }: { bucket: Bucket; row: number }) => firstOf.get(bucket)! + row,
    }
  }
  return { keep, texts, pack }
}

/** Of all files and folders together: one example for every positive; each distinct text is tokenized once a side. */
export async function tokenizePairs(
  sets: readonly (string | TrainSet)[],
  source: ModelSource,
  maxLength: number,
  options: MixtureOptions = {},
): Promise<TokenizedPairs> {
  const names = setNames(sets)
  const settings = sets.map((set): TrainSet => (typeof set === 'string' ? { path: set } : set))
  const { pairs, warnings, notes, removed, heldOut: dev } = await readSets(sets, names, options)
  const store = createStore(source)
  const plain = { query: promptFor(source.settings, 'query'), document: promptFor(source.settings, 'document') }
  const kept = pairs.flatMap(({ pair, set }) => {
    const { prompts = [], symmetric = false, ...lengths } = settings[set]!
    const length = lengths.max_length ?? maxLength
    const queryLength = lengths.query_max_length ?? options.queryMaxLength ?? length
    // A pair's own prompt stands in place of its set's, and that of the model's.
    const own = pair.prompt === undefined ? prompts.map(instruction) : [pair.prompt]
    const forms = (own.length > 0 ? own : [plain.query]).map(prompt => {
      const before = symmetric && own.length > 0 ? prompt : plain.document
      const document = (text: string) => store.keep('document', before, length, text)
      const negatives = pair.negatives.map(document)
      const query = store.keep('query', prompt, queryLength, pair.query)
      return pair.positives.map(positive => ({ query, positive: document(positive), negatives }))
    })
    return expandPairs([pair]).map(({ scores }, i) => ({ set, scores, forms: forms.map(form => form[i]!) }))
  })
  const { texts, truncated, rowOf } = await onThreads(source.tokenizer!, store.texts(), store.pack, options.threads)
  const examples = kept.map(({ forms, scores }): Example => {
    const rows = forms.map(({ query, positive, negatives }) => ({
      ...(scores && { scores }),
      ...{ query: rowOf(query), positive: rowOf(positive), negatives: negatives.map(rowOf) },
    }))
    return rows.length === 1 ? rows[0]! : { ...rows[0]!, variants: rows }
  })
  const setOf = Int32Array.from(kept, ({ set }) => set)
  const special = settings.some(({ prompts, symmetric, query_max_length, max_length }) =>
    Boolean(prompts?.length || symmetric || query_max_length || max_length),
  )
  return {
    ...(dev && { heldOut: dev }),
    ...{ texts, examples, sets: names, setOf, pairs: pairs.length, truncated, warnings, notes, removed },
    hash: await hashLines([
      await hashPairs(pairs.map(({ pair }) => pair)),
      ...(special ? [JSON.stringify(settings.map(({ path: _, ...rest }) => rest))] : []),
    ]),
    cards: names.map((name, set) => cardOf(name, set, settings[set]!, pairs, { examples, setOf, texts }, removed)),
  }
}
