// Sums of embedding rows: y[t] = Σ_tables table[index[t]]. The gradient of a trained table adds each row's gradients in the order of the batch,
// along lists that the host sorts (no atomics: the same bits every time).
import { columnsOf, expectShape, halfFormat, type Tensor } from '../tensor/tensor.js'
import { call, gradientTarget, onBackward, type Trace, temporary } from '../tensor/trace.js'

/** Positions of a batch grouped by the row they look up. */
export interface Groups {
  readonly order: Tensor // (T): positions, grouped
  readonly starts: Tensor // (U + 1): where each group starts in `order`
  readonly targets: Tensor // (U): the row of each group, distinct
}

export interface Lookup {
  readonly table: Tensor // (V, C); in 16 bits where it is frozen
  readonly index: Tensor // (T)
  /** Needed where the table is trained. */
  readonly groups?: Groups
}

/** → (T, C) */
export function embed(trace: Trace, lookups: readonly Lookup[], name: string): Tensor {
  const [first] = lookups
  if (!first) throw new Error(`embedding ${name}: no tables`)
  const columns = columnsOf(first.table)
  const rows = first.index.shape[0]!
  const out = temporary(
    name,
    [rows, columns],
    lookups.map(lookup => lookup.table),
  )
  lookups.forEach(({ table, index }, i) => {
    expectShape(table, [undefined, columns], `embedding ${name}`)
    const params = { rows, columns, accumulate: i === 0 ? 0 : 1 }
    const format = halfFormat(table)
    if (format !== undefined && table.needsGradient)
      throw new Error(`embedding ${name}: ${table.name} is trained, but held in ${table.dtype}; load it in f32`)
    if (format === undefined) call(trace, 'gather_rows', { table, index, out }, params)
    else call(trace, 'gather_rows_half', { table, index, out }, { ...params, format })
  })
  onBackward(trace, out, dout => {
    for (const { table, groups } of lookups) {
      if (!table.needsGradient) continue
      if (!groups) throw new Error(`embedding ${name}: ${table.name} is trained, but the batch has no groups for it`)
      const { order, starts, targets } = groups
      const dtable = gradientTarget(trace, table).target
      call(trace, 'scatter_rows', { dout, order, starts, targets, dtable }, { count: targets.shape[0]!, columns })
    }
  })
  return out
}
