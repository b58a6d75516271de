// Activation recomputation (Chen et al. 2016, arXiv:1604.06174): a part's results are kept, what it needed on the way is not; the backward pass runs the
// part forward again. Dropout comes from counters, so the second pass drops what the first did.
import type { Tensor } from '../tensor/tensor.js'
import { gradientOf, runTape, type Trace } from '../tensor/trace.js'

/**
 * Records a part whose results are all that is kept of it. `record` must depend on nothing but tensors, because it runs twice: `again` says
 * which time it is.
 */
export function recomputed(
  trace: Trace,
  record: (trace: Trace, again: boolean) => readonly Tensor[],
): readonly Tensor[] {
  if (!trace.training) return record(trace, false)
  // The same calls and gradients, without closures; then, in the backward pass, with closures of their own.
  const results = record({ ...trace, training: false }, false)
  if (!results.some(result => result.needsGradient)) return results
  trace.tape.push(() => {
    if (!results.some(result => trace.gradients.has(result))) return
    const inner: Trace = { ...trace, tape: [] }
    const made = record(inner, true)
    // A result that is there twice has one gradient.
    for (const result of new Set(results)) passGradient(trace, result, made[results.indexOf(result)]!)
    runTape(inner)
  })
  return results
}

/** The gradient of a result of the first pass, as that of the same result of the second. */
function passGradient(trace: Trace, from: Tensor, to: Tensor): void {
  const gradient = gradientOf(trace, from)
  if (!gradient || to === from) return
  const shared = trace.shared.get(gradient)
  shared?.seen.set(to, shared.changes)
  trace.gradients.set(to, gradient)
}
