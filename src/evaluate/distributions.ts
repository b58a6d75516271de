// Which collections are alike (Lee et al. 2023, arXiv:2311.09765, appendix B). 50 documents are drawn of every set and embedded; each votes for the
// set, not its own, that holds its nearest neighbour by dot product; a set's most-voted set is its neighbour; sets that such links connect are a
// group. All of it 5 times: two sets are alike where they share a group more than 3 times.
import { startSampling } from '../data/sampling.js'
import { drawsOf } from '../data/sampling-draws.js'

/** A collection's documents as vectors. */
export interface SetVectors {
  readonly name: string
  readonly vectors: Float32Array // (documents, width)
}

export interface DistributionOptions {
  /** Drawn of every set; all of a smaller one. Default 50. */
  readonly documents?: number
  /** Default 5. */
  readonly repetitions?: number
  /** Two sets are alike that share a group more often than this. Default 3. */
  readonly moreThan?: number
  readonly seed?: number
}

export interface Distributions {
  readonly names: readonly string[]
  /** (sets, sets): how often two share a group; on the diagonal the repetitions. */
  readonly together: readonly (readonly number[])[]
  readonly repetitions: number
  readonly moreThan: number
  /** Of every repetition the neighbour of each set. */
  readonly neighbours: readonly (readonly number[])[]
}

/** Fails where there are fewer than two sets, or one without documents. `width`: columns of every vector. */
export function compareDistributions(
  sets: readonly SetVectors[],
  width: number,
  { documents = 50, repetitions = 5, moreThan = 3, seed = 1 }: DistributionOptions = {},
): Distributions {
  if (sets.length < 2) throw new Error(`similarity of distributions needs two sets or more, found ${sets.length}`)
  const empty = sets.find(({ vectors }) => vectors.length < width)
  if (empty) throw new Error(`similarity of distributions: ${empty.name} has no documents`)
  const together = sets.map(() => sets.map(() => 0))
  const neighbours = Array.from({ length: repetitions }, (_, repetition) => {
    const draws = drawsOf(startSampling(seed, repetition))
    const samples = sets.map(({ vectors }) => {
      const rows = vectors.length / width
      return sampleRows(vectors, width, draws.drawNegatives(Math.min(documents, rows), rows).indices)
    })
    const links = nearestSets(samples, width)
    const groups = connectedGroups(links)
    groups.forEach((group, a) => {
      groups.forEach((other, b) => {
        if (group === other) together[a]![b]!++
      })
    })
    return links
  })
  return { names: sets.map(({ name }) => name), together, repetitions, moreThan, neighbours }
}

function sampleRows(vectors: Float32Array, width: number, rows: Int32Array): Float32Array {
  const out = new Float32Array(rows.length * width)
  rows.forEach((row, i) => {
    out.set(vectors.subarray(row * width, (row + 1) * width), i * width)
  })
  return out
}

/** For each set the other one that holds the nearest neighbours of most of its rows; ties go to the set that comes first. */
export function nearestSets(samples: readonly Float32Array[], width: number): number[] {
  return samples.map((own, s) => {
    const votes = samples.map(() => 0)
    for (let row = 0; row < own.length; row += width) votes[nearestSet(own, row, s, samples, width)]!++
    return votes.reduce((best, count, set) => (set !== s && (best < 0 || count > votes[best]!) ? set : best), -1)
  })
}

function nearestSet(
  own: Float32Array,
  row: number,
  ownSet: number,
  samples: readonly Float32Array[],
  width: number,
): number {
  let [best, found] = [Number.NEGATIVE_INFINITY, -1]
  for (const [set, other] of samples.entries()) {
    if (set === ownSet) continue
    for (let at = 0; at < other.length; at += width) {
      let sum = 0
      for (let c = 0; c < width; c++) sum += own[row + c]! * other[at + c]!
      if (sum > best || found < 0) [best, found] = [sum, set]
    }
  }
  return found
}

/** The group of each set, named by the least of its members; `links`: another set for each. */
export function connectedGroups(links: readonly number[]): number[] {
  const group = links.map((_, set) => set)
  const root = (set: number): number => (group[set] === set ? set : root(group[set]!))
  for (const [set, link] of links.entries()) {
    const [a, b] = [root(set), root(link)]
    group[Math.max(a, b)] = Math.min(a, b)
  }
  return group.map((_, set) => root(set))
}

/** Whether two sets share a group often enough. Fails at a name that is none of them. */
export function areAlike({ names, together, moreThan }: Distributions, a: string, b: string): boolean {
  const [i, j] = [a, b].map(name => {
    const at = names.indexOf(name)
    if (at < 0) throw new Error(`there is no set ${name} among ${names.join(', ')}`)
    return at
  }) as [number, number]
  return together[i]![j]! > moreThan
}

/** The sets that are alike one of `trained`, and the others; those of `trained` are in neither. */
export function splitByLikeness(
  distributions: Distributions,
  trained: readonly string[],
): { readonly alike: readonly string[]; readonly different: readonly string[] } {
  const others = distributions.names.filter(name => !trained.includes(name))
  const alike = others.filter(name => trained.some(each => areAlike(distributions, each, name)))
  return { alike, different: others.filter(name => !alike.includes(name)) }
}
