// Hard negatives out of what a search found: never a positive, and not what is likely one that nobody judged. Two filters against such false
// negatives: a margin below the positive's own score (absolute, or a share of it: Moreira et al. 2024, arXiv:2407.15831), and a window of ranks, counted
// from the top or from behind the positive that was found last.
import type { Draws } from '../data/sampling-draws.js'

export interface MiningRules {
  /** Negatives of a query at most. */
  readonly count: number
  /** Ranks that may be taken, from 1, positives not counted; default: all that were found. */
  readonly ranks?: { readonly first: number; readonly last: number }
  /** Whether ranks are counted from behind the lowest positive; where none was found, all of it counts as before one: nothing is taken. */
  readonly behindPositive?: boolean
  /** A candidate must score at least this much less than the lowest of the positives. */
  readonly margin?: number
  /** A candidate may score at most this share of the lowest of the positives, 0.95 say; for scores above 0. */
  readonly share?: number
  /** top: the highest that are left; random: drawn from them. */
  readonly choose: 'top' | 'random'
}

/** What a search found for one query, best first. */
export interface Found {
  readonly rows: ArrayLike<number>
  readonly scores: ArrayLike<number>
  /** Scores of its positives, by the same model; needed by margin and share. */
  readonly positiveScores: readonly number[]
}

export interface MinedQuery {
  /** Places in `rows`, highest first. */
  readonly chosen: readonly number[]
  /** Positives among what was found: left out. */
  readonly positives: number
  /** Candidates that a filter left out. */
  readonly filtered: number
}

/** `isPositive`: of a row that was found. `draws`: needed where negatives are drawn. */
export function mineQuery(
  found: Found,
  isPositive: (row: number) => boolean,
  rules: MiningRules,
  draws?: Draws,
): MinedQuery {
  const places = Array.from(found.rows, (_, place) => place).filter(place => found.rows[place]! >= 0)
  const lastPositive = places.findLast(place => isPositive(found.rows[place]!)) ?? Number.POSITIVE_INFINITY
  const others = places.filter(place => !isPositive(found.rows[place]!))
  const { first = 1, last = Number.POSITIVE_INFINITY } = rules.ranks ?? {}
  const counted = rules.behindPositive ? others.filter(place => place > lastPositive) : others
  const below = scoreLimit(found.positiveScores, rules)
  const left = counted.slice(first - 1, last).filter(place => found.scores[place]! <= below)
  return {
    chosen: choose(left, rules, draws),
    positives: places.length - others.length,
    filtered: others.length - left.length,
  }
}

function scoreLimit(positiveScores: readonly number[], { margin, share }: MiningRules): number {
  if (margin === undefined && share === undefined) return Number.POSITIVE_INFINITY
  const lowest = Math.min(...positiveScores)
  return Math.min(
    margin === undefined ? Number.POSITIVE_INFINITY : lowest - margin,
    share === undefined ? Number.POSITIVE_INFINITY : lowest * share,
  )
}

function choose(left: readonly number[], { count, choose: how }: MiningRules, draws?: Draws): readonly number[] {
  if (how === 'top' || left.length <= count) return left.slice(0, count)
  if (!draws) throw new Error('negatives are to be drawn, but there is nothing to draw with')
  return Array.from(draws.drawNegatives(count, left.length).indices, i => left[i]!).sort((a, b) => a - b)
}

/** Texts that are one passage: spaces and case aside. */
export const passageKey = (text: string): string => text.replace(/\s+/g, ' ').trim().toLowerCase()
