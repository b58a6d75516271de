// What learned weights are used for in fine-tuning (paper, "Experiments", and its ablation): the highest domains are kept and drawn uniformly, or
// domains are drawn by their weights, or their losses are multiplied. Pure.

export const transfers = ['uniform', 'top-p', 'bottom-p', 'reweight', 'loss-reweight'] as const
export type Transfer = (typeof transfers)[number]

export interface Transferred {
  /** How often each domain is drawn; sums to 1, 0: left out. (K) */
  readonly sampling: readonly number[]
  /** What each domain's loss is multiplied with. (K) */
  readonly loss: readonly number[]
  /** Indices of those left out. */
  readonly left: readonly number[]
}

/**
 * `share` of top-p and bottom-p is one of the number of domains: ⌊K·share⌋ are kept, one at least. Of equal weights the first counts as higher.
 */
export function transferWeights(alpha: readonly number[], transfer: Transfer, share = 0.7): Transferred {
  const count = alpha.length
  const total = alpha.reduce((a, b) => a + b, 0)
  const ones = alpha.map(() => 1)
  const uniform = alpha.map(() => 1 / count)
  switch (transfer) {
    case 'uniform':
      return { sampling: uniform, loss: ones, left: [] }
    case 'reweight':
      return { sampling: alpha.map(a => a / total), loss: ones, left: alpha.flatMap((a, g) => (a === 0 ? [g] : [])) }
    case 'loss-reweight':
      return { sampling: uniform, loss: alpha.map(a => (count * a) / total), left: [] }
    case 'top-p':
    case 'bottom-p': {
      const order = alpha.map((_, g) => g).sort((a, b) => alpha[b]! - alpha[a]!)
      // Of 25 · 0.7 floating point makes 17.5, of 10 · 0.7 a little less than 7.
      const kept = Math.max(1, Math.floor(count * share + 1e-9))
      const chosen = new Set(transfer === 'top-p' ? order.slice(0, kept) : order.slice(count - kept))
      return {
        sampling: alpha.map((_, g) => (chosen.has(g) ? 1 / kept : 0)),
        loss: ones,
        left: alpha.flatMap((_, g) => (chosen.has(g) ? [] : [g])),
      }
    }
    default:
      return transfer satisfies never
  }
}
