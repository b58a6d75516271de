// Domain weights once more from recorded losses: another mode, another rate, another algorithm, and no model.
import { proxyLoss } from '../../train/tdro/measure.js'
import {
  collapsedDomain,
  finalWeights,
  startWeights,
  updateWeights,
  usesSizes,
  type WeightSettings,
} from '../../train/tdro/weights.js'
import type { Recorded } from './recorded.js'

export interface ReplayedStep {
  readonly step: number
  /** After the step. (K) */
  readonly alpha: readonly number[]
  /** What moved the weights. (K) */
  readonly measured: readonly number[]
  readonly gradient?: readonly number[]
  readonly norm?: number
  /** Σ α l / Σ α of each micro-batch, with the weights that `update` says. */
  readonly proxy_loss: readonly number[]
}

export interface Replayed {
  readonly domains: readonly string[]
  readonly sizes?: readonly number[]
  readonly mode: string
  readonly update: 'before' | 'after'
  readonly steps: readonly ReplayedStep[]
  readonly final: readonly number[]
  readonly mean: readonly number[]
  readonly ema: readonly number[]
  readonly warnings: readonly string[]
}

/** `update`: whether the proxy's loss has the weights from before the step's update ("after": the update comes after it) or those it gives. */
export function replay(
  { domains, sizes, steps }: Recorded,
  asked: Omit<WeightSettings, 'count' | 'sizes'>,
  update: 'before' | 'after' = 'after',
): Replayed {
  const settings: WeightSettings = { ...asked, count: domains.length, ...(sizes && { sizes }) }
  const warnings: string[] = []
  if (!sizes && usesSizes(settings.mode, settings.adjustment))
    warnings.push(`mode ${settings.mode} looks at the domains' sizes, but none are given: all count as equally large`)
  let state = startWeights(settings)
  const replayed = steps.map(({ step, microBatches, cosines }): ReplayedStep => {
    const before = state.alpha
    const was = collapsedDomain(state)
    const { state: next, ...shown } = updateWeights(state, microBatches, settings, cosines)
    state = next
    const one = collapsedDomain(state)
    if (one !== undefined && was === undefined) warnings.push(collapseWarning(step, domains[one]!, state.alpha[one]!))
    const weights = update === 'before' ? state.alpha : before
    return { step, alpha: state.alpha, ...shown, proxy_loss: microBatches.map(batch => proxyLoss(weights, batch)) }
  })
  return {
    ...{ domains, ...(sizes && { sizes }), mode: settings.mode, update, steps: replayed },
    ...finalWeights(state, settings.mode),
    warnings,
  }
}

export const collapseWarning = (step: number, domain: string, weight: number): string =>
  `step ${step}: the weights have collapsed to one domain: ${domain} has ${weight.toFixed(3)}; ` +
  'lower the rate of the weights, or look at what is odd about its losses'
