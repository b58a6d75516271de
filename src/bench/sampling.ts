// Sampling: rows a second of each kind of draw, checked first: every row once, in range, as often as its weight says.
import { createLengthBatches } from '../data/batches-by-length.js'
import { createSampler } from '../data/sampler.js'
import { createPermutation } from '../data/sampling-permutation.js'
import { createWeightedChoice } from '../data/sampling-weighted.js'
import { processorName } from '../runtime/child.js'
import { commit } from '../version.js'
import type { Report } from './row.js'
import { timeCalls } from './timing.js'

const BLOCK = 1 << 20
const BILLION = 1_000_000_000

interface SamplingCase {
  readonly name: string
  readonly shape: string
  /** The part of what was drawn that is wrong. */
  wrong(): number
  /** Draws so many rows. */
  readonly rows: number
  draw(): void
}

/** `seconds`: of each kind. */
export async function benchSampling(seconds: number, report: Report): Promise<void> {
  for (const make of [permutation, weighted, negatives, byLength]) {
    const { name, shape, wrong, rows, draw } = make()
    const error = wrong()
    const time = await timeCalls(async () => draw(), { seconds })
    report({
      ...{ name, shape, backend: 'none' as const, variant: 'wasm, 1 thread', threads: 1 },
      ...{ verified: error === 0, max_error: error, milliseconds: time, rows_per_second: (rows / time) * 1000 },
      ...{ adapter: processorName(), commit },
    })
  }
}

/** A billion rows in random order, without a table. */
function permutation(): SamplingCase {
  const large = createPermutation({ seed: 1, rows: BILLION })
  let first = 0
  return {
    name: 'permutation',
    shape: '1 G rows',
    rows: BLOCK,
    wrong() {
      // All rows of a small one, and of the large one pieces from everywhere.
      const rows = 1_000_003
      const all = createPermutation({ seed: 1, rows }).rowsAt(0, 0, rows)
      const pieces = Array.from({ length: 16 }, (_, i) => large.rowsAt(0, i * 62_000_000, BLOCK >> 4))
      return repeatedOrOutside([all], rows) + repeatedOrOutside(pieces, BILLION)
    },
    draw() {
      large.rowsAt(0, first, BLOCK)
      first = (first + BLOCK) % (BILLION - BLOCK)
    },
  }
}

function repeatedOrOutside(pieces: readonly Float64Array[], rows: number): number {
  const seen = new Set<number>()
  let count = 0
  for (const piece of pieces) {
    count += piece.length
    for (const row of piece) if (row >= 0 && row < rows && Number.isInteger(row)) seen.add(row)
  }
  return 1 - seen.size / count
}

/** Standard deviations from what was expected that no draw of these seeds has. */
const FAR = 6

function weighted(): SamplingCase {
  const weights = Array.from({ length: 25 }, (_, i) => 1 + i)
  const total = weights.reduce((a, b) => a + b)
  const choice = createWeightedChoice({ seed: 2, weights })
  return {
    name: 'weighted choice',
    shape: '25 outcomes',
    rows: BLOCK,
    wrong() {
      const counts = new Float64Array(weights.length)
      for (const outcome of choice.draw(BLOCK)) counts[outcome]!++
      const far = weights.filter((weight, i) => {
        const [p, count] = [weight / total, counts[i]!]
        return Math.abs(count - p * BLOCK) > FAR * Math.sqrt(p * (1 - p) * BLOCK)
      })
      return far.length / weights.length
    },
    draw: () => void choice.draw(BLOCK),
  }
}

const NEGATIVES = 7

function negatives(): SamplingCase {
  const calls = 1 << 12
  const sampler = createSampler({ seed: 3, examples: 1, batchSize: 1, dropLast: false })
  const draw = () => sampler.drawNegatives(NEGATIVES, 1000).indices
  return {
    name: 'negatives',
    shape: '7 of 1,000',
    rows: NEGATIVES * calls,
    wrong() {
      let wrong = 0
      for (let i = 0; i < calls; i++) {
        const indices = draw()
        const distinct = new Set(indices).size === NEGATIVES && indices.every(index => index >= 0 && index < 1000)
        wrong += distinct ? 0 : 1
      }
      return wrong / calls
    },
    draw() {
      for (let i = 0; i < calls; i++) draw()
    },
  }
}

function byLength(): SamplingCase {
  const rows = 1 << 18
  const tokens = 16384
  const lengths = Int32Array.from({ length: rows }, (_, i) => 4 + ((i * 7919) % 509))
  const batches = createLengthBatches({ seed: 4, lengths, tokens })
  const epoch = () => {
    const found: Int32Array[] = []
    for (let last = false; !last; ) {
      const { indices, lastOfEpoch } = batches.next()
      found.push(indices)
      last = lastOfEpoch
    }
    return found
  }
  return {
    name: 'batches by length',
    shape: '16,384 tokens',
    rows,
    wrong() {
      const found = epoch()
      const over = found.filter(indices => indices.reduce((sum, row) => sum + lengths[row]!, 0) > tokens)
      const seen = new Set(found.flatMap(indices => [...indices]))
      return over.length / found.length + (1 - seen.size / rows)
    },
    draw: () => void epoch(),
  }
}
