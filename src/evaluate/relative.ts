// Two ways of training compared as the study of LoRA out of domain does it (Lee et al. 2023, arXiv:2311.09765, tables 2, 3 and 7): the mean over
// test sets, and how much it changed in percent,
//   REL. DIFF (%) = 100 · (new − old) / basis          basis: the old value, or the new one
// The paper's tables 2 and 3 divide by the new value, its text and most of table 7 by the old. So every figure is shown with its basis.
import { pairedRandomisation } from './significance.js'

export type RelativeBasis = 'old' | 'new'

/** In percent. Both 0: 0; only the basis 0: NaN, for there is no such share. */
export function relativeDifference(old: number, now: number, basis: RelativeBasis = 'old'): number {
  const by = basis === 'old' ? old : now
  if (by === 0) return old === now ? 0 : Number.NaN
  return (100 * (now - old)) / by
}

/** What stands under a table of them. */
export const basisPhrase = (basis: RelativeBasis): string =>
  `REL. DIFF (%): 100 · (new − old) / ${basis}, of the unrounded means`

/** 4.08 → '+4.1%'; there is no sign on a figure that rounds to 0. */
export function relativeText(percent: number, digits = 1): string {
  if (!Number.isFinite(percent)) return '–'
  const text = Math.abs(percent).toFixed(digits)
  const sign = Number(text) === 0 ? '' : percent < 0 ? '−' : '+'
  return `${sign}${text}%`
}

export interface ComparedMeans {
  readonly old: number
  readonly now: number
  readonly difference: number
  /** In percent. */
  readonly relative: number
  readonly basis: RelativeBasis
  /** Of the paired randomisation test; absent where there are fewer than two values. */
  readonly p?: number
  /** up or down where p is below the level. */
  readonly mark: '' | 'up' | 'down'
}

export interface CompareOptions {
  readonly basis?: RelativeBasis
  /** Default 0.05. */
  readonly level?: number
}

export const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Of values side by side: one a test set, or one a query. Fails where there is none, or not as many on both sides. */
export function compareMeans(
  old: readonly number[],
  now: readonly number[],
  { basis = 'old', level = 0.05 }: CompareOptions = {},
): ComparedMeans {
  if (old.length === 0 || old.length !== now.length)
    throw new Error(
      `a comparison needs as many values on both sides, one or more; found ${old.length} and ${now.length}`,
    )
  return comparedMeans([old], [now], { basis, level })
}

/**
 * The same for several test sets with the values of their queries: the mean over sets of the mean over queries; the test swaps queries within their
 * sets, each weighted so that every set counts the same.
 */
export function comparedMeans(
  old: readonly (readonly number[])[],
  now: readonly (readonly number[])[],
  { basis = 'old', level = 0.05 }: CompareOptions = {},
): ComparedMeans {
  const differs = old.findIndex((values, i) => values.length !== now[i]?.length || values.length === 0)
  if (old.length === 0 || old.length !== now.length || differs >= 0)
    throw new Error(
      `a comparison needs the same queries on both sides; ${differs < 0 ? `found ${old.length} and ${now.length} test sets` : `test set ${differs} has ${old[differs]!.length} and ${now[differs]?.length ?? 0}`}`,
    )
  const [a, b] = [meanOf(old.map(meanOf)), meanOf(now.map(meanOf))]
  const shared = { old: a, now: b, difference: b - a, relative: relativeDifference(a, b, basis), basis }
  const total = old.reduce((sum, { length }) => sum + length, 0)
  if (total < 2) return { ...shared, mark: '' }
  const weighted = (all: readonly (readonly number[])[]) =>
    all.flatMap(values => values.map(value => (value * total) / (values.length * all.length)))
  const { p } = pairedRandomisation(weighted(now), weighted(old))
  return { ...shared, p, mark: p >= level || a === b ? '' : b > a ? 'up' : 'down' }
}
