// Training beside rivals: the same batches of ids, the same method and temperature. A rival's loss without dropout has to be ours, and in full
// training its gradient's norm, too (under LoRA that depends on a random start).
import { temporaryFolder } from '../runtime/child.js'
import { join, resolve } from '../runtime/files.js'
import { writeFile } from '../runtime/write.js'
import type { ContrastiveBatch } from '../train/contrastive.js'
import { idLists } from './inputs.js'
import { type PeerOptions, withPeers } from './peers.js'
import { readFloats } from './products.js'
import { type BenchRow, type Report, rowBeside } from './row.js'
import { milliseconds, takeTurns } from './timing.js'

export interface TrainingTask {
  readonly method: 'lora' | 'full'
  readonly batches: readonly ContrastiveBatch[]
  readonly check: ContrastiveBatch
  readonly temperature: number
  readonly rate: number
  readonly lora: { readonly rank: number; readonly alpha: number; readonly dropout: number; readonly targets: string[] }
}

export interface OurTraining {
  readonly task: TrainingTask
  readonly model: string
  readonly ours: { readonly loss: number; readonly gradientNorm: number }
  /** A step on every batch. */
  readonly step: () => Promise<void>
  readonly tokens: number
  readonly row: Omit<BenchRow, 'milliseconds'>
}

const TOLERANCE = 1e-3

const listsOf = ({ query, passage }: ContrastiveBatch) => ({ query: idLists(query), passage: idLists(passage) })

export async function compareTraining(
  { task, model, ours, step, tokens, row }: OurTraining,
  place: { readonly threads: number; readonly device: 'cpu' | 'gpu' },
  options: PeerOptions & { readonly rounds: number },
  report: Report,
  say: (line: string) => void,
): Promise<void> {
  await withPeers(options, 'train', place, say, async peer => {
    const files = await temporaryFolder()
    const [ids, out] = [join(files, 'ids.json'), join(files, 'check.f32')]
    const { method, temperature, rate, lora } = task
    await writeFile(ids, JSON.stringify({ batches: task.batches.map(listsOf), check: listsOf(task.check) }))
    await peer.prepare({ task: 'train', model: resolve(model), ids, out, method, temperature, rate, lora })
    const [loss, gradientNorm] = await readFloats(out)
    const apart = (a: number, b: number) => Math.abs(a - b) / Math.abs(b)
    const errors = [apart(loss!, ours.loss), ...(method === 'full' ? [apart(gradientNorm!, ours.gradientNorm)] : [])]
    const error = errors.reduce((most, each) => Math.max(most, each), 0)
    const turns = await takeTurns([() => milliseconds(step), () => peer.time(0)], options.rounds)
    report(rowBeside(row, peer, turns, { error, tolerance: TOLERANCE }, { tokens }))
  })
}
