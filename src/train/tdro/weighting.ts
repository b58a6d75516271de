// tDRO in the training loop (paper, "Algorithm"; Figure 1): the proxy's loss is weighted with the domain weights as they are, and its losses,
// compared with the reference model's on the same examples, move the weights.
import type { Weighting } from '../weighting.js'
import { domainCounts, domainMeans, joined, type MicroBatch, proxyLoss } from './measure.js'
import {
  collapsedDomain,
  needsCosines,
  productCosines,
  startWeights,
  updateWeights,
  type WeightSettings,
  type WeightState,
  type WeightUpdate,
} from './weights.js'

export interface TdroSettings extends WeightSettings {
  /** Names. (K) */
  readonly domains: readonly string[]
  /** after: the proxy's loss has the weights from before the step's update, as in the published code; before: those it gives (the paper's order). */
  readonly update: 'before' | 'after'
  /** The reference model's losses of each micro-batch of a step; absent where the mode needs none. */
  readonly reference?: (step: number) => Promise<readonly ArrayLike<number>[]>
  /** Whether the gradients' cosines are recorded too, for algorithms that are tried on what was recorded; those that need them have them. */
  readonly cosines?: boolean
}

export interface TdroHooks {
  /** Each micro-batch, the first of a step with the cosines where there are any, for a file that the weights can be computed from again. */
  readonly record?: (step: number, microBatch: MicroBatch, cosines?: readonly (readonly number[])[]) => Promise<void>
  readonly warn?: (line: string) => void
  /** Said where one domain has nearly all weight. */
  readonly collapsed: (step: number, domain: string, weight: number) => string
}

/** What a step's log says of the domains; lists have an entry a domain. */
export interface TdroRecord {
  /** Mean losses of the proxy and the reference; null where the domain is absent. */
  readonly loss: readonly (number | null)[]
  readonly reference?: readonly (number | null)[]
  /** Ratio of the two, as `measured` by the mode. */
  readonly measured: readonly number[]
  readonly gradient?: readonly number[]
  readonly norm?: number
  /** After the step. */
  readonly alpha: readonly number[]
  /** Of each micro-batch. */
  readonly proxy_loss: readonly number[]
}

export interface TdroWeighting extends Weighting {
  readonly state: () => WeightState
}

export function createTdroWeighting(settings: TdroSettings, hooks: TdroHooks): TdroWeighting {
  const { domains, update, reference } = settings
  let state = startWeights(settings)
  let step = 0
  let moved: WeightUpdate | undefined
  const wantsCosines = settings.cosines || needsCosines(settings.mode)
  if (update === 'before' && needsCosines(settings.mode))
    throw new Error(
      `mode ${settings.mode} looks at a step's gradients, so its weights are updated after it: update "after"`,
    )
  const learn = async (
    sets: readonly Int32Array[],
    losses: readonly Float32Array[],
    cosines?: number[][],
  ): Promise<WeightUpdate> => {
    const batches = await microBatchesOf(sets, losses)
    checkFinite(step, batches, domains)
    return updateWeights(state, batches, settings, cosines)
  }
  const microBatchesOf = async (
    sets: readonly Int32Array[],
    losses: readonly Float32Array[],
  ): Promise<MicroBatch[]> => {
    const known = await reference?.(step)
    return sets.map((chosen, i) => ({ domains: chosen, loss: losses[i]!, ...(known && { reference: known[i]! }) }))
  }
  const weightsOf = ({ alpha }: WeightState, sets: readonly Int32Array[]) =>
    sets.map(chosen => {
      const total = chosen.reduce((sum, set) => sum + alpha[set]!, 0)
      return Float32Array.from(chosen, set => alpha[set]! / total)
    })
  return {
    learns: true,
    ...(wantsCosines && { cosinesOf: domains.length }),
    state: () => state,
    async begin(sets, measure) {
      moved = update === 'before' ? await learn(sets, await measure()) : undefined
      return weightsOf(moved?.state ?? state, sets)
    },
    async end(_step, sets, losses, products) {
      const before = state
      const batches = await microBatchesOf(sets, losses)
      const cosines = products && productCosines(products)
      const { state: next, ...shown } = moved ?? (await learn(sets, losses, cosines))
      checkFinite(step, batches, domains)
      for (const [i, batch] of batches.entries()) await hooks.record?.(step, batch, i === 0 ? cosines : undefined)
      const one = collapsedDomain(next)
      if (one !== undefined && collapsedDomain(before) === undefined)
        hooks.warn?.(hooks.collapsed(step, domains[one]!, next.alpha[one]!))
      const used = (moved ? next : before).alpha
      state = next
      step++
      const proxy_loss = batches.map(batch => proxyLoss(used, batch))
      const record: TdroRecord = { ...domainRecord(batches, domains.length), ...shown, alpha: next.alpha, proxy_loss }
      return { ...record }
    },
    save: () => ({ step, state }),
    restore(saved) {
      ;({ step, state } = saved as { step: number; state: WeightState })
    },
  }
}

function domainRecord(batches: readonly MicroBatch[], count: number): Pick<TdroRecord, 'loss' | 'reference'> {
  const all = joined(batches)
  const counts = domainCounts(all.domains, count)
  const means = (values: ArrayLike<number>) =>
    domainMeans(all.domains, values, count).map((mean, g) => (counts[g] ? mean : null))
  return { loss: means(all.loss), ...(all.reference && { reference: means(all.reference) }) }
}

function checkFinite(step: number, batches: readonly MicroBatch[], names: readonly string[]): void {
  for (const { domains, loss, reference } of batches)
    for (let i = 0; i < loss.length; i++) {
      const [value, kind] = Number.isFinite(loss[i]!) ? [reference?.[i] ?? 0, 'reference loss'] : [loss[i]!, 'loss']
      if (Number.isFinite(value)) continue
      throw new Error(
        `step ${step}: a ${kind} of the domain ${names[domains[i]!]} is ${value}, expected a finite number; ` +
          'lower the learning rate or raise the temperature, and look at the texts of that domain',
      )
    }
}
