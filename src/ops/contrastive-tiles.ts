// Softmax cross entropy over similarities whose matrix is never stored: InfoNCE by tiles of passages. Forward: a tile of scores at a time, of
// which each row keeps its greatest score and its sum of exponentials (Milakov and Gimelshein 2018); backward: each tile again, turned into its
// gradient, and from it dq += g p / τ and dp = gᵀ q / τ. A third more products than with the matrix stored, for one tile of memory.
import { columnsOf, type Dim, expectShape, sizeOf, type Tensor, type Values } from '../tensor/tensor.js'
import { call, gradientTarget, type Param, type Trace, temporary } from '../tensor/trace.js'
import type { Candidates } from './contrastive.js'

export interface Tiling {
  /** How many tiles the plan goes through. Those behind the last passage are empty. */
  readonly tiles: number
  /** Passages of a tile: a symbol of the batch; tiles times that are no fewer than there are passages. */
  readonly width: string
}

/** Passages of a tile where `count` are gone through in `tiles`: whole cache lines. */
export const tileWidth = (count: number, tiles: number): number => Math.max(64, Math.ceil(count / tiles / 64) * 64)

interface Tile {
  readonly first: (values: Values) => number
  readonly rows: (values: Values) => number
}

function tilesOf(count: Dim, { tiles, width }: Tiling): Tile[] {
  return Array.from({ length: tiles }, (_, i) => {
    const first = (values: Values) => Math.min(i * sizeOf(width, values), sizeOf(count, values))
    const rows = (values: Values) =>
      Math.min(sizeOf(width, values), Math.max(0, sizeOf(count, values) - i * sizeOf(width, values)))
    return { first, rows }
  })
}

/**
 * The rows' losses (Q) of q (Q, D) over p (P, D), as `similarity`, `maskDuplicates` (where there are labels (P)) and `crossEntropy` give them.
 * Σ w l goes to `loss` (1).
 */
export function tiledCrossEntropy(
  trace: Trace,
  q: Tensor,
  p: Tensor,
  { targets, weights, labels }: Candidates & { readonly labels?: Tensor | undefined },
  { temperature, tiling, name }: { readonly temperature: number; readonly tiling: Tiling; readonly name: string },
  loss: Tensor,
  accumulate: Param,
): Tensor {
  const columns = columnsOf(q)
  expectShape(p, [undefined, columns], `similarity ${name}`)
  const rows = q.shape[0]!
  const tiles = tilesOf(p.shape[0]!, tiling)
  const stats = temporary(`${name}.stats`, [rows, 3])
  const losses = temporary(`${name}.losses`, [rows])
  const labelled = { labels, hasLabels: labels ? 1 : 0 }
  const recordScores = (tile: Tile) => {
    const passages = temporary(`${name}.passages`, [tiling.width, columns])
    call(
      trace,
      'copy_rows',
      { x: p, y: passages },
      { rows: tile.rows, columns, from: tile.first, to: 0, accumulate: 0 },
    )
    const scores = temporary(`${name}.tile`, [rows, tiling.width])
    const product = {
      ...plain,
      M: rows,
      N: tile.rows,
      K: columns,
      transposeB: 1,
      accumulate: 0,
      alpha: 1 / temperature,
    }
    call(trace, 'matmul', { a: q, b: passages, bias: undefined, c: scores }, product)
    return { passages, scores }
  }
  tiles.forEach((tile, i) => {
    const { scores } = recordScores(tile)
    const params = {
      rows,
      columns: tile.rows,
      first: tile.first,
      hasLabels: labelled.hasLabels,
      fresh: i === 0 ? 1 : 0,
    }
    call(trace, 'softmax_tile_forward', { scores, targets, labels, stats }, params)
  })
  call(trace, 'softmax_tile_losses', { targets, stats, losses }, { rows })
  call(trace, 'weighted_sum', { x: losses, weights, out: loss }, { count: rows, accumulate })
  if (trace.training && (q.needsGradient || p.needsGradient))
    trace.tape.push(() => {
      const dq = q.needsGradient ? gradientTarget(trace, q) : undefined
      const dp = p.needsGradient ? gradientTarget(trace, p) : undefined
      tiles.forEach((tile, i) => {
        const { passages, scores } = recordScores(tile)
        const params = { rows, columns: tile.rows, first: tile.first, hasLabels: labelled.hasLabels }
        call(trace, 'softmax_tile_backward', { targets, labels, weights, stats, scores }, params)
        if (dq) {
          const shape = { M: rows, N: columns, K: tile.rows, accumulate: i === 0 ? dq.accumulate : 1 }
          const product = { ...plain, ...shape, alpha: 1 / temperature }
          call(trace, 'matmul', { a: scores, b: passages, bias: undefined, c: dq.target }, product)
        }
        if (dp) recordPassages(trace, scores, q, tile, { temperature, name, width: tiling.width }, dp)
      })
    })
  return losses
}

const plain = { transposeA: 0, transposeB: 0, hasBias: 0 } as const

/** dp of a tile's rows = [dp +] gᵀ q / τ; they are disjoint from the other tiles'. */
function recordPassages(
  trace: Trace,
  g: Tensor,
  q: Tensor,
  { rows, first }: Tile,
  { temperature, name, width }: { readonly temperature: number; readonly name: string; readonly width: string },
  { target, accumulate }: { readonly target: Tensor; readonly accumulate: 0 | 1 },
): void {
  const columns = columnsOf(q)
  const dpassages = temporary(`d${name}.passages`, [width, columns])
  const shape = { M: rows, N: columns, K: q.shape[0]!, transposeA: 1, accumulate: 0 }
  call(trace, 'matmul', { a: g, b: q, bias: undefined, c: dpassages }, { ...plain, ...shape, alpha: 1 / temperature })
  call(trace, 'copy_rows', { x: dpassages, y: target }, { rows, columns, from: 0, to: first, accumulate })
}
