// An encoder, loaded: a model's weights in a backend's memory, its tokenizer, and what turns texts into vectors.

import type { Backend } from '../backend/backend.js'
import { checkTexts } from '../data/given.js'
import { encoderWidth, isPerToken } from '../model/encoder.js'
import { readAdapter } from '../model/peft.js'
import type { Precision } from '../model/quantize.js'
import { createSequenceEncoder, type SequenceEncoder } from '../retrieve/encode.js'
import { openBackend } from '../run/backend.js'
import { openModelUnhashed, packTexts, promptFor, type UnhashedSource } from '../run/model.js'
import { type PlacedModel, placeFrozen } from '../run/placed.js'
import type { Tokenizer } from '../text/tokenizer.js'
import { type Closing, closing } from './disposal.js'
import { aFunction, aSignal, aText, type Checks, checkOptions, oneOf, orWith, whole } from './given.js'
import { basesOf, folderOf } from './hub.js'
import { checkLocation, type FetchProgress, isLocation, type Location, locate } from './location.js'

/** How `loadEncoder` loads; all of it is optional. */
export interface LoadOptions {
  /** One that is open already, which stays open; or which to open. Default `auto`: WebGPU where there is a GPU, else WebAssembly. */
  readonly backend?: Backend | 'auto' | 'webgpu' | 'wasm' | undefined
  /** A part of the GPU's name. */
  readonly gpu?: string | undefined
  /** Of WebAssembly; default: the cores there are. */
  readonly threads?: number | undefined
  /** A PEFT adapter that was trained on this model. */
  readonly adapter?: Location | undefined
  /** `int8`: the linear layers in 8 bits, smaller and faster; not to be trained further. Default `f32`. */
  readonly precision?: Precision | undefined
  /** Tokens of a text at most, special ones included; longer texts are cut. Default: what the model's files say. */
  readonly maxLength?: number | undefined
  /** Columns kept of each vector, for models trained for it (Matryoshka); default: all. */
  readonly dimensions?: number | undefined
  readonly onFetch?: ((progress: FetchProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Of a call of `encode`. */
export interface EncodeOptions {
  /** Which of the model's prompts stands before each text; default `document`. */
  readonly kind?: 'query' | 'document' | undefined
  /** Stands before each text in place of the model's prompt. */
  readonly prompt?: string | undefined
  readonly onProgress?: ((done: EncodeProgress) => void) | undefined
  /** Aborting rejects with the signal's reason, between two batches. */
  readonly signal?: AbortSignal | undefined
}

/** How far a call of `encode` is. */
export interface EncodeProgress {
  readonly texts: number
  readonly total: number
  /** Real ones, so far. */
  readonly tokens: number
}

/** What an encoder is made of: for the functions of this library. */
export interface EncoderParts {
  readonly backend: Backend
  readonly source: UnhashedSource & { readonly tokenizer: Tokenizer }
  /** Of a model with two encoders `passage` is that of documents. */
  readonly loaded: PlacedModel
  /** Keeps backend and source open until the function that it returns is called. */
  hold(): () => Promise<void>
}

export interface OpenParts extends EncoderParts {
  /** Does `work`, for which closing waits. */
  during<T>(work: () => Promise<T>): Promise<T>
}

/** What turns texts into vectors. */
export interface TextVectors {
  /** Columns of a vector. */
  readonly dimensions: number
  /** Tokens of a text at most. */
  readonly maxLength: number
  /** The backend, and why this one, for people. */
  readonly description: string
  /** → (texts, dimensions), row by row. Calls wait for one another. */
  encode(texts: readonly string[], options?: EncodeOptions): Promise<Float32Array>
  /** Frees the memory once what it still does is done; the backend is closed with the last encoder that `loadEncoder` opened it for. */
  close(): Promise<void>
  /** What the functions of this library take of it; throws when it is closed. */
  readonly parts: OpenParts
}

/** A loaded encoder; `using` closes it. */
export type Encoder = Closing<TextVectors>

/** Texts that are tokenized together: sorted by length, they make batches without waste. */
const BLOCK = 4096

const loadChecks: Checks<LoadOptions> = {
  backend: orWith(oneOf('auto', 'webgpu', 'wasm'), 'what openBackend() gives', 'allocate'),
  gpu: aText,
  threads: whole(1),
  adapter: isLocation,
  precision: oneOf('f32', 'int8', 'mixed'),
  maxLength: whole(1),
  dimensions: whole(1),
  onFetch: aFunction,
  signal: aSignal,
}

const encodeChecks: Checks<EncodeOptions> = {
  kind: oneOf('query', 'document'),
  prompt: aText,
  onProgress: aFunction,
  signal: aSignal,
}

/**
 * Loads a sentence-transformers or Hugging Face model, or a PEFT adapter's folder, from a folder, an address or its files. Rejects where something
 * is missing, damaged or not supported, or larger than there is room for, naming it.
 */
export async function loadEncoder(model: Location, options: LoadOptions = {}): Promise<Encoder> {
  checkLocation('loadEncoder', model)
  checkOptions('loadEncoder options', options, loadChecks)
  const { signal, onFetch, precision, dimensions } = options
  signal?.throwIfAborted()
  const fetching = { onFetch, signal }
  const { folder, base } = await folderOf(model, fetching)
  const located = locate(folder, fetching)
  const undo: (() => void | Promise<void>)[] = [located.close]
  const close = async () => {
    for (const each of undo.splice(0).reverse()) await each()
  }
  try {
    const opened = await openModelUnhashed(located.path, basesOf(fetching))
    undo.push(opened.close)
    const adapter = options.adapter ? await adapterFrom(options.adapter, opened, options) : opened.adapter
    const settings = { ...opened.settings, maxLength: lengthFor(opened, options.maxLength) }
    const named = base && !opened.adapter && { base }
    const source = { ...opened, ...named, settings, tokenizer: opened.tokenizer!, ...(adapter && { adapter }) }
    const { backend, reason } = await backendFor(options)
    if (backend !== options.backend) undo.push(() => backend.close())
    signal?.throwIfAborted()
    const loaded = await placeFrozen(backend, source, {
      precision,
      ...(dimensions !== undefined && { dimensions }),
    })
    return encoderOf({ backend, source, loaded, hold: shared(close) }, reason)
  } catch (error) {
    await close()
    signal?.throwIfAborted()
    throw error
  }
}

/** Tokens of a text at most. Fails where the model has no positions for so many. */
function lengthFor({ settings, weights }: UnhashedSource, given = settings.maxLength): number {
  const most = weights.config.maxPositions
  if (given > settings.maxLength && given > most)
    throw new Error(
      `loadEncoder options, maxLength: the model has ${most} positions, found ${given}; give ${most} or less`,
    )
  return given
}

async function adapterFrom(location: Location, source: UnhashedSource, { onFetch, signal }: LoadOptions) {
  const located = locate(location, { onFetch, signal })
  try {
    return await readAdapter(located.path, source.weights.config)
  } finally {
    located.close()
  }
}

async function backendFor({
  backend = 'auto',
  gpu,
  precision,
  threads,
}: LoadOptions): Promise<{ backend: Backend; reason: string }> {
  if (typeof backend === 'object') return { backend, reason: backend.description }
  return openBackend({ backend, adapter: gpu, mixed: precision === 'mixed', threads })
}

/** Calls `close` when all that hold it have let go. */
function shared(close: () => Promise<void>): () => () => Promise<void> {
  let holders = 0
  return () => {
    holders++
    let held = true
    return async () => {
      if (!held) return
      held = false
      if (--holders === 0) await close()
    }
  }
}

/** What encodes queries and what encodes documents, made when they are asked for; often one and the same. */
function sequenceEncoders(backend: Backend, { encoder, passage }: PlacedModel) {
  const made = new Map<typeof encoder, SequenceEncoder>()
  return {
    of(kind: 'query' | 'document'): SequenceEncoder {
      if (isPerToken(encoder))
        throw new Error(
          'a late-interaction model makes a vector of each token, expected one of each text; evaluateEncoder() scores it',
        )
      const model = kind === 'document' && passage ? passage.encoder : encoder
      const known = made.get(model) ?? createSequenceEncoder(backend, model)
      made.set(model, known)
      return known
    },
    release() {
      for (const each of made.values()) each.release()
    },
  }
}

/** Texts in, vectors out, block by block. */
async function encodeBlocks(
  { source: { settings, tokenizer } }: EncoderParts,
  sequences: SequenceEncoder,
  texts: readonly string[],
  dimensions: number,
  { kind = 'document', prompt = promptFor(settings, kind), onProgress, signal }: EncodeOptions,
): Promise<Float32Array> {
  signal?.throwIfAborted()
  const vectors = new Float32Array(texts.length * dimensions)
  let tokens = 0
  for (let from = 0; from < texts.length; from += BLOCK) {
    signal?.throwIfAborted()
    const block = texts.slice(from, from + BLOCK)
    const batch = packTexts(tokenizer, settings, kind, block, settings.maxLength, prompt)
    const report = (done: { sequences: number; tokens: number }) =>
      onProgress?.({ texts: from + done.sequences, total: texts.length, tokens: tokens + done.tokens })
    const encoded = await sequences.encode(batch, { onProgress: report, ...(signal && { signal }) })
    vectors.set(encoded, from * dimensions)
    tokens += batch.ids.length
  }
  return vectors
}

/** An encoder of parts that are there, which it holds from now on. */
export function encoderOf(parts: EncoderParts, description: string): Encoder {
  const { backend, source, loaded } = parts
  const letGo = parts.hold()
  const sequences = sequenceEncoders(backend, loaded)
  let closed: Promise<void> | undefined
  let last: Promise<unknown> = Promise.resolve()
  const working = new Set<Promise<unknown>>()
  const dimensions = encoderWidth(loaded.encoder)

  const open = () => {
    if (closed) throw new Error('the encoder is closed: load it again with loadEncoder()')
  }
  const release = async () => {
    await Promise.allSettled([last, ...working])
    sequences.release()
    loaded.release()
    await letGo()
  }
  const close = () => {
    closed ??= release()
    return closed
  }
  const during = async <T>(work: () => Promise<T>): Promise<T> => {
    const result = work()
    working.add(result)
    try {
      return await result
    } finally {
      working.delete(result)
    }
  }
  const encode = async (texts: readonly string[], options: EncodeOptions = {}): Promise<Float32Array> => {
    open()
    checkTexts('encode', texts)
    checkOptions('encode options', options, encodeChecks)
    const given = [...texts]
    // One after the other: the memory that batches pass through is there once.
    const result = last.then(() =>
      encodeBlocks(parts, sequences.of(options.kind ?? 'document'), given, dimensions, options),
    )
    last = result.catch(() => undefined)
    return result
  }
  const made: TextVectors = {
    dimensions,
    maxLength: source.settings.maxLength,
    description,
    encode,
    close,
    get parts() {
      open()
      return { ...parts, during }
    },
  }
  return closing(made, close)
}
