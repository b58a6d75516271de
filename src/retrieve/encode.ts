// Encoding many sequences: sorted by length into batches under a token budget, so that a batch's tokens are alike and no memory goes to waste;
// the order of the input is restored.
import type { Backend } from '../backend/backend.js'
import {
  type BatchModel,
  batchArrays,
  batchInputs,
  checkSequences,
  type PackedBatch,
  selectSequences,
} from '../model/batch.js'
import { type Encoder, encode, encoderWidth, encodeTokenVectors } from '../model/encoder.js'
import { noDropout, type Transformer, transformerForward } from '../model/transformer.js'
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

/** A model's forward pass, ready for any number of batches: the memory that they pass through is made once. */
export interface SequenceEncoder {
  /**
   * → text vectors (B, C), or every token's last hidden state (T, C), in the order of the batch. Fails where a sequence does not fit the
   * model, or a value is not finite.
   */
  encode(sequences: PackedBatch, options?: EncodeOptions): Promise<Float32Array>
  release(): void
}

/** For text vectors. */
export const createSequenceEncoder = (backend: Backend, encoder: Encoder): SequenceEncoder =>
  createEncoder(backend, encoder, encoderWidth(encoder), 'encode', takeVectors, trace =>
    output(trace, 'vectors', encode(trace, encoder, batchInputs(trace, '', encoder))),
  )

/** For every token's last hidden state. */
export const createTokenEncoder = (backend: Backend, encoder: Transformer & BatchModel): SequenceEncoder =>
  createEncoder(backend, encoder, encoder.config.hidden, 'encode.tokens', takeStates, trace => {
    output(trace, 'vectors', transformerForward(trace, encoder, batchInputs(trace, '', encoder), noDropout))
  })

/** For every token's vector of a late-interaction model. */
export const createTokenVectorEncoder = (backend: Backend, encoder: Encoder): SequenceEncoder =>
  createEncoder(backend, encoder, encoderWidth(encoder), 'encode.vectors', takeStates, trace =>
    output(trace, 'vectors', encodeTokenVectors(trace, encoder, batchInputs(trace, '', encoder))),
  )

/** → text vectors (B, C) in the order of the batch. Fails where a sequence does not fit the model, or a vector is not finite. */
export const encodeSequences = (
  backend: Backend,
  encoder: Encoder,
  sequences: PackedBatch,
  options: EncodeOptions = {},
): Promise<Float32Array> => encodeOnce(createSequenceEncoder(backend, encoder), sequences, options)

/** → every token's last hidden state (T, C), in the order of the batch */
export const encodeTokens = (
  backend: Backend,
  encoder: Transformer & BatchModel,
  sequences: PackedBatch,
  options: EncodeOptions = {},
): Promise<Float32Array> => encodeOnce(createTokenEncoder(backend, encoder), sequences, options)

async function encodeOnce(made: SequenceEncoder, sequences: PackedBatch, options: EncodeOptions) {
  try {
    return await made.encode(sequences, options)
  } finally {
    made.release()
  }
}

/** Puts the results of a batch of chosen sequences where they belong among all. */
interface Take {
  /** Rows of a whole result. */
  rows(sequences: PackedBatch): number
  put(all: Float32Array, width: number, result: Float32Array, chosen: readonly number[], offsets: Int32Array): void
}

const takeVectors: Take = {
  rows: sequences => sequences.offsets.length - 1,
  put(all, width, result, chosen) {
    chosen.forEach((sequence, row) => {
      all.set(result.subarray(row * width, (row + 1) * width), sequence * width)
    })
  },
}

const takeStates: Take = {
  rows: sequences => sequences.ids.length,
  put(all, width, result, chosen, offsets) {
    let from = 0
    for (const sequence of chosen) {
      const [start, end] = [offsets[sequence]!, offsets[sequence + 1]!]
      all.set(result.subarray(from, from + (end - start) * width), start * width)
      from += (end - start) * width
    }
  },
}

/** Milliseconds between two turns of the event loop. */
const TURN = 20

function createEncoder(
  backend: Backend,
  model: BatchModel,
  width: number,
  name: string,
  take: Take,
  record: (trace: Trace) => void,
): SequenceEncoder {
  const trace = createTrace({ training: false })
  record(trace)
  const pool = createPool(backend)
  const program: Program = createProgram(createPlan(name, trace), pool)
  let turned = performance.now()
  return {
    async encode(sequences, { batchTokens = defaultBatchTokens[backend.kind], onProgress, signal } = {}) {
      checkSequences(sequences, model.config)
      const all = new Float32Array(take.rows(sequences) * width)
      const done = { sequences: 0, tokens: 0 }
      for (const chosen of batchesByLength(sequences.offsets, batchTokens)) {
        signal?.throwIfAborted()
        const batch = selectSequences(sequences, chosen)
        const { values, inputs } = batchArrays(batch, '', model)
        await program.run(values, inputs)
        const result = await program.read('vectors')
        // A search would rank such vectors last, in silence.
        if (!allFinite(result))
          throw new Error(
            'encoding gives values that are not finite numbers; the weights of the model are damaged, or too large',
          )
        take.put(all, width, result, chosen, sequences.offsets)
        done.sequences += chosen.length
        done.tokens += batch.ids.length
        onProgress?.({ ...done })
        if (performance.now() - turned < TURN) continue
        // Lets timers, signals and the progress display run, and files be read and written, beside a backend that computes on this thread.
        await new Promise(resolve => setTimeout(resolve, 0))
        turned = performance.now()
      }
      return all
    },
    release() {
      program.release()
      releasePool(pool)
    },
  }
}

export function allFinite(values: Float32Array): boolean {
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
