// Learning-rate schedules as a factor of the peak rate, following transformers: linear warm-up from 0, then constant, linear or cosine; and
// PyTorch's OneCycleLR with linear annealing.

export type Schedule = 'constant' | 'linear' | 'cosine' | 'one_cycle'

export interface ScheduleSettings {
  readonly schedule: Schedule
  readonly total: number
  /** Steps of warm-up. */
  readonly warmup: number
  /** 0: the factor of warm-up step s is s / warmup; 1: (s + 1) / warmup. */
  readonly warmupOffset?: 0 | 1
  /** The floor of the cosine. */
  readonly minFactor?: number
}

/** The factor at step s, counted from 0. */
export function rateFactor(step: number, settings: ScheduleSettings): number {
  const { schedule, total, warmup, warmupOffset = 0, minFactor = 0 } = settings
  if (schedule === 'one_cycle') return oneCycleFactor(step, total)
  if (step < warmup) return (step + warmupOffset) / warmup
  const remaining = Math.max(total - warmup, 1)
  const done = Math.min((step - warmup) / remaining, 1)
  switch (schedule) {
    case 'constant':
      return 1
    case 'linear':
      return 1 - done
    case 'cosine':
      return minFactor + (1 - minFactor) * 0.5 * (1 + Math.cos(Math.PI * done))
    default:
      return schedule satisfies never
  }
}

/** torch.optim.lr_scheduler.OneCycleLR with anneal_strategy linear, pct_start 0.1, div_factor 25 and final_div_factor 1e4. */
function oneCycleFactor(step: number, total: number): number {
  const top = 0.1 * total - 1
  // Of few steps none is left for the rise.
  if (step <= top) return top > 0 ? 1 / 25 + ((1 - 1 / 25) * step) / top : 1
  return 1 + ((1 / 25e4 - 1) * (step - top)) / (total - 1 - top)
}
