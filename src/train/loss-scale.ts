// Dynamic loss scaling (Micikevicius et al. 2018, arXiv:1710.03740, section 3.2): gradients that f16 factors would round to 0 are kept by a loss times a
// power of 2, and divided by it before the update. A step whose gradients are not finite is skipped on the device, and halves the scale; many good
// ones double it.

export interface ScalerState {
  readonly scale: number
  /** Good steps since the scale changed. */
  readonly good: number
  /** Steps skipped in all, and in a row until now. */
  readonly skipped: number
  readonly inRow: number
}

const GROWTH_INTERVAL = 1000
/** More of them say that it is not the scale. */
const MOST_IN_ROW = 24
const LARGEST = 2 ** 24

export const firstScaler: ScalerState = { scale: 2 ** 16, good: 0, skipped: 0, inRow: 0 }

/** The scaler after a step whose loss was scaled by `used`: an earlier scale has been halved before. Throws where too many in a row were skipped. */
export function nextScaler(
  { scale, good, skipped, inRow }: ScalerState,
  finite: boolean,
  step: number,
  used: number,
): ScalerState {
  if (finite) {
    const grown = good + 1 >= GROWTH_INTERVAL
    return {
      scale: grown ? Math.min(2 * scale, LARGEST) : scale,
      good: grown ? 0 : good + 1,
      skipped,
      inRow: 0,
    }
  }
  if (inRow + 1 >= MOST_IN_ROW)
    throw new Error(
      `step ${step}: ${MOST_IN_ROW} steps in a row had gradients that are not finite, with the loss scaled by ${scale} at last; ` +
        'lower the learning rate or raise the temperature, or train with precision = "f32"',
    )
  return { scale: used > scale ? scale : scale / 2, good: 0, skipped: skipped + 1, inRow: inRow + 1 }
}
