// Training sets as a run reads them: sampled, freed of near-duplicates, a dev split held out, hard negatives mined where they are asked for.
import { type Collection, textWith } from '../data/collection.js'
import { counted } from '../data/counted.js'
import { devCollection, heldOut } from '../data/dev-split.js'
import { hashLines } from '../data/fingerprint.js'
import { findNearDuplicates, type NearDuplicateSettings } from '../data/near-duplicates.js'
import { loadPairs, sentencePairs, type TrainingPair } from '../data/pairs.js'
import { sampleStream } from '../data/sampling-reservoir.js'
import type { NegativeSettings } from '../recipe/negatives.js'
import { baseName, dirname } from '../runtime/files.js'
import { type MiningSearch, minePairs, searchByWords } from './mine.js'
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

/** A pair that was left out as a near-duplicate. */
export interface RemovedPair {
  readonly set: string
  readonly query: string
  readonly of: { readonly set: string; readonly query: string }
  /** Bits that differ. */
  readonly distance: number
}

/** Pairs kept of each set, and the seed that draws them. */
export interface PairSample {
  readonly size: number
  readonly seed: number
}

export interface ReadOptions {
  /** Between a document's title and its text; default a space. */
  readonly titleSeparator?: string
  readonly sentenceQueries?: boolean
  readonly sample?: PairSample
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

/** A pair of one of the sets. */
export interface ReadPair {
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

export interface ReadSets {
  readonly pairs: readonly ReadPair[]
  readonly warnings: readonly string[]
  /** Lines for people: how negatives were found. */
  readonly notes: readonly string[]
  readonly removed: readonly RemovedPair[]
  readonly heldOut?: Collection
}

/** The pairs of all sets one behind another, and the set of each; sentence queries, of all of them, come last. */
export async function readSets(
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
  }: ReadOptions,
): Promise<ReadSets> {
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
  const filled = minedNegatives === undefined ? undefined : await mineInSets(trained, minedNegatives, minedBy)
  const own = filled?.pairs ?? trained
  const asking = sentenceQueries ? [...own, ...sentencesOf(own)] : own
  const found = byWords && (await mineByWords(asking, byWords))
  return {
    pairs: found?.pairs ?? asking,
    notes: [filled, found].flatMap(each => each?.note ?? []),
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

/** Pairs with mined negatives, and what is to be said of how they were found. */
interface Mined {
  readonly pairs: ReadPair[]
  readonly note: string
}

const eachSet = (pairs: readonly ReadPair[]): { set: number; own: TrainingPair[] }[] =>
  [...new Set(pairs.map(each => each.set))].map(set => ({
    set,
    own: pairs.filter(each => each.set === set).map(({ pair }) => pair),
  }))

const noteOf = (positives: number, more = ''): string =>
  `negatives mined: ${counted(positives, 'positive')} among what was found, none of them taken${more}`

/** Each set by itself, for its documents are of one kind. */
async function mineInSets(pairs: readonly ReadPair[], count: number, search?: MiningSearch): Promise<Mined> {
  const mined: ReadPair[] = []
  let positives = 0
  for (const { set, own } of eachSet(pairs)) {
    const rules = { count, keep: true, depth: Math.max(50, 4 * count), choose: 'top', seed: 0 } as const
    const ranked = search && (await minePairs(own, [], search, rules))
    // BM25 does it all, or finds what a ranking that is full of positives lacks.
    const filled = withMinedNegatives(ranked?.pairs ?? own, count)
    positives += ranked?.counts.positives ?? filled.positives
    mined.push(...filled.pairs.map(pair => ({ pair, set })))
  }
  return { pairs: mined, note: noteOf(positives) }
}

/** Each set by itself. A pair of which nothing is found keeps its own negatives, or has the next document of its set. */
async function mineByWords(pairs: readonly ReadPair[], settings: NegativeSettings): Promise<Mined> {
  const mined: ReadPair[] = []
  let [positives, filtered, without] = [0, 0, 0]
  for (const { set, own } of eachSet(pairs)) {
    const documents = [...new Set(own.flatMap(({ positives: right, negatives }) => [...right, ...negatives]))]
    const rules = { ...miningRules(settings), depth: miningDepth(settings), seed: 0 }
    const { pairs: found, counts } = await minePairs(own, documents, searchByWords, rules)
    const spare = withMinedNegatives(own, 1).pairs
    for (const [i, pair] of found.entries())
      mined.push({ set, pair: pair.negatives.length > 0 ? pair : { ...pair, negatives: spare[i]!.negatives } })
    positives += counts.positives
    filtered += counts.filtered
    without += counts.without
  }
  const left = filtered > 0 ? `, ${counted(filtered, 'candidate')} left out by margin or rank` : ''
  const kept =
    without > 0
      ? `; ${counted(without, 'pair')} of which none was left ${without === 1 ? 'has' : 'have'} their own or the next`
      : ''
  return { pairs: mined, note: noteOf(positives, left + kept) }
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

export const hashPairs = (pairs: readonly TrainingPair[]): Promise<string> =>
  hashLines(
    pairs.map(({ query, positives, negatives, positiveScores, negativeScores, prompt }) =>
      JSON.stringify([
        ...[query, positives, negatives, ...(prompt === undefined ? [] : [prompt])],
        ...(positiveScores ? [positiveScores, negativeScores ?? []] : []),
      ]),
    ),
  )
