// What is in the sets of a mixture, a line each, for people.
import type { BatchedPairs } from './batches.js'
import type { ReadPair, RemovedPair, TrainSet } from './training-sets.js'

/** What is said of a set before training. */
export interface SetCard {
  readonly name: string
  readonly pairs: number
  /** One for every positive. */
  readonly examples: number
  /** Of its distinct texts. */
  readonly tokens: number
  /** The fewest hard negatives of an example, and the mean. */
  readonly negatives: { readonly least: number; readonly mean: number }
  readonly prompts: number
  readonly symmetric: boolean
  readonly removed: number
}

/** Of the set of this number. */
export function cardOf(
  name: string,
  set: number,
  { prompts = [], symmetric = false }: TrainSet,
  pairs: readonly ReadPair[],
  { examples, setOf, texts }: Pick<BatchedPairs, 'examples' | 'setOf' | 'texts'>,
  removed: readonly RemovedPair[],
): SetCard {
  const own = examples.filter((_, i) => setOf[i] === set)
  const rows = new Set(own.flatMap(({ query, positive, negatives }) => [query, positive, ...negatives]))
  const counts = own.map(({ negatives }) => negatives.length)
  return {
    name,
    pairs: pairs.filter(each => each.set === set).length,
    examples: own.length,
    tokens: [...rows].reduce((sum, row) => sum + texts.offsets[row + 1]! - texts.offsets[row]!, 0),
    negatives: {
      least: counts.reduce((a, b) => Math.min(a, b), counts[0] ?? 0),
      mean: counts.reduce((a, b) => a + b, 0) / Math.max(1, counts.length),
    },
    prompts: prompts.length,
    symmetric,
    removed: removed.filter(each => each.set === name).length,
  }
}

/** The card of a mixture: a line a set, and their sum. */
export function mixtureCard(cards: readonly SetCard[]): string[] {
  const heads = ['set', 'pairs', 'tokens', 'negatives']
  const rows = cards.map(({ name, pairs, tokens, negatives: { least, mean } }) => {
    const negatives = mean === least ? String(least) : `${least}–, ${mean.toFixed(1)}`
    return [name, String(pairs), String(tokens), negatives]
  })
  const sum = (values: readonly number[]) => String(values.reduce((a, b) => a + b, 0))
  const last = ['all', sum(cards.map(card => card.pairs)), sum(cards.map(card => card.tokens)), '']
  const table = [heads, ...rows, ...(cards.length > 1 ? [last] : [])]
  const widths = heads.map((_, column) => Math.max(...table.map(row => (row[column] ?? '').length)))
  return table.map(row =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]! + 2)))
      .join('')
      .trimEnd(),
  )
}
