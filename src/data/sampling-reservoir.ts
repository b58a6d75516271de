// A uniform sample of a stream whose length nobody knows (algorithm L, assembly/sampling/reservoir.ts). Only indices
// are dealt with here: the caller holds the items, and may skip those that are not kept without looking at them.
import { checkInteger, checkSame, startSampling } from './sampling.js'

export interface Reservoir {
  /** Index in the stream, from 0, of the next item that is kept. */
  readonly nextIndex: number
  /** Takes that item: the place in the reservoir where it belongs, in place of what is there. */
  take(): number
  save(): ReservoirState
  restore(state: ReservoirState): void
}

/** Plain JSON. */
export interface ReservoirState {
  readonly seed: number
  readonly size: number
  readonly nextIndex: number
  /** ln of the share of the stream that still enters. */
  readonly share: number
  readonly draws: number
}

/**
 * `size`: items kept, 1 to 2^31 − 1. Each item of the stream is kept with the same probability; their order says
 * nothing and is not random.
 */
export function createReservoir({ seed, size }: { readonly seed: number; readonly size: number }): Reservoir {
  checkInteger('the size of the reservoir', size, 1, 2 ** 31 - 1)
  const sampling = startSampling(seed)
  const own = { seed, size }
  let nextIndex = 0
  return {
    get nextIndex() {
      return nextIndex
    },
    take() {
      const place = nextIndex < size ? nextIndex : sampling.below(size)
      const skipped = nextIndex + 1 < size ? 0 : sampling.reservoirSkip(size)
      nextIndex = Math.min(nextIndex + 1 + skipped, Number.MAX_SAFE_INTEGER)
      return place
    },
    save: () => ({ ...own, nextIndex, share: sampling.reservoirShare(), draws: sampling.drawCount() }),
    restore(state) {
      checkSame('reservoir', state, own)
      checkInteger("the saved reservoir's next index", state.nextIndex, 0, Number.MAX_SAFE_INTEGER)
      checkInteger("the saved reservoir's number of draws", state.draws, 0, Number.MAX_SAFE_INTEGER)
      if (!(state.share <= 0 && state.share > -Infinity))
        throw new Error(`the saved reservoir's share must be a finite number of 0 or less, found ${state.share}`)
      nextIndex = state.nextIndex
      sampling.setReservoirShare(state.share)
      sampling.setDrawCount(state.draws)
    },
  }
}

/** `size` items of a stream, or all of them where there are fewer. */
export async function sampleStream<Item>(
  stream: Iterable<Item> | AsyncIterable<Item>,
  size: number,
  seed: number,
): Promise<Item[]> {
  const reservoir = createReservoir({ seed, size })
  const items: Item[] = []
  let index = 0
  for await (const item of stream) if (index++ === reservoir.nextIndex) items[reservoir.take()] = item
  return items
}
