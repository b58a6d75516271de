// A batch in chunks, as GradCache goes through it (Gao et al. 2021): all representations first, then the loss and its gradient on them, then each chunk
// forward again with the same dropout, and backward.
import type { Backend } from '../backend/backend.js'
import { batchArrays } from '../model/batch.js'
import { encoderWidth } from '../model/encoder.js'
import { freeTensors, stateTensor } from '../tensor/parameters.js'
import type { Program } from '../tensor/program.js'
import type { Tensor, Values } from '../tensor/tensor.js'
import type { ContrastiveBatch, ContrastiveSettings } from './contrastive.js'
import {
  chunksOf,
  firstRowOf,
  recordCachedLoss,
  recordChunk,
  recordChunkBackward,
  recordLossAlone,
  rowsOf,
  type Side,
} from './contrastive-trace.js'
import type { Programs } from './programs.js'
import { type DomainGradients, sequenceDomains } from './tdro/domain-gradients.js'

export interface ChunkedSteps {
  /** Leaves the gradients of a batch in the segments. → the program that had the loss */
  gradients(batch: ContrastiveBatch, sides: readonly Side[], at: Values): Promise<Program>
  /** The loss alone. → the program that had it */
  loss(batch: ContrastiveBatch, sides: readonly Side[], at: Values): Promise<Program>
  /** Of the representations that are kept, and their gradients. */
  bytes(): number
  release(): void
}

/** `runLoss` runs the program that it is given for a number of tiles, on what the loss of a batch takes; `loss` is where that is summed. */
export function createChunkedSteps(
  backend: Backend,
  settings: ContrastiveSettings,
  programs: Programs,
  loss: Tensor,
  runLoss: (made: (tiles: number) => Program, batch: ContrastiveBatch, at: Values) => Promise<Program>,
  domains?: DomainGradients,
): ChunkedSteps {
  const width = encoderWidth(settings.query)
  let cache: { rows: number; reps: Tensor; dreps: Tensor } | undefined

  // The programs that are bound to the cache go with it.
  const release = (): void => {
    programs.drop('cache')
    const old = cache
    cache = undefined
    if (old) freeTensors(backend, [old.reps, old.dreps])
  }

  /** `of`: the batch, where gradients are kept by domain. */
  const eachChunk = async (
    sides: readonly Side[],
    at: Values,
    made: (side: Side) => Program,
    of?: ContrastiveBatch,
  ): Promise<void> => {
    for (const side of sides) {
      const sequences = of && sequenceDomains(of, side.prefix)
      for (const { part, first } of chunksOf(side.batch, settings.chunkSize!)) {
        const { values, inputs } = batchArrays(part, side.prefix, side.encoder)
        const rows = sequences && domains!.arrays(side.prefix, part, sequences.subarray(first))
        const all = { ...at, ...values, ...rows?.values, first: firstRowOf(side, first) }
        await made(side).run(all, { ...inputs, ...rows?.inputs })
      }
    }
  }

  const forward = async (sides: readonly Side[], at: Values) => {
    const rows = sides.reduce((sum, side) => sum + rowsOf(side), 0)
    if (!cache || cache.rows < rows) {
      release()
      cache = {
        rows,
        reps: stateTensor(backend, 'cache', [rows, width]),
        dreps: stateTensor(backend, 'dcache', [rows, width]),
      }
    }
    const { reps, dreps } = cache
    await eachChunk(sides, at, side =>
      programs.named(`cache.forward.${side.prefix}`, trace => void recordChunk(trace, side, settings, reps), false),
    )
    return { reps, dreps }
  }

  return {
    async gradients(batch, sides, at) {
      const { reps, dreps } = await forward(sides, at)
      const withGradient = (tiles: number) =>
        programs.named(`cache.loss.${tiles}`, trace => recordCachedLoss(trace, settings, reps, dreps, loss, tiles))
      const lossProgram = await runLoss(withGradient, batch, at)
      const backward = (side: Side) =>
        programs.named(`cache.backward.${side.prefix}`, trace => {
          domains?.declare(trace, side.prefix)
          recordChunkBackward(trace, side, settings, dreps)
        })
      await eachChunk(sides, at, backward, domains && batch)
      return lossProgram
    },
    async loss(batch, sides, at) {
      const { reps } = await forward(sides, at)
      const alone = (tiles: number) =>
        programs.named(`cache.measure.${tiles}`, trace => recordLossAlone(trace, settings, reps, loss, tiles), false)
      return runLoss(alone, batch, at)
    },
    bytes: () => (cache ? [cache.reps, cache.dreps].reduce((sum, { view }) => sum + view!.bytes, 0) : 0),
    release,
  }
}
