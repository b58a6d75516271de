// What GradCache costs where the whole batch fits as well: a step in chunks against the same step at once, in turns. It runs forward once more: by count
// of products 4 passes for 3 (1.33) in full fine-tuning, 3 for 2 (1.5) under LoRA, whose backward pass leaves the weights' products out.
import type { Backend } from '../backend/backend.js'
import { type ContrastiveBatch, type ContrastiveSettings, createContrastiveTrainer } from '../train/contrastive.js'
import { sequenceCount } from './inputs.js'
import type { BenchRow } from './row.js'
import { ratesOf } from './row.js'
import { stepCost, takeTurns } from './timing.js'

/** Chunks of a batch. */
const CHUNKS = 4
/** Between the losses and the gradient norms of the two, relatively. */
const TOLERANCE = 1e-5

/** `row`: of a step at once, which is the rival here; `ratio` is its time by that of the step in chunks, and so below 1. Moves no weight. */
export async function gradCacheRow(
  backend: Backend,
  settings: ContrastiveSettings,
  batch: ContrastiveBatch,
  rounds: number,
  row: Omit<BenchRow, 'milliseconds'>,
): Promise<BenchRow> {
  const sequences = sequenceCount(batch.query) + sequenceCount(batch.passage)
  const [chunked, whole] = [
    createContrastiveTrainer(backend, { ...settings, chunkSize: Math.ceil(sequences / CHUNKS) }),
    createContrastiveTrainer(backend, settings),
  ]
  try {
    const step = (trainer: typeof whole) => trainer.step([batch], { rate: 0, t: 1, seed: 1, counter: 0 })
    const [ours, theirs] = [await step(chunked), await step(whole)]
    const apart = (a: number, b: number) => Math.abs(a - b) / Math.abs(b)
    const error = Math.max(apart(ours.loss, theirs.loss), apart(ours.gradientNorm, theirs.gradientNorm))
    const timed = (trainer: typeof whole) => () => stepCost(backend, () => step(trainer))
    const { medians, cores } = await takeTurns([timed(chunked), timed(whole)], rounds)
    const tokens = batch.query.ids.length + batch.passage.ids.length
    const { gradient_error: _, ...rest } = row
    return {
      ...{
        ...rest,
        variant: `${row.variant.split(',')[0]}, ${CHUNKS} chunks (GradCache)`,
        max_error: error,
        verified: error <= TOLERANCE,
      },
      ...{ cores, milliseconds: medians[0]!, ...ratesOf({ tokens }, medians[0]!) },
      ...{ peer: 'the same step at once', peer_milliseconds: medians[1]!, ratio: medians[1]! / medians[0]! },
      ...{ peer_tokens_per_second: (tokens / medians[1]!) * 1000, peer_error: error, peer_cores: cores },
    }
  } finally {
    chunked.release()
    whole.release()
  }
}
