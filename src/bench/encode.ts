// Encoding: real tokens a second of many documents, checked on short beginnings of some of them against BERT in f64, and timed beside rivals
// that encode the same ids and have to give the same vectors.
import type { Backend } from '../backend/backend.js'
import { type PackedBatch, selectSequences } from '../model/batch.js'
import type { Encoder } from '../model/encoder.js'
import type { Precision } from '../model/quantize.js'
import { encodeSequences } from '../retrieve/encode.js'
import { type ModelSource, placeModel } from '../run/model.js'
import { temporaryFolder } from '../runtime/child.js'
import { join, resolve } from '../runtime/files.js'
import { writeFile } from '../runtime/write.js'
import { type BenchInput, idLists, sequenceCount } from './inputs.js'
import { type Peer, type PeerOptions, withPeers } from './peers.js'
import { readFloats } from './products.js'
import { referenceVector } from './reference-transformer.js'
import { placeOf, type Report, ratesOf, rowBeside, settingsBeside } from './row.js'
import { milliseconds, takeTurns } from './timing.js'

export interface EncodeBenchOptions extends PeerOptions {
  readonly rounds: number
  /** Default f32. */
  readonly precision?: Precision
}

/** The distance to f64 as a part of the length: some thousand roundings of f32. */
const TOLERANCE = 1e-4
/** The same with f16 factors: of vectors after some layers. */
const MIXED_TOLERANCE = 1e-2
/** 1 minus the cosine to a rival's vector. */
const PEER_TOLERANCE = 1e-4

export async function benchEncode(
  backend: Backend,
  { source, documents, label }: BenchInput,
  options: EncodeBenchOptions,
  report: Report,
  say: (line: string) => void,
): Promise<void> {
  const { precision = 'f32' } = options
  const loaded = await placeModel(backend, source, undefined, { precision })
  const { encoder } = loaded
  try {
    const error = await encodingError(backend, encoder, source, documents)
    const encode = async () => void (await encodeSequences(backend, encoder, documents))
    const warm = await encodeSequences(backend, encoder, documents)
    const { medians, cores } = await takeTurns([() => milliseconds(encode)], options.rounds)
    const work = { tokens: documents.ids.length }
    const row = {
      name: 'encode',
      shape: `${sequenceCount(documents)} texts, ${work.tokens} tokens`,
      ...placeOf(backend),
      variant: `${precision}, packed`,
      verified: error <= (precision === 'f32' ? TOLERANCE : MIXED_TOLERANCE),
      max_error: error,
      note: label,
    }
    report({ ...row, cores, milliseconds: medians[0]!, ...ratesOf(work, medians[0]!) })
    const model = source.folder
    if (!model) {
      if (options.folder) say('rivals encode with --model only: a random model has no file for them')
      return
    }
    await withPeers(options, 'encode', settingsBeside(backend), say, async peer => {
      const agreement = {
        error: await peerEncodingError(peer, encoder, model, documents, warm),
        tolerance: PEER_TOLERANCE,
      }
      const turns = await takeTurns([() => milliseconds(encode), () => peer.time(0)], options.rounds)
      report(rowBeside(row, peer, turns, agreement, work))
    })
  } finally {
    loaded.release()
  }
}

const CHECKED = { sequences: 3, tokens: 24 }

/** The largest distance of the vectors of some documents' beginnings to the same in f64, as a part of their length. */
export async function encodingError(
  backend: Backend,
  encoder: Encoder,
  source: ModelSource,
  documents: PackedBatch,
): Promise<number> {
  const count = sequenceCount(documents)
  const chosen = Array.from({ length: Math.min(CHECKED.sequences, count) }, (_, i) =>
    Math.floor((i * count) / CHECKED.sequences),
  )
  const short = idLists(selectSequences(documents, chosen)).map(ids => ids.slice(0, CHECKED.tokens))
  const offsets = new Int32Array(short.length + 1)
  short.forEach((ids, i) => {
    offsets[i + 1] = offsets[i]! + ids.length
  })
  const vectors = await encodeSequences(backend, encoder, { ids: Int32Array.from(short.flat()), offsets })
  const expected = new Float64Array(vectors.length)
  for (const [i, ids] of short.entries())
    expected.set(await referenceVector(source.weights, source.settings, ids), i * encoder.config.hidden)
  return largestDistance(vectors, expected, encoder.config.hidden)
}

async function peerEncodingError(
  peer: Peer,
  encoder: Encoder,
  folder: string,
  documents: PackedBatch,
  ours: Float32Array,
): Promise<number> {
  const files = await temporaryFolder()
  const [ids, out] = [join(files, 'ids.json'), join(files, 'vectors.f32')]
  await writeFile(ids, JSON.stringify(idLists(documents)))
  const { pooling, normalize, config } = encoder
  await peer.prepare({ task: 'encode', model: resolve(folder), ids, out, pooling, normalize })
  return largestAngle(ours, await readFloats(out), config.hidden)
}

/** The largest distance of two vectors as a part of the second one's length. */
export function largestDistance(found: ArrayLike<number>, expected: ArrayLike<number>, width: number): number {
  let largest = 0
  for (let row = 0; row < expected.length; row += width) {
    let [apart, length] = [0, 0]
    for (let i = row; i < row + width; i++) {
      apart += (found[i]! - expected[i]!) ** 2
      length += expected[i]! ** 2
    }
    largest = Math.max(largest, Math.sqrt(apart / length))
  }
  return largest
}

/** The largest 1 − cosine of two sets of vectors; NaN where their numbers differ. */
export function largestAngle(a: ArrayLike<number>, b: ArrayLike<number>, width: number): number {
  if (a.length !== b.length || a.length === 0) return Number.NaN
  let largest = 0
  for (let row = 0; row < a.length; row += width) {
    let [ab, aa, bb] = [0, 0, 0]
    for (let i = row; i < row + width; i++) {
      ab += a[i]! * b[i]!
      aa += a[i]! * a[i]!
      bb += b[i]! * b[i]!
    }
    const angle = 1 - ab / Math.sqrt(aa * bb)
    largest = Math.max(largest, angle)
  }
  return largest
}
