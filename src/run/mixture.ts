// Training sets as a run uses them: read, sampled, freed of near-duplicates, tokenized with their prompts and lengths; and what is in them, a line
// each, for people.

import { type Collection, textWith } from '../data/collection.js'
import { counted } from '../data/counted.js'
import { devCollection, heldOut } from '../data/dev-split.js'
import { hashLines } from '../data/fingerprint.js'
import { findNearDuplicates, type NearDuplicateSettings } from '../data/near-duplicates.js'
import { expandPairs, loadPairs, sentencePairs, type TrainingPair } from '../data/pairs.js'
import { sampleStream } from '../data/sampling-reservoir.js'
import { joinBatches } from '../model/batch.js'
import type { NegativeSettings } from '../recipe/negatives.js'
import { baseName, dirname } from '../runtime/files.js'
import { onThreads } from '../text/on-threads.js'
import type { Example } from '../train/loop.js'
import type { BatchedPairs } from './batches.js'
import { type MiningSearch, minePairs, searchByWords } from './mine.js'
import { type ModelSource, packTexts, promptFor } from './model.js'
import { withMinedNegatives } from './negatives.js'
import { miningDepth, miningRules } from './self-mining.js'

/** A training set of a mixture. */
export interface TrainSet {
  readonly path: string
  /** Default: the last name of the path. */
  readonly name?: string | undefined
  /** `Instruct: {prompt}\nQuery: ` stands before its queries; of several one is drawn each time. */
  readonly prompts?: readonly string[] | undefined
  /** Whether its documents get the queries' prompt too: both sides are of one kind. */
  readonly symmetric?: boolean | undefined
  /** Tokens of a query, and of a document; default: the training's. */
  readonly query_max_length?: number | undefined
  readonly max_length?: number | undefined
}

/** What is said of a set before training. */
export interface SetCard {
  readonly name: string
  readonly pairs: number
  /** One for every positive. */
  readonly examples: number
  /** Of its distinct texts. */
  readonly tokens: number
  /** The fewest hard negatives of an example, and the mean. */
  readonly negatives: { readonly least: number; readonly mean: number }
  readonly prompts: number
  readonly symmetric: boolean
  readonly removed: number
}

/** A pair that was left out as a near-duplicate. */
export interface RemovedPair {
  readonly set: string
  readonly query: string
  readonly of: { readonly set: string; readonly query: string }
  /** Bits that differ. */
  readonly distance: number
}

export interface TokenizedPairs extends BatchedPairs {
  readonly pairs: number
  readonly truncated: number
  readonly warnings: readonly string[]
  readonly hash: string
  /** (sets) */
  readonly cards: readonly SetCard[]
  readonly removed: readonly RemovedPair[]
  /** What was held out of training, to be searched for in the passages of all pairs. */
  readonly heldOut?: Collection
}

/** Pairs kept of each set, and the seed that draws them. */
export interface PairSample {
  readonly size: number
  readonly seed: number
}

export interface MixtureOptions {
  /** Between a document's title and its text; default a space. */
  readonly titleSeparator?: string
  readonly sentenceQueries?: boolean
  /** To tokenize on; default: the cores there are. */
  readonly threads?: number | undefined
  readonly sample?: PairSample
  /** Tokens of a query, where they may be fewer than of a document. */
  readonly queryMaxLength?: number
  /** Absent: near-duplicates stay. */
  readonly nearDuplicates?: NearDuplicateSettings
  /** Queries held out of training for a dev split. */
  readonly held?: { readonly share: number; readonly seed: number }
  /** Hard negatives by BM25 in place of the sets' own. */
  readonly byWords?: NegativeSettings
  /** Hard negatives of a pair that has fewer; absent: none are mined. */
  readonly minedNegatives?: number
  /** Who ranks those; default: BM25. */
  readonly minedBy?: MiningSearch
}

interface ReadPair {
  readonly pair: TrainingPair
  readonly set: number
}

/** The names that sets go by: those given, else the last names of their paths, with the folder's where two are the same. */
export function setNames(sets: readonly (string | TrainSet)[]): string[] {
  const given = sets.map(set => (typeof set === 'string' ? { path: set, name: undefined } : set))
  const short = given.map(({ path, name }) => name ?? baseName(path.replace(/^builtin:/, '')))
  const long = given.map(({ path, name }, i) =>
    name === undefined && short.filter(other => other === short[i]).length > 1
      ? `${baseName(dirname(path.replace(/^builtin:/, '')))}/${short[i]}`
      : short[i]!,
  )
  return long.map((name, i) =>
    long.indexOf(name) < i ? `${name}-${long.slice(0, i + 1).filter(n => n === name).length}` : name,
  )
}

/** The pairs of all sets one behind another, and the set of each; sentence queries, of all of them, come last. */
async function readSets(
  sets: readonly (string | TrainSet)[],
  names: readonly string[],
  {
    sentenceQueries = false,
    titleSeparator,
    sample,
    nearDuplicates,
    minedNegatives,
    minedBy,
    byWords,
    held,
  }: MixtureOptions,
): Promise<{ pairs: ReadPair[]; warnings: string[]; removed: RemovedPair[]; heldOut?: Collection }> {
  const all: ReadPair[] = []
  const warnings: string[] = []
  const hashes: string[] = []
  for (const [i, set] of sets.entries()) {
    const path = typeof set === 'string' ? set : set.path
    const read = await loadPairs(path, titleSeparator === undefined ? {} : { textOf: textWith(titleSeparator) })
    const kept = sample ? await samplePairs(read.pairs, sample) : read.pairs
    for (const pair of kept) all.push({ pair, set: i })
    warnings.push(...read.warnings)
    hashes.push(await hashLines(kept.map(({ query, positives }) => JSON.stringify([query, positives])).sort()))
    const same = hashes.indexOf(hashes[i]!)
    if (same < i) warnings.push(`${names[i]} has the same pairs as ${names[same]}: they count twice`)
  }
  const { pairs, removed } = nearDuplicates
    ? withoutNearDuplicates(all, names, nearDuplicates)
    : { pairs: all, removed: [] }
  if (removed.length > 0)
    warnings.push(`${counted(removed.length, 'near-duplicate')} of ${counted(all.length, 'pair')} left out`)
  const empty = names.find((_, i) => !pairs.some(({ set }) => set === i))
  if (empty !== undefined)
    throw new Error(
      `no pair of the training set ${empty} is left: all of them are near-duplicates of earlier ones; leave the set out, or lower data.near_duplicates.threshold`,
    )
  const dev =
    held &&
    heldOut(
      pairs.map(({ pair }) => pair),
      held.share,
      held.seed,
    )
  const trained = dev ? pairs.filter((_, i) => !dev[i]) : pairs
  const filled = minedNegatives === undefined ? trained : await mineInSets(trained, minedNegatives, minedBy)
  const asking = sentenceQueries ? [...filled, ...sentencesOf(filled)] : filled
  return {
    pairs: byWords ? await mineByWords(asking, byWords) : asking,
    warnings,
    removed,
    ...(dev && { heldOut: split(pairs, dev) }),
  }
}

const split = (pairs: readonly ReadPair[], dev: readonly boolean[]): Collection =>
  devCollection(
    pairs.filter((_, i) => dev[i]).map(({ pair }) => pair),
    pairs.map(({ pair }) => pair),
  )

/** Each set by itself, for its documents are of one kind. */
async function mineInSets(pairs: readonly ReadPair[], count: number, search?: MiningSearch): Promise<ReadPair[]> {
  const mined: ReadPair[] = []
  for (const set of new Set(pairs.map(each => each.set))) {
    const own = pairs.filter(each => each.set === set).map(({ pair }) => pair)
    const rules = { count, keep: true, depth: Math.max(50, 4 * count), choose: 'top', seed: 0 } as const
    const ranked = search ? (await minePairs(own, [], search, rules)).pairs : own
    // BM25 does it all, or finds what a ranking that is full of positives lacks.
    mined.push(...withMinedNegatives(ranked, count).map(pair => ({ pair, set })))
  }
  return mined
}

/** Each set by itself. A pair of which nothing is found keeps its own negatives, or has the next document of its set. */
async function mineByWords(pairs: readonly ReadPair[], settings: NegativeSettings): Promise<ReadPair[]> {
  const mined: ReadPair[] = []
  for (const set of new Set(pairs.map(each => each.set))) {
    const own = pairs.filter(each => each.set === set).map(({ pair }) => pair)
    const documents = [...new Set(own.flatMap(({ positives, negatives }) => [...positives, ...negatives]))]
    const rules = { ...miningRules(settings), depth: miningDepth(settings), seed: 0 }
    const found = (await minePairs(own, documents, searchByWords, rules)).pairs
    const spare = withMinedNegatives(own, 1)
    for (const [i, pair] of found.entries())
      mined.push({ set, pair: pair.negatives.length > 0 ? pair : { ...pair, negatives: spare[i]!.negatives } })
  }
  return mined
}

/** In the order of the file. */
async function samplePairs(pairs: readonly TrainingPair[], { size, seed }: PairSample): Promise<TrainingPair[]> {
  const kept = await sampleStream(pairs.keys(), size, seed)
  return kept.sort((a, b) => a - b).map(row => pairs[row]!)
}

/** Sentences ask in the set that has their document first. */
function sentencesOf(pairs: readonly ReadPair[]): ReadPair[] {
  const firstSetOf = new Map<string, number>()
  for (const { pair, set } of pairs)
    for (const document of pair.positives) if (!firstSetOf.has(document)) firstSetOf.set(document, set)
  return sentencePairs(pairs.map(({ pair }) => pair)).map(pair => ({ pair, set: firstSetOf.get(pair.positives[0]!)! }))
}

/** Two pairs are nearly the same where both their queries and their positives are; another negative does not make another pair. */
function withoutNearDuplicates(all: readonly ReadPair[], names: readonly string[], settings: NearDuplicateSettings) {
  const texts = all.map(({ pair: { query, positives }, set }) => ({
    text: query,
    other: positives.join('\n'),
    group: set,
  }))
  const found = new Map(findNearDuplicates(texts, settings).map(each => [each.index, each]))
  const describe = ({ pair, set }: ReadPair) => ({ set: names[set]!, query: pair.query })
  return {
    pairs: all.filter((_, i) => !found.has(i)),
    removed: [...found.values()].map(
      ({ index, of, distance }): RemovedPair => ({ ...describe(all[index]!), of: describe(all[of]!), distance }),
    ),
  }
}

const hashPairs = (pairs: readonly TrainingPair[]): Promise<string> =>
  hashLines(
    pairs.map(({ query, positives, negatives, positiveScores, negativeScores, prompt }) =>
      JSON.stringify([
        ...[query, positives, negatives, ...(prompt === undefined ? [] : [prompt])],
        ...(positiveScores ? [positiveScores, negativeScores ?? []] : []),
      ]),
    ),
  )

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
  const { pairs, warnings, removed, heldOut: dev } = await readSets(sets, names, options)
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
    ...{ texts, examples, sets: names, setOf, pairs: pairs.length, truncated, warnings, removed },
    hash: await hashLines([
      await hashPairs(pairs.map(({ pair }) => pair)),
      ...(special ? [JSON.stringify(settings.map(({ path: _, ...rest }) => rest))] : []),
    ]),
    cards: names.map((name, set) => cardOf(name, set, settings[set]!, pairs, { examples, setOf, texts }, removed)),
  }
}

function cardOf(
  name: string,
  set: number,
  { prompts = [], symmetric = false }: TrainSet,
  pairs: readonly ReadPair[],
  { examples, setOf, texts }: Pick<BatchedPairs, 'examples' | 'setOf' | 'texts'>,
  removed: readonly RemovedPair[],
): SetCard {
  const own = examples.filter((_, i) => setOf[i] === set)
  const rows = new Set(own.flatMap(({ query, positive, negatives }) => [query, positive, ...negatives]))
  const counts = own.map(({ negatives }) => negatives.length)
  return {
    name,
    pairs: pairs.filter(each => each.set === set).length,
    examples: own.length,
    tokens: [...rows].reduce((sum, row) => sum + texts.offsets[row + 1]! - texts.offsets[row]!, 0),
    negatives: {
      least: counts.reduce((a, b) => Math.min(a, b), counts[0] ?? 0),
      mean: counts.reduce((a, b) => a + b, 0) / Math.max(1, counts.length),
    },
    prompts: prompts.length,
    symmetric,
    removed: removed.filter(each => each.set === name).length,
  }
}

/** The card of a mixture: a line a set, and their sum. `weights`: how often each is drawn; they sum to 1. */
export function mixtureCard(cards: readonly SetCard[], weights?: readonly number[]): string[] {
  const total = weights?.reduce((a, b) => a + b, 0) ?? 0
  const heads = ['set', 'pairs', 'tokens', 'negatives', ...(weights ? ['weight'] : [])]
  const rows = cards.map(({ name, pairs, tokens, negatives: { least, mean } }, i) => [
    ...[name, String(pairs), String(tokens), mean === least ? String(least) : `${least}–, ${mean.toFixed(1)}`],
    ...(weights ? [(weights[i]! / total).toFixed(4)] : []),
  ])
  const sum = (values: readonly number[]) => String(values.reduce((a, b) => a + b, 0))
  const last = ['all', sum(cards.map(card => card.pairs)), sum(cards.map(card => card.tokens)), '']
  const table = [heads, ...rows, ...(cards.length > 1 ? [last] : [])]
  const widths = heads.map((_, column) => Math.max(...table.map(row => (row[column] ?? '').length)))
  return table.map(row =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]! + 2)))
      .join('')
      .trimEnd(),
  )
}
