// Losses, the gradient's norm and AdamW, and the best k.
import { NORM_CHUNK } from '../../../src/backend/kernels.js'
import { seededValues } from '../values.js'
import { caseOf, expectedTensors, type KernelCase, referenceOutput } from './case.js'
import { shapes } from './rows.js'

const random = seededValues(105)

interface Scores {
  readonly name: string
  readonly rows: number
  readonly columns: number
  readonly scores: Float32Array
  readonly targets: Int32Array
}

/** Rows take turns: all columns, a part of them, and the target alone. */
function rowTargets(rows: number, columns: number): Int32Array {
  const targets = new Int32Array(rows * 3)
  for (let row = 0; row < rows; row++) {
    const target = (row * 7 + 1) % columns
    const whole = [0, columns]
    const part = [Math.floor(target / 2), target + Math.ceil((columns - target) / 2)]
    const [begin, end] = [whole, part, [target, target + 1]][row % 3]! as [number, number]
    targets.set([target, begin, end], row * 3)
  }
  return targets
}

function scoreTables(): Scores[] {
  const table = (name: string, rows: number, columns: number, scores: Float32Array) => {
    return { name, rows, columns, scores, targets: rowTargets(Math.max(rows, 1), columns) }
  }
  return [
    ...shapes.map(([rows, columns]) =>
      table(`${rows} rows of ${columns}`, rows, columns, random.normal(rows * columns, 3)),
    ),
    table('temperature 0.05', 33, 127, random.uniform(33 * 127, -20, 20)),
    table('scores of ±500', 13, 257, random.uniform(13 * 257, -500, 500)),
    table('equal scores', 3, 100, new Float32Array(300).fill(2.5)),
    table('no rows', 0, 3, random.normal(3)),
  ]
}

const lossCase = ({ name, rows, columns, scores, targets }: Scores): KernelCase => {
  const tensors = { scores, targets, losses: targets.length / 3, lse: targets.length / 3 }
  return caseOf('softmax_cross_entropy_forward', name, { rows, columns }, tensors, { terms: columns })
}

export const maskDuplicatesCases = (): KernelCase[] =>
  scoreTables().map(({ name, rows, columns, scores, targets }) => {
    const labels = Int32Array.from({ length: columns }, (_, column) => (column * 7) % Math.ceil(columns / 2))
    return caseOf('mask_duplicates', name, { rows, columns }, { targets, labels, scores })
  })

export const crossEntropyForwardCases = (): KernelCase[] => scoreTables().map(lossCase)

export const crossEntropyBackwardCases = (): KernelCase[] =>
  scoreTables().map(table => {
    const { name, rows, columns, scores, targets } = table
    const lse = referenceOutput('softmax_cross_entropy_forward', lossCase(table), 'lse')
    const weights = random.uniform(targets.length / 3, -1, 1).map((weight, row) => (row % 5 === 4 ? 0 : weight))
    return caseOf('softmax_cross_entropy_backward', name, { rows, columns }, { targets, weights, lse, scores })
  })

export const weightedSumCases = (): KernelCase[] =>
  [1, 3, 100, 257, 1000, 20_000, 0].flatMap(count =>
    [0, 1].map(accumulate => {
      // Of one sign, as losses and weights are: a sum that cancels has no relative accuracy to ask for
      const tensors = {
        x: random.uniform(Math.max(count, 1), 0, 5),
        weights: random.uniform(Math.max(count, 1), 0, 1),
        out: accumulate ? random.uniform(1, 0, 3) : 1,
      }
      return caseOf('weighted_sum', `${count}, accumulate ${accumulate}`, { count, accumulate }, tensors, {
        terms: count,
      })
    }),
  )

export function sumOfSquaresCases(): KernelCase[] {
  const squares = (name: string, x: Float32Array, first: number, count = x.length) => {
    const partials = first + Math.ceil(x.length / NORM_CHUNK) + 2
    return caseOf('sum_of_squares', name, { count, first }, { x, partials }, { terms: Math.min(count, NORM_CHUNK) })
  }
  const plain = [1, 7, 257, NORM_CHUNK - 1, NORM_CHUNK, NORM_CHUNK + 1, 50_000, NORM_CHUNK + 4]
  const spoiled = (at: number, value: number) => random.normal(NORM_CHUNK + 300).map((x, i) => (i === at ? value : x))
  return [
    ...plain.map((count, i) => squares(`${count} elements`, random.normal(count), i % 3)),
    squares('NaN', spoiled(5, Number.NaN), 0),
    squares('infinity', spoiled(NORM_CHUNK + 299, -Infinity), 1),
    squares('a square beyond f32', spoiled(1000, 1e25), 2),
    squares('nothing', random.normal(3), 1, 0),
  ]
}

export function gradientNormCases(): KernelCase[] {
  const norm = (name: string, partials: Float32Array, maxNorm: number, count = partials.length, unscale = 1) => {
    const finite = partials.subarray(0, count).every(Number.isFinite)
    const tensors = { partials, state: Float32Array.of(7, 7, 7, 3) }
    // No factor is asked for where the norm is not finite: nothing is multiplied by it
    const options = { terms: count, interleaved: { state: 4 }, ...(finite ? {} : { open: { state: [1] } }) }
    return caseOf('gradient_norm', name, { count, maxNorm, unscale }, tensors, options)
  }
  const spoiled = (count: number, at: number, value: number) =>
    random.uniform(count, 0, 9).map((x, i) => (i === at ? value : x))
  return [
    norm('clipped', random.uniform(1, 4, 9), 1),
    norm('scaled, clipped', random.uniform(300, 4, 9), 1, 300, 2 ** -3),
    norm('scaled, not clipped', random.uniform(5, 4, 9), 0, 5, 2 ** -16),
    norm('below the maximum', random.uniform(7, 0, 1), 100),
    norm('no maximum', random.uniform(257, 0, 9), 0),
    norm('many partials', random.uniform(5000, 0, 9), 0.5),
    norm('fewer than the tensor holds', spoiled(10, 9, Number.NaN), 1, 9),
    norm('a gradient of zeros', new Float32Array(3), 1),
    norm('NaN first', spoiled(3, 0, Number.NaN), 1),
    norm('NaN last', spoiled(1000, 999, Number.NaN), 0),
    norm('infinity', spoiled(130, 77, Infinity), 1),
    norm('infinity, no maximum', spoiled(1, 0, Infinity), 0),
  ]
}

export function adamwCases(): KernelCase[] {
  const step = (
    name: string,
    count: number,
    settings: { decoupled: number; factor?: number; finite?: number; first?: boolean; spoil?: number },
  ) => {
    const { decoupled, factor = 1, finite = 1, first, spoil } = settings
    const t = first ? 1 : 10
    const size = Math.max(count, 5)
    const gradient = random.normal(size, 0.01)
    if (spoil !== undefined) gradient[size - 1] = spoil
    const params = {
      count,
      ...{
        rate: 0.3,
        beta1: 0.9,
        oneMinusBeta1: 0.1,
        beta2: 0.999,
        oneMinusBeta2: 0.001,
        epsilon: count % 2 ? 1e-8 : 1e-3,
        decay: 0.1,
      },
      ...{ correction1: 1 / (1 - 0.9 ** t), correction2: 1 / (1 - 0.999 ** t), decoupled },
    }
    const tensors = {
      gradient,
      state: Float32Array.of(2, factor, finite, 0),
      parameters: random.normal(size),
      m: first ? new Float32Array(size) : random.normal(size, 0.01),
      v: first ? new Float32Array(size) : random.uniform(size, 1e-6, 1e-4),
    }
    return caseOf('adamw', name, params, tensors)
  }
  const still = step('zero gradient and moments', 7, { decoupled: 1, first: true })
  return [
    step('one element', 1, { decoupled: 1 }),
    step('decoupled', 257, { decoupled: 1 }),
    step('coupled', 130, { decoupled: 0 }),
    step('coupled, in vectors of four', 132, { decoupled: 0 }),
    step('clipped', 1000, { decoupled: 1, factor: 0.125 }),
    step('clipped, coupled', 65, { decoupled: 0, factor: 0.125 }),
    step('first step', 5000, { decoupled: 1, first: true }),
    step('a gradient that is not finite', 300, { decoupled: 1, factor: Number.NaN, finite: 0, spoil: Number.NaN }),
    step('an infinite gradient', 300, { decoupled: 0, factor: 0, finite: 0, spoil: Infinity }),
    { ...still, tensors: { ...still.tensors, gradient: new Float32Array(7) } },
    step('nothing', 0, { decoupled: 1 }),
  ]
}

export function topKCases(): KernelCase[] {
  const fresh = (name: string, rows: number, columns: number, k: number, scores: Float32Array, first = 0) => {
    const size = Math.max(rows, 1) * k
    return caseOf('top_k', name, { rows, columns, k, first, fresh: 1 }, { scores, values: size, indices: size })
  }
  const ties = (count: number, kinds: number) => Float32Array.from(random.integers(count, kinds))
  const merged = (name: string, before: KernelCase, columns: number, first: number, scores: Float32Array) => {
    const { values, indices } = expectedTensors('top_k', before, 0)
    const tensors = { scores, values: Float32Array.from(values!), indices: Int32Array.from(indices!) }
    const { rows, k } = before.params as { rows: number; k: number }
    return caseOf('top_k', name, { rows, columns, k, first, fresh: 0 }, tensors)
  }
  const special = random.normal(4 * 65)
  for (let i = 0; i < special.length; i += 3) special[i] = [Number.NaN, -Infinity, Infinity, -0, 0][i % 5]!
  const few = fresh('k larger than the columns', 3, 5, 8, random.normal(15), 2)
  const finite = fresh('', 4, 100, 10, random.normal(400))
  const many = fresh('', 2, 3000, 300, random.normal(6000))
  const rising = Float32Array.from({ length: 1400 }, (_, i) => i)
  const sparse = Float32Array.from({ length: 5 * 67 }, (_, i) => (i % 21 === 0 ? 20 - (i % 4) : -1))
  const [earlier, later] = [fresh('', 5, 100, 10, ties(500, 8)), fresh('', 5, 100, 10, ties(500, 8), 900)]
  return [
    fresh('one', 1, 1, 1, random.normal(1)),
    fresh('the best of 7', 3, 7, 1, random.normal(21)),
    fresh('10 of 257', 33, 257, 10, random.normal(33 * 257)),
    fresh('100 of 3000', 5, 3000, 100, random.normal(15_000)),
    fresh('1024 of 5000', 2, 5000, 1024, random.normal(10_000)),
    fresh('1000 of 1000, ties', 1, 1000, 1000, ties(1000, 20)),
    fresh('many ties', 13, 130, 33, ties(13 * 130, 4)),
    fresh('all equal', 3, 300, 100, new Float32Array(900).fill(-1)),
    fresh(
      'falling',
      1,
      600,
      63,
      Float32Array.from({ length: 600 }, (_, i) => -i),
    ),
    fresh(
      'rising',
      1,
      600,
      63,
      Float32Array.from({ length: 600 }, (_, i) => i),
    ),
    fresh('many rows', 700, 13, 3, ties(700 * 13, 9)),
    few,
    fresh('NaN and infinities', 4, 65, 65, special),
    fresh('only NaN', 2, 7, 10, new Float32Array(14).fill(Number.NaN)),
    merged('later columns', earlier, 33, 100, ties(165, 8)),
    merged('earlier columns', later, 100, 7, ties(500, 8)),
    merged('into missing entries', few, 2, 100, ties(6, 2)),
    merged('worse than all that is held', earlier, 65, 100, new Float32Array(325).fill(-1)),
    merged('−∞ into missing entries', few, 2, 0, new Float32Array(6).fill(-Infinity)),
    merged('more than are inserted one by one', many, 2011, 3000, random.normal(2 * 2011)),
    merged('every later one better', many, 700, 3000, rising),
    merged('one better in each quarter of sixteen', earlier, 67, 100, sparse),
    merged('NaN and infinities into finite ones', finite, 65, 100, special),
    fresh('no rows', 0, 5, 3, random.normal(5)),
  ]
}
