// How much of a padded batch would be padding: queries filled up to the longest of their micro-batch, passages to the longest of theirs. Packed
// sequences have none of it; the rate says what that saves.
import { createExampleBatches } from '../../data/example-batches.js'
import { drawRows } from '../../train/draw.js'
import type { LoopSettings } from '../../train/loop.js'
import type { TokenizedPairs } from '../mixture.js'

export interface PaddedRate {
  readonly tokens: number
  readonly padding: number
  /** Padding of all positions. */
  readonly rate: number
}

/** Of the first micro-batches of a stream. */
export function paddedRate(
  { texts, examples }: Pick<TokenizedPairs, 'texts' | 'examples'>,
  settings: LoopSettings,
  batches = 20,
): PaddedRate {
  const { seed, batchSize, dropLast, order = { kind: 'uniform' } } = settings
  const sampler = createExampleBatches({ seed, examples: examples.length, batchSize, dropLast, order })
  const lengthsOf = (rows: readonly number[]) => rows.map(row => texts.offsets[row + 1]! - texts.offsets[row]!)
  let [tokens, positions] = [0, 0]
  for (let i = 0; i < batches; i++) {
    const { queries, passages } = drawRows(sampler, examples, settings)
    for (const lengths of [lengthsOf(queries), lengthsOf(passages)]) {
      tokens += lengths.reduce((a, b) => a + b, 0)
      positions += lengths.length * lengths.reduce((a, b) => Math.max(a, b), 0)
    }
  }
  return { tokens, padding: positions - tokens, rate: 1 - tokens / positions }
}
