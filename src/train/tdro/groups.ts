// Domain weights by other algorithms than tDRO's, for comparison: each takes the weights (or what it keeps beside them) and a step's losses by
// domain, and gives the next ones. GroupDRO (Sagawa et al. 2019), topic CVaR (Oren et al. 2019), DoReMi (Xie et al. 2023), CGD (Piratla et al.
// 2022), COCO-DR's iDRO (Yu et al. 2022). All arrays have an entry a domain.

/** What a step showed of the domains. */
export interface GroupLosses {
  /** Mean loss; 0 where the domain is absent. (K) */
  readonly loss: readonly number[]
  /** Mean of max(loss − reference, 0). (K) */
  readonly excess?: readonly number[]
  readonly present: readonly boolean[]
  /** cos[i][j] of the gradients of domains i and j, products of norms counted as 1e-3 at least. (K, K) */
  readonly cosines?: readonly (readonly number[])[]
}

const indices = (count: number) => Array.from({ length: count }, (_, g) => g)
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)

export function normalized(values: readonly number[]): number[] {
  const total = sum(values)
  return values.map(value => value / total)
}

/** w ∝ w·exp(x); the largest exponent is taken out, so that large losses do not overflow. */
function multiplied(weights: readonly number[], exponents: readonly number[]): number[] {
  const top = exponents.reduce((a, b) => Math.max(a, b))
  return normalized(weights.map((w, g) => w * Math.exp(exponents[g]! - top)))
}

/** C/√n of every domain: what GroupDRO and CGD give small ones on top. */
const sizeBonus = (adjustment: number, sizes: readonly number[]) =>
  sizes.map(n => (adjustment === 0 ? 0 : adjustment / Math.sqrt(n)))

/** q_g ∝ q_g·exp(η(l_g + C/√n_g)), absent domains with l = 0. */
export function groupDro(
  weights: readonly number[],
  { loss }: GroupLosses,
  { rate, adjustment, sizes }: { rate: number; adjustment: number; sizes: readonly number[] },
): number[] {
  const bonus = sizeBonus(adjustment, sizes)
  return multiplied(
    weights,
    loss.map((l, g) => rate * (l + bonus[g]!)),
  )
}

export interface CvarState {
  /** Running mean of each domain's loss; 0 until it is seen. (K) */
  readonly average: readonly number[]
  readonly seen: readonly boolean[]
}

/** The domains of the highest running losses that make up a share `level` of the examples get all the weight. */
export function cvar(
  { average, seen }: CvarState,
  { loss, present }: GroupLosses,
  { level, decay, sizes }: { level: number; decay: number; sizes: readonly number[] },
): { weights: number[]; state: CvarState } {
  const next = average.map((before, g) =>
    !present[g] ? before : seen[g] ? (1 - decay) * before + decay * loss[g]! : loss[g]!,
  )
  const total = sum(sizes)
  const weights = new Array<number>(loss.length).fill(0)
  let [cumulated, given] = [0, 0]
  // Array.sort is stable: of equal losses the first domain comes first.
  for (const g of indices(loss.length).sort((a, b) => next[b]! - next[a]!)) {
    const fraction = sizes[g]! / total
    cumulated += fraction
    weights[g] = cumulated <= level ? fraction / level : 1 - given
    if (cumulated > level) break
    given += weights[g]!
  }
  return { weights, state: { average: next, seen: seen.map((was, g) => was || present[g]!) } }
}

/** log w += λ, normalised, then mixed with the uniform distribution; an absent domain keeps the λ it had (0 at first). */
export function doremi(
  weights: readonly number[],
  last: readonly number[],
  { excess, present }: GroupLosses,
  smoothing: number,
): { weights: number[]; last: number[] } {
  const lambda = last.map((before, g) => (present[g] ? excess![g]! : before))
  const raised = multiplied(weights, lambda)
  return { weights: raised.map(w => (1 - smoothing) * w + smoothing / raised.length), last: lambda }
}

/** w ∝ w·exp(η k p), k_ij = √(l_i l_j)·cos_ij, p ∝ exp(C/√n); at least 1e-5 each, not normalised again. */
export function cgd(
  weights: readonly number[],
  { loss, cosines }: GroupLosses,
  { rate, adjustment, sizes }: { rate: number; adjustment: number; sizes: readonly number[] },
): number[] {
  const shares = multiplied(
    weights.map(() => 1),
    sizeBonus(adjustment, sizes),
  )
  const exponents = loss.map(
    (l, i) => rate * sum(loss.map((other, j) => Math.sqrt(l * other) * cosines![i]![j]! * shares[j]!)),
  )
  return multiplied(weights, exponents).map(w => Math.max(w, 1e-5))
}

/**
 * w ← w^0.1·exp(η·mean_j (l_i l_j)^¼ cos_ij), 0 where absent; normalised, then at least 0.01 each. The mean runs over all K, the domain itself and
 * absent ones included.
 */
export function cocoDr(
  weights: readonly number[],
  { loss, cosines, present }: GroupLosses,
  { rate, decay, floor }: { rate: number; decay: number; floor: number },
): number[] {
  const exponents = loss.map(
    (l, i) => rate * (sum(loss.map((other, j) => (l * other) ** 0.25 * cosines![i]![j]!)) / loss.length),
  )
  const kept = weights.map((w, g) => (present[g] ? w ** decay : 0))
  return multiplied(kept, exponents).map(w => Math.max(w, floor))
}

/** p_g ∝ n_g^(1/T): 1 as large as the domains are, ∞ uniform. */
export function sizeWeights(sizes: readonly number[], temperature: number): number[] {
  const largest = sizes.reduce((a, b) => Math.max(a, b))
  return normalized(sizes.map(n => (n / largest) ** (1 / temperature)))
}
