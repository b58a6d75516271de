// How the calls of a run are shared among threads: which are too small to share, how many units a thread takes at a time, and where all must wait
// for one another. Results do not depend on any of it.
import { groupedColumns } from '../grouped-kernels.js'
import { type KernelName, kernelSpec, type Params } from '../kernels.js'
import { type CheckedCall, CONFLICT_WINDOW, type PreparedCall } from './calls.js'
import type { TeamCall } from './team.js'

/** Sharing a call costs about two looks at a counter, waking a sleeping thread some tens of microseconds. */
const WORTH_SHARING = 20_000
const WORTH_WAKING = 100_000
/** Shares a thread, so that one that was held up leaves its rest to the others. */
const SHARES = 4
/** Rows of a product below which copying the other factor would count. */
const PRODUCT_ROWS = 512
/** A whole block of columns, in units: a share of less copies the other factor once more. */
const PRODUCT_UNITS = 24

/** Products that copy a whole factor for each share. */
const BLOCKED: ReadonlySet<KernelName> = new Set<KernelName>([
  ...(['matmul', 'matmul_half', 'matmul_epilogue', 'matmul_half_epilogue'] as const),
  ...(['matmul_quantized', 'matmul_quantized_epilogue'] as const),
  ...(['matmul_grouped', 'matmul_grouped_sum'] as const),
])

/** What a call takes on one thread, in nanoseconds, roughly. */
function estimate(kernel: KernelName, params: Params, elements: number): number {
  const at = (name: string) => params[name] ?? 0
  // At least: the lengths of the sequences are not known here
  if (kernel.startsWith('attention_') && kernel !== 'attention_delta')
    return (at('tiles') * at('heads') * at('tileRows') ** 2 * at('headSize')) / 8
  const flops = kernelSpec(kernel).flops?.(params) ?? 0
  return elements / (flops > 0 ? 4 : 2) + flops / 50
}

function shareOf(kernel: KernelName, params: Params, units: number, threads: number): number {
  const even = Math.ceil(units / threads)
  const small = Math.ceil(units / (threads * SHARES))
  // Sums down columns walk every row for each share
  if (kernel === 'column_sum' || kernel === 'layer_norm_parameters') return roundUp(even, 16)
  if (!BLOCKED.has(kernel)) return roundUp(small, units > 1024 ? 64 : 1)
  if (params.M! < (params.N ?? groupedColumns(params)))
    return small < PRODUCT_UNITS ? Math.min(even, PRODUCT_UNITS) : roundUp(small, PRODUCT_UNITS)
  return roundUp(Math.min(even, Math.max(small, PRODUCT_ROWS)), even > 64 ? 32 : 4)
}

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to

/** The calls for the team's table, or undefined where one thread had better do all of it. */
export function shareCalls(
  prepared: readonly PreparedCall[],
  checked: readonly CheckedCall[],
  params: readonly Params[],
  threads: number,
  shareAll = false,
): TeamCall[] | undefined {
  let shared = 0
  let first = 0
  const calls: TeamCall[] = []
  prepared.forEach(({ call, spec, kernel, conflicts }, i) => {
    const { values, elements } = checked[i]!
    const units = spec.units(params[i]!)
    const cost = estimate(call.kernel, params[i]!, elements)
    const alone = units < 2 || (cost < WORTH_SHARING && !shareAll)
    if (!alone) shared += cost
    let barrier = i - first >= CONFLICT_WINDOW
    for (let d = 1; d <= i - first && !barrier; d++)
      barrier = (conflicts & (1 << (d - 1))) !== 0 && !(alone && calls[i - d]!.alone)
    if (barrier) first = i
    const share = alone ? Math.max(units, 1) : shareOf(call.kernel, params[i]!, units, threads)
    calls.push({ kernel, values, units, share, alone, barrier })
  })
  return shared < WORTH_WAKING && !shareAll ? undefined : calls
}
