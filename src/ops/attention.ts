// Softmax attention over packed sequences, heads side by side in a row; the length × length matrix is recomputed in the backward pass from the
// log-sum-exp (Dao et al. 2022).
import { BIAS_ROWS, NO_LIMIT } from '../backend/kernels.js'
import { columnsOf, type Dim, expectShape, shapeText, sizeOf, type Tensor, type Values } from '../tensor/tensor.js'
import { call, gradientTarget, onBackward, shareGradient, type Trace, temporary } from '../tensor/trace.js'
import { type Dropout, maskParams } from './dropout.js'

/** Rows of a tile of the work list. */
export const TILE_ROWS = 32

/** The host's work list: see attentionTiles. */
export interface AttentionLayout {
  readonly tiles: Tensor // (W, TILE_STRIDE) i32
}

/** Heads, and which keys a query sees. */
export interface AttentionShape {
  readonly heads: number
  /** Divides `heads`: query head h reads key and value head ⌊h · keyValueHeads / heads⌋ (Ainslie et al. 2023). */
  readonly keyValueHeads: number
  readonly headSize: number
  /** Of the scores; default: 1/√headSize. */
  readonly scale?: number
  /** Query i sees key j where i − j ≤ before and j − i ≤ after; default: no limit. Causal is after = 0. */
  readonly before?: number
  readonly after?: number
  /** (2R + 1, heads), odd: row clamp(i − j, −R, R) + R is added to the scaled score of query i and key j. */
  readonly bias?: Tensor
  /** Narrow the factors of its products to f16. */
  readonly narrow?: boolean
}

/**
 * softmax(scale · q kᵀ + bias) v for each head and sequence, over the keys that a query sees (zeros where it sees none); q and the result are
 * (T, heads · headSize), k and v (T, keyValueHeads · headSize).
 */
export function attention(
  trace: Trace,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { tiles }: AttentionLayout,
  shape: AttentionShape,
  dropout: Dropout | undefined,
  name: string,
): Tensor {
  const { heads, keyValueHeads, headSize, scale = headSize ** -0.5, before = NO_LIMIT, after = NO_LIMIT, bias } = shape
  const f16 = shape.narrow ? '_f16' : ''
  const rows = q.shape[0]!
  checkShape(shape, name)
  expectShape(q, [rows, heads * headSize], `attention ${name}`)
  for (const each of [k, v]) expectShape(each, [rows, keyValueHeads * headSize], `attention ${name}`)
  const out = temporary(name, q.shape, [q, k, v, bias])
  // (lse, delta, bias), as the backward kernels read them
  const stats = temporary(`${name}.stats`, [rowsWith(rows, bias ? biasRowsOf(bias) : 0), heads])
  const params = {
    ...{ rows, tiles: tiles.shape[0]!, tileRows: TILE_ROWS, heads, keyValueHeads, headSize },
    softmaxScale: scale,
    ...{ before: Math.min(before, NO_LIMIT), after: Math.min(after, NO_LIMIT), biasRows: bias ? biasRowsOf(bias) : 0 },
    ...maskParams(dropout),
  }
  call(trace, `attention_forward${f16}` as const, { q, k, v, tiles, bias, out, lse: stats }, params)
  onBackward(trace, out, dout => {
    if (bias) placeBias(trace, bias, stats, rows)
    const dq = temporary(`d${q.name}`, q.shape)
    const ofBias = bias?.needsGradient ?? false
    if (ofBias || !q.needsGradient) call(trace, 'attention_delta', { out, dout, stats }, { rows, heads, headSize })
    if (bias && ofBias) {
      const dbias = temporary(`d${bias.name}.parts`, [tiles.shape[0]!, ...bias.shape])
      call(trace, `attention_backward_q_bias${f16}` as const, { q, k, v, dout, stats, tiles, dq, dbias }, params)
      addParts(trace, bias, dbias)
    } else if (q.needsGradient)
      call(trace, `attention_backward_q${f16}` as const, { q, k, v, out, dout, stats, tiles, dq }, params)
    if (ofBias || q.needsGradient) shareGradient(trace, q, dq)
    if (!k.needsGradient && !v.needsGradient) return
    const [dk, dv] = [temporary(`d${k.name}`, k.shape), temporary(`d${v.name}`, v.shape)]
    call(trace, `attention_backward_kv${f16}` as const, { q, k, v, dout, stats, tiles, dk, dv }, params)
    shareGradient(trace, k, dk)
    shareGradient(trace, v, dv)
  })
  return out
}

const biasRowsOf = (bias: Tensor): number => bias.shape[0] as number

function checkShape({ heads, keyValueHeads, headSize, before = 0, after = 0, bias }: AttentionShape, name: string) {
  if (heads % keyValueHeads !== 0)
    throw new Error(
      `attention ${name}: ${heads} heads are not a multiple of the ${keyValueHeads} heads of keys and values`,
    )
  for (const [what, value] of Object.entries({ heads, keyValueHeads, headSize }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new Error(`attention ${name}: ${what} is ${value}, expected a whole number of at least 1`)
  for (const [what, value] of Object.entries({ before, after }))
    if (value !== Number.POSITIVE_INFINITY && (!Number.isSafeInteger(value) || value < 0))
      throw new Error(`attention ${name}: ${what} is ${value}, expected a whole number of at least 0`)
  if (!bias) return
  expectShape(bias, [undefined, heads], `attention ${name}`)
  const rows = bias.shape[0]
  if (typeof rows !== 'number' || rows % 2 !== 1 || rows > BIAS_ROWS)
    throw new Error(
      `attention ${name}: ${bias.name} has shape ${shapeText(bias.shape)}, expected an odd number of rows up to ${BIAS_ROWS}`,
    )
}

/** The bias behind the statistics: the backward kernels have no tensor left for it. */
function placeBias(trace: Trace, bias: Tensor, stats: Tensor, rows: Dim): void {
  const to = (values: Values) => 2 * sizeOf(rows, values)
  const copy = { rows: biasRowsOf(bias), columns: columnsOf(bias), from: 0, to, accumulate: 0 }
  call(trace, 'copy_rows', { x: bias, y: stats }, copy)
}

/** 2 · rows + extra */
const rowsWith = (rows: Dim, extra: number): Dim =>
  typeof rows === 'number'
    ? 2 * rows + extra
    : typeof rows === 'string'
      ? { symbol: rows, times: 2, plus: extra }
      : { symbol: rows.symbol, times: 2 * rows.times, plus: 2 * rows.plus + extra }

/** The gradient of a bias (2R + 1, heads) from the tiles' (W, 2R + 1, heads). */
function addParts(trace: Trace, bias: Tensor, parts: Tensor): void {
  const columns = biasRowsOf(bias) * columnsOf(bias)
  const { target, accumulate } = gradientTarget(trace, bias)
  if (!accumulate) call(trace, 'fill', { x: target }, { count: columns, value: 0 })
  call(trace, 'column_sum', { x: parts, out: target }, { rows: parts.shape[0]!, columns })
}
