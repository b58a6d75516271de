// Low-rank updates of linear layers (LoRA, Hu et al. 2021), up to LORA_PRODUCTS that read one x in a call. The dropped input is made again, not kept.
import { LORA_PRODUCTS } from '../backend/lora-kernels.js'
import { columnsOf, expectShape, type Tensor } from '../tensor/tensor.js'
import { call, gradientOf, gradientTarget, type Trace, temporary } from '../tensor/trace.js'
import { applyMask, type Dropout, maskParams } from './dropout.js'
import { plainProduct } from './product.js'
import { groupGradients } from './weight-gradients.js'

/** A low-rank update of one linear layer, with the dropout of its input. */
export interface LowRank {
  readonly A: Tensor // (r, in)
  readonly B: Tensor // (out, r)
  readonly scale: number
  readonly dropout?: Dropout
}

/** A layer with a low-rank update, and dropout(x) Aᵀ (T, r): the columns of `down` from `first` on. */
export interface Updated {
  readonly y: Tensor
  readonly update: LowRank
  readonly down: Tensor
  readonly first: number
}

/** With `down` of their own, or with one for all, side by side. */
export function updatesOf(
  x: Tensor,
  layers: readonly { readonly y: Tensor; readonly update?: LowRank | undefined }[],
  joined: boolean,
): (Updated | undefined)[] {
  const ranks = layers.map(({ update }) => (update ? columnsOf(update.B) : 0))
  const before = (i: number) => ranks.slice(0, i).reduce((sum, rank) => sum + rank, 0)
  const named = layers.find(({ update }) => update)?.y.name
  const all = joined && named ? temporary(`${named}.down`, [x.shape[0]!, before(ranks.length)]) : undefined
  return layers.map(({ y, update }, i) => {
    if (!update) return undefined
    expectShape(update.A, [ranks[i], columnsOf(x)], `low-rank update of ${y.name}`)
    expectShape(update.B, [columnsOf(y), ranks[i]], `low-rank update of ${y.name}`)
    const down = all ?? temporary(`${y.name}.down`, [x.shape[0]!, ranks[i]!])
    return { y, update, down, first: all ? before(i) : 0 }
  })
}

/** As many as one kernel call takes, of one rate of dropout. */
export function groupsOf(updated: readonly Updated[]): Updated[][] {
  const groups: Updated[][] = []
  for (const each of updated) {
    const last = groups.at(-1)
    const alike = last && last[0]!.update.dropout?.rate === each.update.dropout?.rate
    if (alike && last.length < LORA_PRODUCTS) last.push(each)
    else groups.push([each])
  }
  return groups
}

/** down = dropout(x) Aᵀ, of each. */
export function multiplyDown(trace: Trace, x: Tensor, group: readonly Updated[]): void {
  const [a0, a1, a2] = group.map(({ update }) => update.A)
  const joined = group.length > 1 && group.every(({ down }) => down === group[0]!.down)
  const [down0, down1, down2] = joined ? [group[0]!.down] : group.map(({ down }) => down)
  const tensors = { x, keys: group[0]!.update.dropout?.keys, a0: a0!, a1, a2, down0: down0!, down1, down2 }
  call(trace, 'lora_down', tensors, { ...loraParams(x, group), joined: joined ? 1 : 0 })
}

/** Of A and B of each, and x's part of it, added to `into` or x's gradient; whether there is any. */
export function lowRankGradients(
  trace: Trace,
  x: Tensor,
  group: readonly Updated[],
  into?: { readonly target: Tensor; readonly accumulate: 0 | 1 },
): boolean {
  const reached = group.flatMap(each => {
    const dy = each.y.needsGradient ? gradientOf(trace, each.y) : undefined
    return dy ? [{ ...each, ddown: factorGradients(trace, dy, x, each) }] : []
  })
  if (!x.needsGradient || reached.length === 0) return false
  const { target: dx, accumulate } = into ?? gradientTarget(trace, x)
  const [a0, a1, a2] = reached.map(({ update }) => update.A)
  const [ddown0, ddown1, ddown2] = reached.map(({ ddown }) => ddown)
  const keys = reached[0]!.update.dropout?.keys
  const tensors = { keys, ddown0: ddown0!, ddown1, ddown2, a0: a0!, a1, a2, dx }
  call(trace, 'lora_input', tensors, { ...loraParams(x, reached), accumulate })
  return true
}

/** Of A and B; returns ddown = scale · dy B (T, r). The dropped input is made again from its counters, not kept. */
function factorGradients(trace: Trace, dy: Tensor, x: Tensor, { y, down, first, update }: Updated): Tensor {
  const { A, B, scale, dropout } = update
  const [rows, columns, outputs, rank] = [x.shape[0]!, columnsOf(x), columnsOf(dy), columnsOf(B)]
  const ddown = temporary(`d${y.name}.down`, [rows, rank])
  const params = { ...plainProduct, M: rows, N: rank, K: outputs, alpha: scale }
  call(trace, 'matmul', { a: dy, b: B, bias: undefined, c: ddown }, params)
  if (A.needsGradient !== B.needsGradient)
    throw new Error(
      `low-rank update of ${y.name}: one of A and B is trained and the other is not; train both or neither`,
    )
  if (!A.needsGradient) return ddown
  const [dA, dB] = [A, B].map(each => gradientTarget(trace, each).target)
  const places = { downColumns: columnsOf(down), downFirst: first }
  const gradients = { rows, columns, outputs, rank, ...places, alpha: scale, ...maskParams(dropout) }
  call(trace, 'lora_weights', { dy, down, ddown, x, keys: dropout?.keys, dA: dA!, dB: dB! }, gradients)
  groupGradients(trace, dy, down, B, scale)
  if (trace.rowGroups.has(A)) groupGradients(trace, ddown, dropout ? applyMask(trace, x, dropout) : x, A, 1)
  return ddown
}

const loraParams = (x: Tensor, group: readonly Updated[]) => {
  const [rank0, rank1, rank2] = group.map(({ update }) => columnsOf(update.B))
  const [first, second, third] = [0, 1, 2].map(i => maskParams(group[i]?.update.dropout))
  return {
    ...{ rows: x.shape[0]!, columns: columnsOf(x), rank0: rank0!, rank1: rank1 ?? 0, rank2: rank2 ?? 0 },
    ...first!,
    ...{ key2: second!.key0, key3: second!.key1, key4: third!.key0, key5: third!.key1 },
  }
}
