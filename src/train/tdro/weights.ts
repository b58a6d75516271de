// Domain weights as they are learned: one interface over tDRO (paper, "Weights Update", formula 4) and the algorithms it is compared with. The
// state is plain JSON and everything is f64, so that a run that is resumed, or replayed from its recorded losses, gives the same weights.
import { type CvarState, cgd, cocoDr, cvar, doremi, type GroupLosses, groupDro, sizeWeights } from './groups.js'
import {
  domainCounts,
  domainMeans,
  joined,
  type Measurement,
  type MicroBatch,
  measurements,
  measureStep,
  referenceOf,
} from './measure.js'

export const algorithms = ['group_dro', 'cvar', 'doremi', 'cgd', 'coco_dr'] as const
/** They look at sizes alone. */
export const fixedWeights = ['uniform', 'size', 'temperature'] as const
export const weightModes = [...measurements, ...algorithms, ...fixedWeights] as const
export type WeightMode = (typeof weightModes)[number]

const isMeasurement = (mode: WeightMode): mode is Measurement => (measurements as readonly string[]).includes(mode)

export const needsReference = (mode: WeightMode): boolean =>
  mode === 'doremi' || (isMeasurement(mode) && mode !== 'direct')
export const needsCosines = (mode: WeightMode): boolean => mode === 'cgd' || mode === 'coco_dr'
/** Without sizes all domains count as equally large. */
export const usesSizes = (mode: WeightMode, adjustment = 0): boolean =>
  ['cvar', 'size', 'temperature'].includes(mode) || (adjustment !== 0 && ['group_dro', 'cgd'].includes(mode))

export interface WeightSettings {
  readonly mode: WeightMode
  /** Of domains. */
  readonly count: number
  /** Examples of each domain. (K) */
  readonly sizes?: readonly number[]
  /** η of the weights; default: the mode's own (tDRO 0.02, GroupDRO 0.01, CGD and COCO-DR 0.05). */
  readonly rate?: number
  /** The largest norm of tDRO's gradient; default 1. */
  readonly clip?: number
  /** C of GroupDRO and CGD: small domains get C/√n on top; default 0. */
  readonly adjustment?: number
  /** CVaR's share of the examples; default 0.2. */
  readonly level?: number
  /** DoReMi's share of the uniform distribution; default 1e-3. */
  readonly smoothing?: number
  /** Of "temperature": n^(1/T); default 2. */
  readonly temperature?: number
  /** Of the running average of weights; default 0.1. */
  readonly ema?: number
}

/** Plain JSON. */
export interface WeightState {
  /** Steps done. */
  readonly steps: number
  /** What the next step is weighted with; sums to 1, but for CGD's and COCO-DR's, whose floors come last. (K) */
  readonly alpha: readonly number[]
  /** tDRO keeps the logarithms, which do not underflow. (K) */
  readonly logAlpha?: readonly number[]
  readonly cvar?: CvarState
  /** DoReMi's last excess losses. (K) */
  readonly lambda?: readonly number[]
  /** Sum over the steps of the weights after them. (K) */
  readonly total: readonly number[]
  /** ema ← (1 − d)·ema + d·α, from the uniform weights. (K) */
  readonly average: readonly number[]
}

export interface WeightUpdate {
  readonly state: WeightState
  /** What moved the weights: tDRO's measurement M, else the mean losses. (K) */
  readonly measured: readonly number[]
  /** tDRO's: after clipping, and its norm before. */
  readonly gradient?: readonly number[]
  readonly norm?: number
}

const RATES = { tdro: 0.02, group_dro: 0.01, cgd: 0.05, coco_dr: 0.05 }

export function startWeights({ mode, count, sizes, temperature = 2 }: WeightSettings): WeightState {
  const uniform = new Array<number>(count).fill(1 / count)
  const zeros = new Array<number>(count).fill(0)
  const known = sizes ?? uniform
  const alpha =
    mode === 'size' ? sizeWeights(known, 1) : mode === 'temperature' ? sizeWeights(known, temperature) : uniform
  return {
    ...{ steps: 0, alpha, total: zeros, average: uniform },
    ...(isMeasurement(mode) && { logAlpha: uniform.map(Math.log) }),
    ...(mode === 'cvar' && { cvar: { average: zeros, seen: zeros.map(() => false) } }),
    ...(mode === 'doremi' && { lambda: zeros }),
  }
}

/** The weights after a step of one or several micro-batches. `cosines` (K, K) of the domains' gradients, for CGD and COCO-DR. */
export function updateWeights(
  state: WeightState,
  microBatches: readonly MicroBatch[],
  settings: WeightSettings,
  cosines?: GroupLosses['cosines'],
): WeightUpdate {
  const { mode, ema = 0.1 } = settings
  const { moved, ...shown } = isMeasurement(mode)
    ? tdroUpdate(state, microBatches, settings, mode)
    : groupUpdate(state, microBatches, settings, cosines)
  const { alpha } = moved
  return {
    ...shown,
    state: {
      ...moved,
      steps: state.steps + 1,
      total: state.total.map((sum, g) => sum + alpha[g]!),
      average: state.average.map((mean, g) => (1 - ema) * mean + ema * alpha[g]!),
    },
  }
}

type Moved = Omit<WeightUpdate, 'state'> & { readonly moved: WeightState }

/** G = M clipped to the norm; log α += η G; α = softmax(log α). */
function tdroUpdate(
  state: WeightState,
  microBatches: readonly MicroBatch[],
  { count, rate = RATES.tdro, clip = 1 }: WeightSettings,
  mode: Measurement,
): Moved {
  const measured = measureStep(microBatches, count, mode)
  const norm = Math.sqrt(measured.reduce((sum, m) => sum + m * m, 0))
  const factor = Math.min(1, clip / (norm + 1e-6))
  const gradient = measured.map(m => m * factor)
  const logAlpha = logSoftmax(state.logAlpha!.map((log, g) => log + rate * gradient[g]!))
  return { moved: { ...state, logAlpha, alpha: logAlpha.map(Math.exp) }, measured, gradient, norm }
}

function logSoftmax(values: readonly number[]): number[] {
  const top = values.reduce((a, b) => Math.max(a, b))
  const total = top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0))
  return values.map(value => value - total)
}

function groupUpdate(
  state: WeightState,
  microBatches: readonly MicroBatch[],
  settings: WeightSettings,
  cosines: GroupLosses['cosines'],
): Moved {
  const { mode, count, adjustment = 0, level = 0.2, smoothing = 1e-3 } = settings
  const sizes = settings.sizes ?? new Array<number>(count).fill(1)
  const losses = groupLosses(microBatches, count, mode === 'doremi', cosines)
  const moved = (more: Partial<WeightState>): Moved => ({ moved: { ...state, ...more }, measured: losses.loss })
  if (needsCosines(mode) && !cosines)
    throw new Error(`${mode} needs the cosines of the domains' gradients, but this step has none`)
  switch (mode) {
    case 'group_dro':
      return moved({ alpha: groupDro(state.alpha, losses, { rate: settings.rate ?? RATES[mode], adjustment, sizes }) })
    case 'cvar': {
      const { weights, state: next } = cvar(state.cvar!, losses, { level, decay: 0.1, sizes })
      return moved({ alpha: weights, cvar: next })
    }
    case 'doremi': {
      const { weights, last } = doremi(state.alpha, state.lambda!, losses, smoothing)
      return moved({ alpha: weights, lambda: last })
    }
    case 'cgd':
      return moved({ alpha: cgd(state.alpha, losses, { rate: settings.rate ?? RATES[mode], adjustment, sizes }) })
    case 'coco_dr':
      return moved({
        alpha: cocoDr(state.alpha, losses, { rate: settings.rate ?? RATES[mode], decay: 0.1, floor: 0.01 }),
      })
    default:
      return moved({})
  }
}

/** A step's losses by domain, over all of its examples. */
function groupLosses(
  microBatches: readonly MicroBatch[],
  count: number,
  withExcess: boolean,
  cosines: GroupLosses['cosines'],
): GroupLosses {
  const all = joined(microBatches)
  const { domains, loss } = all
  const excess = () => {
    const reference = referenceOf(all)
    return domainMeans(
      domains,
      Array.from(loss, (l, i) => Math.max(0, l - reference[i]!)),
      count,
    )
  }
  return {
    loss: domainMeans(domains, loss, count),
    present: domainCounts(domains, count).map(n => n > 0),
    ...(withExcess && { excess: excess() }),
    ...(cosines && { cosines }),
  }
}

/** cos_ij = g_i·g_j / max(‖g_i‖‖g_j‖, 1e-3), of gradients (K, D); an absent domain's are zeros. */
export function gradientCosines(gradients: readonly ArrayLike<number>[]): number[][] {
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
    let sum = 0
    for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
    return sum
  }
  const norms = gradients.map(g => Math.sqrt(dot(g, g)))
  return gradients.map((a, i) => gradients.map((b, j) => dot(a, b) / Math.max(norms[i]! * norms[j]!, 1e-3)))
}

/** The same from the products of the gradients (K, K). */
export const productCosines = (products: readonly (readonly number[])[]): number[][] => {
  const norms = products.map((row, g) => Math.sqrt(Math.max(0, row[g]!)))
  return products.map((row, i) => row.map((product, j) => product / Math.max(norms[i]! * norms[j]!, 1e-3)))
}

/** What a run ends in: the last step's weights (DoReMi: the mean over its steps), the mean over steps, and the running average. */
export function finalWeights({ steps, alpha, total, average }: WeightState, mode: WeightMode) {
  const mean = steps === 0 ? [...alpha] : total.map(sum => sum / steps)
  return { final: mode === 'doremi' ? mean : [...alpha], mean, ema: [...average] }
}

/** A domain that has all but `1 − share` of the weight, or undefined. */
export function collapsedDomain({ alpha }: WeightState, share = 0.9): number | undefined {
  const total = alpha.reduce((a, b) => a + b, 0)
  const found = alpha.findIndex(a => a / total > share)
  return found < 0 || alpha.length === 1 ? undefined : found
}
