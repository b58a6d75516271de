// A packed batch: the real tokens of B sequences one after another, and what the kernels want to know of them, worked out on the host.
import { TILE_STRIDE } from '../backend/kernels.js'
import { tokenKey } from '../backend/random.js'
import { TILE_ROWS } from '../ops/attention.js'
import type { Groups, Lookup } from '../ops/embedding.js'
import type { HostArray } from '../tensor/program.js'
import { type Dim, plus, type Tensor, type Values } from '../tensor/tensor.js'
import { attentionTiles, tileCount } from '../tensor/tiles.js'
import { input, type Trace } from '../tensor/trace.js'
import { headSizeOf, type ModelConfig } from './config.js'
import { gatherRows, type HostTable } from './host-table.js'
import { type Rope, ropeTable } from './rope.js'
import type { Weights } from './transformer.js'

/** Token sequences without padding. */
export interface PackedBatch {
  readonly ids: Int32Array // (T)
  readonly offsets: Int32Array // (B + 1)
  /** (T); all 0 where absent. */
  readonly typeIds?: Int32Array
  /** (B): each sequence's row in the whole batch, which keys its dropout; 0 … B − 1 where absent. */
  readonly rows?: Int32Array
  /** (B): the first position of each sequence that the pooling counts, where a prompt is left out; all 0 where absent. */
  readonly starts?: Int32Array
  /** (B): how many positions of each sequence may be attended to, 1 … its length; the others attend all the same. All where absent. */
  readonly keyLengths?: Int32Array
  /** (T): 0 where a token takes no part in the score of late interaction; all take part where absent. */
  readonly keep?: Uint8Array
}

/** What a batch's inputs depend on. */
export interface BatchModel {
  readonly config: ModelConfig
  readonly weights: Weights
  /** The word embeddings, where they stay on the host and rows of them are uploaded with each batch. */
  readonly words?: HostTable
}

/** A batch's tensors in a trace. Symbols T (tokens), B (sequences), W (attention tiles), U… (groups), R (positions), each with the prefix. */
export interface BatchTensors {
  readonly prefix: string
  readonly ids: Tensor
  /** Of the positions' table, or of rotations. */
  readonly positions?: Tensor
  readonly typeIds?: Tensor
  /** The bucket of each relative position from −R to R. */
  readonly buckets?: Tensor
  /** Word embeddings from the host, in the order of the tokens. */
  readonly words?: Lookup
  readonly ropes: ReadonlyMap<Rope, Tensor>
  readonly offsets: Tensor
  readonly keys: Tensor
  readonly tiles: Tensor
  readonly tokens: string
  readonly sequences: string
  /** Present where embedding tables are trained. */
  readonly groups?: Readonly<Partial<Record<LookupName, Groups>>>
}

/** Fails where a sequence does not fit the model: kernels look ids and positions up without a check of their own. */
export function checkSequences(
  { ids, offsets, typeIds }: PackedBatch,
  { vocabulary, maxPositions, typeVocabulary }: Pick<ModelConfig, 'vocabulary' | 'maxPositions' | 'typeVocabulary'>,
): void {
  for (let b = 0; b + 1 < offsets.length; b++) {
    const length = offsets[b + 1]! - offsets[b]!
    if (length > maxPositions)
      throw new Error(
        `text ${b + 1} has ${length} tokens, but the model has ${maxPositions} positions; cut texts to ${maxPositions} tokens (max_length)`,
      )
  }
  const sequenceOf = (t: number) => offsets.findIndex(end => end > t)
  const wrong = ids.findIndex(id => id < 0 || id >= vocabulary)
  if (wrong >= 0)
    throw new Error(
      `text ${sequenceOf(wrong)} has the id ${ids[wrong]}, but the model's vocabulary has ${vocabulary} entries; do tokenizer and weights belong together?`,
    )
  const type = typeIds?.findIndex(each => each < 0 || each >= typeVocabulary) ?? -1
  if (type >= 0)
    throw new Error(
      `text ${sequenceOf(type)} has the token type ${typeIds![type]}, but the model has ${typeVocabulary} of them (from 0)`,
    )
}

type LookupName = 'ids' | 'positions' | 'typeIds' | 'buckets'

/** The indices that a model looks up in tables, and the tables. */
const lookupsOf = ({ form }: ModelConfig): readonly (readonly [LookupName, string])[] => [
  ['ids', form.words],
  ...(form.positions ? [['positions', form.positions.table] as const] : []),
  ...(form.types ? [['typeIds', form.types] as const] : []),
  ...(form.relative ? [['buckets', form.relative.table] as const] : []),
]

/** The distinct rotations of a model's layers. */
const ropesOf = ({ attention }: ModelConfig): readonly Rope[] => [
  ...new Set(attention.flatMap(({ rope }) => (rope ? [rope] : []))),
]

/** Whether a model's tables are trained: then a batch has the lists along which their gradients are summed. */
const trainsTables = ({ config, weights, words }: BatchModel): boolean =>
  !words && weights(config.form.words).needsGradient

/** Declares a batch's inputs. */
export function batchInputs(trace: Trace, prefix: string, model: BatchModel): BatchTensors {
  const { config, words } = model
  const [T, B, W] = [`${prefix}T`, `${prefix}B`, `${prefix}W`]
  const groupsOf = (name: string, count: Dim): Groups => ({
    order: input(trace, `${prefix}${name}.order`, [count]),
    starts: input(trace, `${prefix}${name}.starts`, [plus(`${prefix}U.${name}`, 1)]),
    targets: input(trace, `${prefix}${name}.targets`, [`${prefix}U.${name}`]),
  })
  const lookups = lookupsOf(config)
  const countOf = (name: LookupName): Dim => (name === 'buckets' ? 2 * config.form.relative!.maxDistance + 1 : T)
  const ropes = ropesOf(config)
  const size = headSizeOf(config)
  const indices: Partial<Record<LookupName, Tensor>> = {}
  for (const [name] of lookups) indices[name] = input(trace, `${prefix}${name}`, [countOf(name)])
  if (ropes.length > 0) indices.positions ??= input(trace, `${prefix}positions`, [T])
  return {
    prefix,
    ...indices,
    ids: indices.ids!,
    ...(words && {
      words: {
        table: input(trace, `${prefix}words`, [T, config.hidden], 'f32'),
        index: input(trace, `${prefix}order`, [T]),
      },
    }),
    ropes: new Map(ropes.map((rope, i) => [rope, input(trace, `${prefix}rope.${i}`, [`${prefix}R`, size], 'f32')])),
    offsets: input(trace, `${prefix}offsets`, [plus(B, 1)]),
    keys: input(trace, `${prefix}keys`, [T], 'u32'),
    tiles: input(trace, `${prefix}tiles`, [W, TILE_STRIDE]),
    tokens: T,
    sequences: B,
    ...(trainsTables(model) && {
      groups: Object.fromEntries(lookups.map(([name]) => [name, groupsOf(name, countOf(name))])),
    }),
  }
}

/** The values and arrays of the inputs that `batchInputs` declared. */
export function batchArrays(
  batch: PackedBatch,
  prefix: string,
  model: BatchModel,
): { values: Values; inputs: Record<string, HostArray> } {
  const { config } = model
  const { ids, offsets } = batch
  const tokens = ids.length
  const sequences = offsets.length - 1
  const rows = batch.rows ?? Int32Array.from({ length: sequences }, (_, i) => i)
  const keys = new Uint32Array(tokens)
  for (let b = 0; b < sequences; b++)
    for (let t = offsets[b]!; t < offsets[b + 1]!; t++) keys[t] = tokenKey(rows[b]!, t - offsets[b]!)
  const arrays: Record<LookupName, () => Int32Array> = {
    ids: () => ids,
    positions: () => positionsOf(batch, config),
    typeIds: () => batch.typeIds ?? new Int32Array(tokens),
    buckets: () => relativeBuckets(config.form.relative!),
  }
  const tiles = attentionTiles(offsets, TILE_ROWS, batch.keyLengths, rows)
  const values: Record<string, number> = {
    [`${prefix}T`]: tokens,
    [`${prefix}B`]: sequences,
    [`${prefix}W`]: tileCount(tiles),
  }
  const inputs: Record<string, HostArray> = {
    [`${prefix}offsets`]: offsets,
    [`${prefix}starts`]: batch.starts ?? new Int32Array(sequences),
    [`${prefix}keys`]: keys,
    [`${prefix}tiles`]: tiles,
  }
  const trained = trainsTables(model)
  for (const [name] of lookupsOf(config)) {
    const index = arrays[name]()
    inputs[`${prefix}${name}`] = index
    if (!trained) continue
    const { order, starts, targets } = groupByRow(index)
    Object.assign(inputs, {
      [`${prefix}${name}.order`]: order,
      [`${prefix}${name}.starts`]: starts,
      [`${prefix}${name}.targets`]: targets,
    })
    values[`${prefix}U.${name}`] = targets.length
  }
  if (model.words) {
    inputs[`${prefix}words`] = gatherRows(model.words, ids)
    inputs[`${prefix}order`] = Int32Array.from({ length: tokens }, (_, t) => t)
  }
  const ropes = ropesOf(config)
  if (ropes.length === 0) return { values, inputs }
  inputs[`${prefix}positions`] = positionsOf(batch, config)
  const longest = offsets.reduce((most, end, b) => Math.max(most, end - (offsets[b - 1] ?? 0)), 1)
  values[`${prefix}R`] = longest
  ropes.forEach((rope, i) => {
    inputs[`${prefix}rope.${i}`] = ropeTable(rope, headSizeOf(config), longest)
  })
  return { values, inputs }
}

/** Each token's place in its sequence from the model's first position on; tokens that the model skips stand before it. */
function positionsOf({ ids, offsets }: PackedBatch, { form }: ModelConfig): Int32Array {
  const { offset = 0, skip = -1 } = form.positions ?? {}
  const positions = new Int32Array(ids.length)
  for (let b = 0; b + 1 < offsets.length; b++) {
    let next = offset
    for (let t = offsets[b]!; t < offsets[b + 1]!; t++) positions[t] = ids[t] === skip ? offset - 1 : next++
  }
  return positions
}

/**
 * The bucket of each n = i − j from −R to R (Raffel et al. 2020): half of them for each sign, the nearer half of these exact, the others
 * logarithmic. In f32 as where the tables were trained, because steps fall on whole numbers.
 */
export function relativeBuckets({ buckets, maxDistance }: { buckets: number; maxDistance: number }): Int32Array {
  const half = buckets / 2
  const exact = Math.floor(half / 2)
  const f32 = Math.fround
  const far = (n: number) => {
    const share = f32(f32(Math.log(f32(n / exact))) / f32(Math.log(maxDistance / exact)))
    return Math.min(half - 1, exact + Math.trunc(f32(share * (half - exact))))
  }
  return Int32Array.from({ length: 2 * maxDistance + 1 }, (_, row) => {
    const n = row - maxDistance
    const size = Math.abs(n)
    return (n < 0 ? half : 0) + (size < exact ? size : far(size))
  })
}

/** Positions grouped by the row they look up: groups by row ascending, positions within a group ascending. */
export function groupByRow(index: Int32Array): { order: Int32Array; starts: Int32Array; targets: Int32Array } {
  // Row and position in one number, so that a numeric sort of typed values is stable.
  const sorted = Float64Array.from(index, (row, position) => row * 2 ** 26 + position).sort()
  const order = new Int32Array(index.length)
  const starts: number[] = []
  const targets: number[] = []
  sorted.forEach((code, i) => {
    const row = Math.floor(code / 2 ** 26)
    order[i] = code - row * 2 ** 26
    if (targets.at(-1) !== row) {
      targets.push(row)
      starts.push(i)
    }
  })
  return { order, starts: Int32Array.from([...starts, index.length]), targets: Int32Array.from(targets) }
}

/** Some of a batch's sequences, in the order given. */
export function selectSequences(batch: PackedBatch, chosen: ArrayLike<number>): PackedBatch {
  const offsets = new Int32Array(chosen.length + 1)
  for (let i = 0; i < chosen.length; i++) {
    const b = chosen[i]!
    offsets[i + 1] = offsets[i]! + batch.offsets[b + 1]! - batch.offsets[b]!
  }
  const ids = new Int32Array(offsets[chosen.length]!)
  const typeIds = batch.typeIds && new Int32Array(ids.length)
  const keep = batch.keep && new Uint8Array(ids.length)
  for (let i = 0; i < chosen.length; i++) {
    const [start, end] = [batch.offsets[chosen[i]!]!, batch.offsets[chosen[i]! + 1]!]
    ids.set(batch.ids.subarray(start, end), offsets[i])
    typeIds?.set(batch.typeIds!.subarray(start, end), offsets[i])
    keep?.set(batch.keep!.subarray(start, end), offsets[i])
  }
  const starts = batch.starts && Int32Array.from(chosen, b => batch.starts![b]!)
  const keyLengths = batch.keyLengths && Int32Array.from(chosen, b => batch.keyLengths![b]!)
  const more = { ...(starts && { starts }), ...(keyLengths && { keyLengths }), ...(keep && { keep }) }
  return { ids, offsets, ...(typeIds && { typeIds }), ...more }
}

/** Batches one after another; rows are counted through. */
export function joinBatches(batches: readonly PackedBatch[]): PackedBatch {
  const tokens = batches.reduce((sum, batch) => sum + batch.ids.length, 0)
  const sequences = batches.reduce((sum, batch) => sum + batch.offsets.length - 1, 0)
  const ids = new Int32Array(tokens)
  const typeIds = new Int32Array(tokens)
  const offsets = new Int32Array(sequences + 1)
  const starts = batches.some(batch => batch.starts) ? new Int32Array(sequences) : undefined
  const keyLengths = batches.some(batch => batch.keyLengths) ? new Int32Array(sequences) : undefined
  const keep = batches.some(batch => batch.keep) ? new Uint8Array(tokens).fill(1) : undefined
  let [token, sequence] = [0, 0]
  for (const batch of batches) {
    if (batch.keep) keep!.set(batch.keep, token)
    ids.set(batch.ids, token)
    if (batch.typeIds) typeIds.set(batch.typeIds, token)
    if (batch.starts) starts!.set(batch.starts, sequence)
    for (let b = 1; b < batch.offsets.length; b++) {
      offsets[sequence + b] = token + batch.offsets[b]!
      const length = batch.offsets[b]! - batch.offsets[b - 1]!
      if (keyLengths) keyLengths[sequence + b - 1] = batch.keyLengths?.[b - 1] ?? length
    }
    token += batch.ids.length
    sequence += batch.offsets.length - 1
  }
  const more = { ...(starts && { starts }), ...(keyLengths && { keyLengths }), ...(keep && { keep }) }
  return { ids, offsets, typeIds, ...more }
}
