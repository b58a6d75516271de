// The reference model's losses on the batches that the proxy will see: the stream of batches depends on the seed alone, so they are computed first,
// each text once a block, and kept in a file; the two models never share memory.

import type { Backend } from '../../backend/backend.js'
import { createExampleBatches } from '../../data/example-batches.js'
import { selectSequences } from '../../model/batch.js'
import { type Encoder, encoderWidth } from '../../model/encoder.js'
import { createSequenceEncoder } from '../../retrieve/encode.js'
import { exists, openLog, readLines } from '../../runtime/files.js'
import { writeFile } from '../../runtime/write.js'
import { type DrawnRows, drawRows } from '../../train/draw.js'
import type { LoopSettings } from '../../train/loop.js'
import type { RunHooks } from '../hooks.js'
import type { TokenizedPairs } from '../mixture.js'

export interface ReferenceStream {
  readonly backend: Backend
  readonly encoder: Encoder
  /** Tokenized for this model. */
  readonly pairs: TokenizedPairs
  /** The proxy's. */
  readonly settings: LoopSettings
  readonly temperature: number
  /** Of models, data and settings: a file of others is written anew. */
  readonly fingerprint: string
}

/** Losses of a step's micro-batches. (accumulation, m) */
export type ReferenceLosses = readonly (readonly number[])[]

/** Bytes of vectors held at a time. */
const BLOCK = 256 * 2 ** 20

/** Losses of every step, from the file as far as it goes; what is missing is computed and appended. */
export async function referenceLosses(
  path: string,
  stream: ReferenceStream,
  hooks: Pick<RunHooks, 'progress' | 'signal'>,
): Promise<ReferenceLosses[]> {
  const { backend, encoder, pairs, settings, fingerprint } = stream
  const losses = await readKept(path, fingerprint, settings)
  const first = losses.length
  const head = JSON.stringify({ fingerprint, steps: settings.steps })
  await writeFile(path, `${[head, ...losses.map(each => JSON.stringify(each))].join('\n')}\n`)
  const { seed, batchSize, accumulation, dropLast, steps, order = { kind: 'uniform' } } = settings
  const sampler = createExampleBatches({ seed, examples: pairs.examples.length, batchSize, dropLast, order })
  const made = createSequenceEncoder(backend, encoder)
  const log = await openLog(path)
  const name = "the reference's losses"
  try {
    let block: DrawnRows[][] = []
    const rows = new Set<number>()
    const flush = async () => {
      const wanted = [...rows]
      const vectors = await made.encode(
        selectSequences(pairs.texts, wanted),
        hooks.signal ? { signal: hooks.signal } : {},
      )
      const place = new Map(wanted.map((row, i) => [row, i]))
      for (const drawn of block) {
        const step = drawn.map(each => batchLosses(each, vectors, row => place.get(row)!, stream))
        losses.push(step)
        await log.append(JSON.stringify(step))
      }
      hooks.progress?.({ name, first, done: losses.length, total: steps, unit: 'steps' })
      block = []
      rows.clear()
    }
    hooks.progress?.({ name, first, done: first, total: steps, unit: 'steps' })
    for (let step = 0; step < steps; step++) {
      const drawn = Array.from({ length: accumulation }, () => drawRows(sampler, pairs.examples, settings))
      if (step < first) continue
      block.push(drawn)
      for (const { queries, passages } of drawn) for (const row of [...queries, ...passages]) rows.add(row)
      if (rows.size * encoderWidth(encoder) * 4 > BLOCK) await flush()
    }
    if (block.length > 0) await flush()
    return losses
  } finally {
    await log.close()
    made.release()
  }
}

/** The steps that the file has; none where it is of something else. */
async function readKept(path: string, fingerprint: string, settings: LoopSettings): Promise<ReferenceLosses[]> {
  const losses: ReferenceLosses[] = []
  if (!(await exists(path))) return losses
  let line = 0
  for await (const text of readLines(path)) {
    try {
      const value = JSON.parse(text)
      if (line++ > 0) losses.push(value as ReferenceLosses)
      else if (value.fingerprint !== fingerprint) return []
    } catch {
      // The last line was cut off.
      break
    }
  }
  const whole = (each: ReferenceLosses) => each.length === settings.accumulation
  return losses.every(whole) ? losses.slice(0, settings.steps) : []
}

/** −log softmax(q·p / τ)[0] over each query's own passages, in f64, as f32 numbers. */
function batchLosses(
  { queries, passages }: DrawnRows,
  vectors: Float32Array,
  placeOf: (row: number) => number,
  { encoder, temperature }: ReferenceStream,
): number[] {
  const width = encoderWidth(encoder)
  const perQuery = passages.length / queries.length
  const scores = new Float64Array(perQuery)
  return queries.map((query, i) => {
    const q = placeOf(query) * width
    for (let j = 0; j < perQuery; j++) {
      const p = placeOf(passages[i * perQuery + j]!) * width
      let sum = 0
      for (let c = 0; c < width; c++) sum += vectors[q + c]! * vectors[p + c]!
      scores[j] = sum / temperature
    }
    return Math.fround(crossEntropyOfFirst(scores))
  })
}

function crossEntropyOfFirst(scores: Float64Array): number {
  const top = scores.reduce((a, b) => Math.max(a, b))
  let sum = 0
  for (const score of scores) sum += Math.exp(score - top)
  return top + Math.log(sum) - scores[0]!
}
