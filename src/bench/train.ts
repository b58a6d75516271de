// Training: InfoNCE steps with in-batch negatives and dropout, LoRA and full; real tokens a second. Before that, without dropout: the loss is
// compared with InfoNCE in f64 over the encoder's vectors, and the gradient with how the loss changes along it.
import { type Backend, wholeView } from '../backend/backend.js'
import type { WebGpuBackend } from '../backend/webgpu/backend.js'
import { loadPairs } from '../data/pairs.js'
import type { PackedBatch } from '../model/batch.js'
import { type LoadedEncoder, type Method, newAdapter } from '../model/load.js'
import type { Precision } from '../model/quantize.js'
import { encodeSequences } from '../retrieve/encode.js'
import { inputTexts, type ModelSource, placeModel } from '../run/model.js'
import { readTensor } from '../tensor/parameters.js'
import { putParameters, takeParameters } from '../train/checkpoint.js'
import {
  type ContrastiveBatch,
  type ContrastiveSettings,
  type ContrastiveTrainer,
  candidatesOf,
  createContrastiveTrainer,
} from '../train/contrastive.js'
import { defaultOptimizer } from '../train/optimizer.js'
import { gradCacheRow } from './grad-cache.js'
import { benchHostStep } from './host-step.js'
import { firstSequences, randomDocuments, sequenceCount } from './inputs.js'
import type { PeerOptions } from './peers.js'
import { isSoftware, placeOf, type Report, ratesOf, settingsBeside } from './row.js'
import { tdroRow } from './tdro-step.js'
import { milliseconds, takeTurns } from './timing.js'
import { compareTraining, type TrainingTask } from './train-peers.js'

export interface TrainBenchOptions extends PeerOptions {
  readonly data?: string | undefined
  readonly rounds: number
  /** Default f32. */
  readonly precision?: Precision
  /** Default: both. */
  readonly methods?: readonly (typeof methods)[number][]
  /** Of a batch of random texts; default: few. */
  readonly pairs?: number
}

export const TEMPERATURE = 0.05
const RATE = 1e-5
const MAX_LENGTH = 256
const LORA = { rank: 8, alpha: 32, dropout: 0.1, targets: ['query', 'value'] }
const methods = ['lora', 'full'] as const

/** Pairs of a batch, batches of a timed call, pairs that are checked. */
const sizes = { real: { pairs: 32, batches: 2, checked: 16 }, random: { pairs: 16, batches: 1, checked: 4 } }
const small = { pairs: 4, batches: 1, checked: 4 }

/** The loss to f64, relatively; the slope along the gradient by differences of f32 losses, relatively. */
const LOSS_TOLERANCE = 1e-5
const SLOPE_TOLERANCE = 0.02
/** The same with f16 factors. */
const MIXED_TOLERANCE = { loss: 1e-2, slope: 0.1 }

export async function benchTrain(
  backend: Backend,
  source: ModelSource,
  options: TrainBenchOptions,
  report: Report,
  say: (line: string) => void,
): Promise<void> {
  const real = options.data !== undefined && source.tokenizer !== undefined
  const size = isSoftware(backend) ? small : real ? sizes.real : sizes.random
  const { pairs = size.pairs } = options
  const batches = real
    ? await pairBatches(source, options.data!, size.pairs, size.batches)
    : [batchOf(randomDocuments(pairs), randomDocuments(pairs, 23))]
  const check = batchOf(
    firstSequences(batches[0]!.query, size.checked),
    firstSequences(batches[0]!.passage, size.checked),
  )
  const note = `${source.name} on ${real ? options.data : 'random ids'}`
  const tasks = (options.methods ?? methods).map(
    (method): TrainingTask => ({ method, batches, check, temperature: TEMPERATURE, rate: RATE, lora: LORA }),
  )
  for (const task of tasks) await benchMethod(backend, source, task, { ...options, note }, report, say)
  if (backend.kind === 'webgpu') await benchHostStep(backend as WebGpuBackend, report)
}

async function benchMethod(
  backend: Backend,
  source: ModelSource,
  task: TrainingTask,
  { note, ...options }: TrainBenchOptions & { readonly note: string },
  report: Report,
  say: (line: string) => void,
): Promise<void> {
  const { method, batches } = task
  const tokens = tokensOf(batches)
  const trained: Method =
    method === 'full' ? { kind: 'full' } : { kind: 'lora', adapter: newAdapter(source.weights.config, LORA, 1) }
  const { precision = 'f32' } = options
  const loaded = await placeModel(backend, source, trained, { precision })
  const tolerance = precision === 'f32' ? { loss: LOSS_TOLERANCE, slope: SLOPE_TOLERANCE } : MIXED_TOLERANCE
  const settings = settingsOf(loaded)
  try {
    const checked = await checkStep(backend, loaded, { ...settings, dropout: 0 }, task.check)
    const row = {
      name: `train ${method}`,
      shape: shapeOf(batches),
      ...placeOf(backend),
      variant: `${precision}, packed`,
      max_error: checked.lossError,
      gradient_error: checked.slopeError,
      verified: checked.lossError <= tolerance.loss && checked.slopeError <= tolerance.slope,
      note,
    }
    const trainer = createContrastiveTrainer(backend, settings)
    try {
      const step = stepper(trainer, batches)
      await step()
      const { medians, cores } = await takeTurns([() => milliseconds(step)], options.rounds)
      report({ ...row, cores, milliseconds: medians[0]!, ...ratesOf({ tokens }, medians[0]!) })
      if (source.folder) {
        const own = { task, model: source.folder, ours: checked, step, tokens, row }
        await compareTraining(own, settingsBeside(backend), options, report, say)
      }
    } finally {
      // What follows compares two trainers each: what this one holds would not fit into 4 GiB beside them.
      trainer.release()
    }
    const one = { ...row, name: `train ${method}, chunks`, shape: shapeOf(batches.slice(0, 1)) }
    report(await gradCacheRow(backend, settings, batches[0]!, options.rounds, one))
    report(await tdroRow(backend, settings, batches[0]!, options.rounds, { ...row, name: `train ${method}, tDRO` }))
  } finally {
    loaded.release()
  }
}

const tokensOf = (batches: readonly ContrastiveBatch[]): number =>
  batches.reduce((sum, { query, passage }) => sum + query.ids.length + passage.ids.length, 0)

const shapeOf = (batches: readonly ContrastiveBatch[]): string =>
  `${batches.length}×${sequenceCount(batches[0]!.query)} pairs, ${tokensOf(batches)} tokens`

const settingsOf = ({ encoder, trainable }: LoadedEncoder): ContrastiveSettings => ({
  query: encoder,
  passage: encoder,
  trainable: trainable!,
  temperature: TEMPERATURE,
  optimizer: defaultOptimizer,
})

/** A call takes a step on every batch. */
function stepper(trainer: ContrastiveTrainer, batches: readonly ContrastiveBatch[]): () => Promise<void> {
  let t = 0
  return async () => {
    for (const batch of batches) {
      const { loss, finite } = await trainer.step([batch], { rate: RATE, t: t + 1, seed: 1, counter: t })
      t++
      if (!finite || !Number.isFinite(loss)) throw new Error(`step ${t}: the loss is ${loss}, expected a finite number`)
    }
  }
}

const batchOf = (query: PackedBatch, passage: PackedBatch): ContrastiveBatch => ({
  query,
  passage,
  ...candidatesOf(sequenceCount(query), 1, true),
})

/** The first pairs of a collection, with one positive each. */
async function pairBatches(
  source: ModelSource,
  data: string,
  size: number,
  count: number,
): Promise<ContrastiveBatch[]> {
  const { pairs } = await loadPairs(data)
  if (pairs.length < size * count)
    throw new Error(`${data} has ${pairs.length} training pairs, expected ${size * count} for ${count} steps`)
  return Array.from({ length: count }, (_, i) => {
    const chosen = pairs.slice(i * size, (i + 1) * size)
    const encode = (kind: 'query' | 'document', texts: string[]) =>
      source.tokenizer!.encode(inputTexts(source.settings, kind, texts), { maxLength: MAX_LENGTH })
    const queries = chosen.map(({ query }) => query)
    return batchOf(
      encode('query', queries),
      encode(
        'document',
        chosen.map(pair => pair.positives[0]!),
      ),
    )
  })
}

export interface CheckedStep {
  readonly loss: number
  readonly gradientNorm: number
  readonly lossError: number
  readonly slopeError: number
}

/** How much the loss changes between the two sides of a central difference, at most, and as a part of the loss. */
const CHANGE = { most: 0.02, part: 0.1 }
/** A smaller loss is a difference of scores of up to 20 that f32 does not resolve further. */
const LEAST_LOSS = 0.1

/** Loss and gradient of one batch, and how far they are from f64 and from the loss's own differences. Parameters and gradients are left as they were. */
export async function checkStep(
  backend: Backend,
  { encoder, trainable }: LoadedEncoder,
  settings: ContrastiveSettings,
  batch: ContrastiveBatch,
): Promise<CheckedStep> {
  const trainer = createContrastiveTrainer(backend, settings)
  const segments = trainable!.segments
  const lossHere = async () => {
    for (const { gradients } of segments)
      backend.write(wholeView(gradients.view!.memory), new Float32Array(gradients.view!.bytes / 4))
    return trainer.gradients(batch, { seed: 1, counter: 0 })
  }
  try {
    const loss = await lossHere()
    const gradients: Float32Array[] = []
    for (const segment of segments) gradients.push(await readTensor(backend, segment.gradients))
    const squares = gradients.reduce((sum, g) => g.reduce((total, value) => total + value * value, sum), 0)
    const before = await takeParameters(backend, trainable!)
    const change = Math.min(CHANGE.most, CHANGE.part * loss)
    const length = change / 2 / squares
    const moved = async (by: number) => {
      const values = before.map((array, i) => array.map((value, j) => value + by * gradients[i]![j]!))
      putParameters(backend, trainable!, values)
      return lossHere()
    }
    const difference = (await moved(length)) - (await moved(-length))
    putParameters(backend, trainable!, before)
    await lossHere()
    for (const { gradients: each } of segments) backend.write(each.view!, new Float32Array(each.view!.bytes / 4))
    const q = await encodeSequences(backend, encoder, batch.query)
    const p = await encodeSequences(backend, encoder, batch.passage)
    const expected = infoNce(q, p, encoder.config.hidden, settings.temperature)
    return {
      loss,
      gradientNorm: Math.sqrt(squares),
      lossError: Math.abs(loss - expected) / Math.max(expected, LEAST_LOSS),
      slopeError: Math.abs(difference - change) / change,
    }
  } finally {
    trainer.release()
  }
}

/** −mean log softmax of each query's own passage, over all passages (van den Oord et al. 2018). q, p (B, width) */
export function infoNce(q: Float32Array, p: Float32Array, width: number, temperature: number): number {
  const rows = q.length / width
  let total = 0
  for (let i = 0; i < rows; i++) {
    const scores = Array.from({ length: p.length / width }, (_, j) => {
      let sum = 0
      for (let c = 0; c < width; c++) sum += q[i * width + c]! * p[j * width + c]!
      return sum / temperature
    })
    const most = Math.max(...scores)
    total += Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), 0)) + most - scores[i]!
  }
  return total / rows
}
