// How much a domain has still to gain, from the losses of a micro-batch: tDRO's relative loss measurement (paper, formulas 3 and 5), as it is
// printed and as its published code computes it, and the two other designs of its ablation. An absent domain measures 0. All in f64.

/** Examples of all domains; entry i is example i. */
export interface MicroBatch {
  /** Indices of domains. (m) */
  readonly domains: ArrayLike<number>
  /** Of the proxy. (m) */
  readonly loss: ArrayLike<number>
  /** Of the frozen reference model; only what divides or subtracts needs it. (m) */
  readonly reference?: ArrayLike<number>
}

/** `whole step`: once over all examples of a step instead of the mean over its micro-batches. */
export const measurements = ['reference', 'paper', 'paper-whole-step', 'minus', 'direct'] as const
export type Measurement = (typeof measurements)[number]

/** Below this share of a micro-batch's reference losses an example is not divided by it: absolute, so it depends on m. */
const SMALLEST_SHARE = 1e-4
const TINY = 1e-12

/** M of one step. (K) */
export function measureStep(microBatches: readonly MicroBatch[], domains: number, measurement: Measurement): number[] {
  const parts = measurement === 'paper-whole-step' ? [joined(microBatches)] : microBatches
  const measured = parts.map(part => measure(part, domains, measurement))
  return Array.from({ length: domains }, (_, g) => measured.reduce((sum, each) => sum + each[g]!, 0) / parts.length)
}

/** M of one micro-batch. (K) */
function measure(batch: MicroBatch, domains: number, measurement: Measurement): number[] {
  const { loss } = batch
  switch (measurement) {
    case 'direct':
      return domainMeans(batch.domains, loss, domains)
    case 'minus': {
      const reference = referenceOf(batch)
      return domainMeans(
        batch.domains,
        mapped(loss, (l, i) => Math.max(0, l - reference[i]!)),
        domains,
      )
    }
    case 'paper':
    case 'paper-whole-step': {
      const [top, bottom] = [loss, referenceOf(batch)].map(values => domainMeans(batch.domains, values, domains))
      return top!.map((l, g) => (l === 0 ? 0 : l / Math.max(bottom![g]!, TINY)))
    }
    case 'reference': {
      const shares = referenceShares(referenceOf(batch))
      return domainMeans(
        batch.domains,
        mapped(loss, (l, i) => Math.max(0, l / shares[i]!)),
        domains,
      )
    }
    default:
      return measurement satisfies never
  }
}

/** r_i / Σ|r|, and 1 where that is next to nothing. */
function referenceShares(reference: ArrayLike<number>): Float64Array {
  let total = 0
  for (let i = 0; i < reference.length; i++) total += Math.abs(reference[i]!)
  const norm = Math.max(total, TINY)
  return mapped(reference, r => (r / norm < SMALLEST_SHARE ? 1 : r / norm))
}

export function referenceOf({ reference }: MicroBatch): ArrayLike<number> {
  if (reference) return reference
  throw new Error(
    'the measurement needs reference losses, but the micro-batch has none; record them, or measure "direct"',
  )
}

/** Of each domain the mean of its examples' values; 0 where it has none. (K) */
export function domainMeans(domains: ArrayLike<number>, values: ArrayLike<number>, count: number): number[] {
  const sums = new Float64Array(count)
  const counts = domainCounts(domains, count)
  for (let i = 0; i < domains.length; i++) sums[domains[i]!]! += values[i]!
  return counts.map((n, g) => sums[g]! / Math.max(n, 1))
}

/** Examples of each domain. (K) */
export function domainCounts(domains: ArrayLike<number>, count: number): number[] {
  const counts = new Array<number>(count).fill(0)
  for (let i = 0; i < domains.length; i++) counts[domains[i]!]!++
  return counts
}

/** All examples of a step as one micro-batch. */
export function joined(microBatches: readonly MicroBatch[]): MicroBatch {
  const [only, ...others] = microBatches
  if (only && others.length === 0) return only
  const flat = (values: (batch: MicroBatch) => ArrayLike<number>) => microBatches.flatMap(b => Array.from(values(b)))
  return {
    domains: flat(batch => batch.domains),
    loss: flat(batch => batch.loss),
    ...(microBatches.every(batch => batch.reference) && { reference: flat(referenceOf) }),
  }
}

/** The proxy's loss: Σ α_{g(i)} l_i / Σ α_{g(i)} (paper, formula 6). */
export function proxyLoss(alpha: ArrayLike<number>, { domains, loss }: MicroBatch): number {
  let [top, bottom] = [0, 0]
  for (let i = 0; i < loss.length; i++) {
    top += alpha[domains[i]!]! * loss[i]!
    bottom += alpha[domains[i]!]!
  }
  return top / bottom
}

function mapped(values: ArrayLike<number>, change: (value: number, i: number) => number): Float64Array {
  const out = new Float64Array(values.length)
  for (let i = 0; i < values.length; i++) out[i] = change(values[i]!, i)
  return out
}
