// A packed batch: the real tokens of B sequences one after another, and what the kernels want to know of them, worked out on the host.
import { TILE_STRIDE } from '../backend/kernels.js'
import { tokenKey } from '../backend/random.js'
import { TILE_ROWS } from '../ops/attention.js'
import type { Groups } from '../ops/embedding.js'
import type { HostArray } from '../tensor/program.js'
import { plus, type Tensor, type Values } from '../tensor/tensor.js'
import { attentionTiles, tileCount } from '../tensor/tiles.js'
import { input, type Trace } from '../tensor/trace.js'
import type { ModelConfig } from './config.js'

/** Token sequences without padding. */
export interface PackedBatch {
  readonly ids: Int32Array // (T)
  readonly offsets: Int32Array // (B + 1)
  /** (T); all 0 where absent. */
  readonly typeIds?: Int32Array
  /** (B): each sequence's row in the whole batch, which keys its dropout; 0 … B − 1 where absent. */
  readonly rows?: Int32Array
}

/** A batch's tensors in a trace. Symbols T (tokens), B (sequences), W (attention tiles), U… (groups), each with the prefix. */
export interface BatchTensors {
  readonly prefix: string
  readonly ids: Tensor
  readonly positions: Tensor
  readonly typeIds: Tensor
  readonly offsets: Tensor
  readonly keys: Tensor
  readonly tiles: Tensor
  readonly tokens: string
  readonly sequences: string
  /** Present where embedding tables are trained. */
  readonly groups?: { readonly ids: Groups; readonly positions: Groups; readonly typeIds: Groups }
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

const lookups = ['ids', 'positions', 'typeIds'] as const

/** Declares a batch's inputs. `trainsEmbeddings` adds the lists along which their gradients are summed. */
export function batchInputs(trace: Trace, prefix: string, trainsEmbeddings: boolean): BatchTensors {
  const [T, B, W] = [`${prefix}T`, `${prefix}B`, `${prefix}W`]
  const groupsOf = (name: string): Groups => ({
    order: input(trace, `${prefix}${name}.order`, [T]),
    starts: input(trace, `${prefix}${name}.starts`, [plus(`${prefix}U.${name}`, 1)]),
    targets: input(trace, `${prefix}${name}.targets`, [`${prefix}U.${name}`]),
  })
  return {
    prefix,
    ids: input(trace, `${prefix}ids`, [T]),
    positions: input(trace, `${prefix}positions`, [T]),
    typeIds: input(trace, `${prefix}typeIds`, [T]),
    offsets: input(trace, `${prefix}offsets`, [plus(B, 1)]),
    keys: input(trace, `${prefix}keys`, [T], 'u32'),
    tiles: input(trace, `${prefix}tiles`, [W, TILE_STRIDE]),
    tokens: T,
    sequences: B,
    ...(trainsEmbeddings && {
      groups: { ids: groupsOf('ids'), positions: groupsOf('positions'), typeIds: groupsOf('typeIds') },
    }),
  }
}

/** The values and arrays of the inputs that `batchInputs` declared. */
export function batchArrays(
  batch: PackedBatch,
  prefix: string,
  trainsEmbeddings: boolean,
): { values: Values; inputs: Record<string, HostArray> } {
  const { ids, offsets } = batch
  const tokens = ids.length
  const sequences = offsets.length - 1
  const rows = batch.rows ?? Int32Array.from({ length: sequences }, (_, i) => i)
  const positions = new Int32Array(tokens)
  const keys = new Uint32Array(tokens)
  for (let b = 0; b < sequences; b++) {
    const start = offsets[b]!
    for (let t = start; t < offsets[b + 1]!; t++) {
      positions[t] = t - start
      keys[t] = tokenKey(rows[b]!, t - start)
    }
  }
  const arrays = { ids, positions, typeIds: batch.typeIds ?? new Int32Array(tokens) }
  const tiles = attentionTiles(offsets, TILE_ROWS, undefined, rows)
  const values: Record<string, number> = {
    [`${prefix}T`]: tokens,
    [`${prefix}B`]: sequences,
    [`${prefix}W`]: tileCount(tiles),
  }
  const inputs: Record<string, HostArray> = {
    [`${prefix}offsets`]: offsets,
    [`${prefix}keys`]: keys,
    [`${prefix}tiles`]: tiles,
  }
  for (const name of lookups) {
    inputs[`${prefix}${name}`] = arrays[name]
    if (!trainsEmbeddings) continue
    const { order, starts, targets } = groupByRow(arrays[name])
    Object.assign(inputs, {
      [`${prefix}${name}.order`]: order,
      [`${prefix}${name}.starts`]: starts,
      [`${prefix}${name}.targets`]: targets,
    })
    values[`${prefix}U.${name}`] = targets.length
  }
  return { values, inputs }
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
  for (let i = 0; i < chosen.length; i++) {
    const [start, end] = [batch.offsets[chosen[i]!]!, batch.offsets[chosen[i]! + 1]!]
    ids.set(batch.ids.subarray(start, end), offsets[i])
    typeIds?.set(batch.typeIds!.subarray(start, end), offsets[i])
  }
  return { ids, offsets, ...(typeIds && { typeIds }) }
}

/** Batches one after another; rows are counted through. */
export function joinBatches(batches: readonly PackedBatch[]): PackedBatch {
  const tokens = batches.reduce((sum, batch) => sum + batch.ids.length, 0)
  const sequences = batches.reduce((sum, batch) => sum + batch.offsets.length - 1, 0)
  const ids = new Int32Array(tokens)
  const typeIds = new Int32Array(tokens)
  const offsets = new Int32Array(sequences + 1)
  let [token, sequence] = [0, 0]
  for (const batch of batches) {
    ids.set(batch.ids, token)
    if (batch.typeIds) typeIds.set(batch.typeIds, token)
    for (let b = 1; b < batch.offsets.length; b++) offsets[sequence + b] = token + batch.offsets[b]!
    token += batch.ids.length
    sequence += batch.offsets.length - 1
  }
  return { ids, offsets, typeIds }
}
