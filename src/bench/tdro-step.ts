// What learning domain weights costs a step (tDRO): a step whose examples are weighted, whose losses are read back and compared with the reference's, and
// whose weights move, against the plain step of the same batch, in turns. The reference's losses are on file and cost nothing here.
import type { Backend } from '../backend/backend.js'
import {
  type ContrastiveBatch,
  type ContrastiveSettings,
  candidatesOf,
  createContrastiveTrainer,
} from '../train/contrastive.js'
import { createTdroWeighting } from '../train/tdro/weighting.js'
import { weighted } from '../train/weighting.js'
import { firstSequences, sequenceCount } from './inputs.js'
import { type BenchRow, ratesOf } from './row.js'
import { stepCost, takeTurns } from './timing.js'

const DOMAINS = 4
/** Passages of a query, the positive one among them. */
const PER_QUERY = 4
/** Between the two losses, relatively: the first step's weights are all alike. */
const TOLERANCE = 1e-5

/**
 * `row`: of a plain step; `ratio` is the plain step's time by that of tDRO's, and so below 1 where learning costs anything. A quarter of the batch's queries, with
 * its passages in groups of four. Moves no weight of the model.
 */
export async function tdroRow(
  backend: Backend,
  given: ContrastiveSettings,
  { query, passage }: ContrastiveBatch,
  rounds: number,
  row: Omit<BenchRow, 'milliseconds'>,
): Promise<BenchRow> {
  const count = Math.floor(sequenceCount(passage) / PER_QUERY)
  const batch: ContrastiveBatch = {
    query: firstSequences(query, count),
    passage: firstSequences(passage, count * PER_QUERY),
    ...candidatesOf(count, PER_QUERY, false),
  }
  const settings = { ...given, loss: { kind: 'infonce' as const, perQuery: PER_QUERY, inBatch: false } }
  const sets = Int32Array.from({ length: count }, (_, i) => i % DOMAINS)
  const weighting = createTdroWeighting(
    {
      ...{ mode: 'reference', count: DOMAINS, domains: Array.from({ length: DOMAINS }, (_, g) => `set ${g}`) },
      ...{ update: 'after', reference: async () => [new Float32Array(count).fill(1)] },
    },
    { collapsed: () => '' },
  )
  const at = { rate: 0, t: 1, seed: 1, counter: 0 }
  const [learning, plain] = [
    createContrastiveTrainer(backend, { ...settings, keepLosses: true }),
    createContrastiveTrainer(backend, settings),
  ]
  const learn = async () => {
    const batches = await weighted(weighting, [{ batch, sets, epoch: 0, repeated: 0 }], learning, at)
    const { loss, losses } = await learning.step(batches, at)
    await weighting.end(0, [sets], losses!)
    return loss
  }
  const step = async () => (await plain.step([batch], at)).loss
  try {
    const [ours, theirs] = [await learn(), await step()]
    const error = Math.abs(ours - theirs) / Math.abs(theirs)
    const turns = [learn, step].map(run => () => stepCost(backend, run))
    const { medians, cores } = await takeTurns(turns, rounds)
    const tokens = batch.query.ids.length + batch.passage.ids.length
    const { gradient_error: _, ...rest } = row
    return {
      ...{ ...rest, shape: `${count} queries × ${PER_QUERY} passages, ${tokens} tokens` },
      ...{
        variant: `${row.variant.split(',')[0]}, weights learned (tDRO)`,
        max_error: error,
        verified: error <= TOLERANCE,
      },
      ...{ cores, milliseconds: medians[0]!, ...ratesOf({ tokens }, medians[0]!) },
      ...{ peer: 'the plain step', peer_milliseconds: medians[1]!, ratio: medians[1]! / medians[0]! },
      ...{ peer_tokens_per_second: (tokens / medians[1]!) * 1000, peer_error: error, peer_cores: cores },
    }
  } finally {
    learning.release()
    plain.release()
  }
}
