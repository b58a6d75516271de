// What examples of several sets count in a step's loss: fixed factors of the sets, or weights that are learned from the losses (tDRO). The loop asks
// before the gradients and tells after them.
import type { ContrastiveBatch, ContrastiveTrainer } from './contrastive.js'
import type { Drawn } from './draw.js'

export interface Weighting {
  /** Whether the examples' losses of each step are read back for `end`. */
  readonly learns: boolean
  /** Of how many sets the gradients' cosines are wanted; absent: of none. */
  readonly cosinesOf?: number
  /**
   * The weight of each example of each micro-batch, given the examples' sets; a mean has 1/m. `measure`: the losses that the step will have, for
   * those who must know them before: costs another forward pass.
   */
  begin(sets: readonly Int32Array[], measure: () => Promise<readonly Float32Array[]>): Promise<readonly Float32Array[]>
  /** After the gradients: `losses` of each micro-batch's examples, `products` (K, K) of the sets' gradients where they are wanted. → what is logged of it. Fails at a loss that is not finite, naming its set. */
  end(
    step: number,
    sets: readonly Int32Array[],
    losses: readonly Float32Array[],
    products?: readonly (readonly number[])[],
  ): Promise<Readonly<Record<string, unknown>> | undefined>
  /** Plain JSON. */
  save(): unknown
  restore(state: unknown): void
}

/** The batches with the weights that they are to have. */
export async function weighted(
  weighting: Weighting,
  drawn: readonly Drawn[],
  trainer: ContrastiveTrainer,
  { seed, counter }: { readonly seed: number; readonly counter: number },
): Promise<ContrastiveBatch[]> {
  const measure = async () => {
    const losses: Float32Array[] = []
    for (const [i, { batch }] of drawn.entries())
      losses.push(await trainer.measure(batch, { seed, counter: counter + i }))
    return losses
  }
  const sets = drawn.map(each => each.sets ?? new Int32Array())
  const weights = await weighting.begin(sets, measure)
  return drawn.map(({ batch }, i) => ({
    ...batch,
    domains: sets[i]!,
    weights: weights[i]!.map(weight => weight / drawn.length),
  }))
}

/** Every set's loss multiplied by a factor of its own (the paper's "loss reweighting"). */
export const fixedWeighting = (factors: readonly number[]): Weighting => ({
  learns: false,
  begin: async sets => sets.map(chosen => Float32Array.from(chosen, set => factors[set]! / chosen.length)),
  end: async () => undefined,
  save: () => undefined,
  restore: () => undefined,
})
