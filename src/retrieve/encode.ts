// Encoding many sequences: sorted by length into batches under a token budget, so that a batch's tokens are alike and no memory goes to waste;
// the order of the input is restored.
import type { Backend } from '../backend/backend.js'
import { batchArrays, batchInputs, checkSequences, type PackedBatch, selectSequences } from '../model/batch.js'
import { bertForward, noDropout } from '../model/bert.js'
import { type Encoder, encode } from '../model/encoder.js'
import { createPlan } from '../tensor/plan.js'
import { createPool, createProgram, type Program, releasePool } from '../tensor/program.js'
import { createTrace, output, type Trace } from '../tensor/trace.js'

export interface EncodeOptions {
  /** Tokens of a batch at most (one longer sequence makes a batch of its own). */
  readonly batchTokens?: number
  readonly onProgress?: (done: { readonly sequences: number; readonly tokens: number }) => void
  readonly signal?: AbortSignal
}

const defaultBatchTokens = { wasm: 2048, webgpu: 16384 } as const

/** → text vectors (B, C) in the order of the batch. Fails where a sequence does not fit the model, or a vector is not finite. */
export async function encodeSequences(
  backend: Backend,
  encoder: Encoder,
  sequences: PackedBatch,
  options: EncodeOptions = {},
): Promise<Float32Array> {
  checkSequences(sequences, encoder.config)
  const width = encoder.config.hidden
  const vectors = new Float32Array((sequences.offsets.length - 1) * width)
  const record = (trace: Trace) => output(trace, 'vectors', encode(trace, encoder, batchInputs(trace, '', false)))
  await inBatches(backend, 'encode', record, sequences, options, (result, chosen) => {
    chosen.forEach((sequence, row) => {
      vectors.set(result.subarray(row * width, (row + 1) * width), sequence * width)
    })
  })
  return vectors
}

/** → every token's last hidden state (T, C), in the order of the batch */
export async function encodeTokens(
  backend: Backend,
  encoder: Pick<Encoder, 'config' | 'weights' | 'adapter'>,
  sequences: PackedBatch,
  options: EncodeOptions = {},
): Promise<Float32Array> {
  checkSequences(sequences, encoder.config)
  const width = encoder.config.hidden
  const states = new Float32Array(sequences.ids.length * width)
  const record = (trace: Trace) => {
    const batch = batchInputs(trace, '', false)
    output(trace, 'vectors', bertForward(trace, encoder.weights, encoder.adapter, batch, encoder.config, noDropout))
  }
  await inBatches(backend, 'encode.tokens', record, sequences, options, (result, chosen) => {
    let from = 0
    for (const sequence of chosen) {
      const [start, end] = [sequences.offsets[sequence]!, sequences.offsets[sequence + 1]!]
      states.set(result.subarray(from, from + (end - start) * width), start * width)
      from += (end - start) * width
    }
  })
  return states
}

async function inBatches(
  backend: Backend,
  name: string,
  record: (trace: Trace) => void,
  sequences: PackedBatch,
  { batchTokens = defaultBatchTokens[backend.kind], onProgress, signal }: EncodeOptions,
  take: (result: Float32Array, chosen: readonly number[]) => void,
): Promise<void> {
  const trace = createTrace({ training: false })
  record(trace)
  const pool = createPool(backend)
  const program: Program = createProgram(createPlan(name, trace), pool)
  const done = { sequences: 0, tokens: 0 }
  try {
    for (const chosen of batchesByLength(sequences.offsets, batchTokens)) {
      signal?.throwIfAborted()
      const batch = selectSequences(sequences, chosen)
      const { values, inputs } = batchArrays(batch, '', false)
      await program.run(values, inputs)
      const vectors = await program.read('vectors')
      // A search would rank such vectors last, in silence.
      if (!allFinite(vectors))
        throw new Error(
          'encoding gives values that are not finite numbers; the weights of the model are damaged, or too large',
        )
      take(vectors, chosen)
      done.sequences += chosen.length
      done.tokens += batch.ids.length
      onProgress?.({ ...done })
      // Lets timers, signals and the progress display run between batches of a backend that computes on this thread.
      await new Promise(resolve => setTimeout(resolve, 0))
    }
  } finally {
    program.release()
    releasePool(pool)
  }
}

function allFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i]!)) return false
  return true
}

/** Sequences longest first, cut into batches of at most `batchTokens` tokens; the first is the largest, so that memory is made once. */
export function batchesByLength(offsets: Int32Array, batchTokens: number): number[][] {
  const length = (b: number) => offsets[b + 1]! - offsets[b]!
  const order = Array.from({ length: offsets.length - 1 }, (_, b) => b).sort((a, b) => length(b) - length(a) || a - b)
  const batches: number[][] = []
  let tokens = Number.POSITIVE_INFINITY
  for (const sequence of order) {
    if (tokens + length(sequence) > batchTokens) {
      batches.push([])
      tokens = 0
    }
    batches.at(-1)!.push(sequence)
    tokens += length(sequence)
  }
  return batches
}
