// Timing by the clock: a first call that does not count, then calls until enough time has passed; the median of them. Two rivals take turns, so
// that what else the machine does falls on both.
import type { Backend } from '../backend/backend.js'
import { processorSeconds } from '../runtime/child.js'

export interface TimingOptions {
  /** Repeats until so much time has passed … */
  readonly seconds: number
  /** … or so many calls were made, at least two. */
  readonly atMost?: number
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The median of the faster half, where what else the machine does slows many. */
export const fasterHalf = (times: readonly number[]): number =>
  median([...times].sort((a, b) => a - b).slice(0, Math.ceil(times.length / 2)))

export async function milliseconds(run: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await run()
  return performance.now() - start
}

/**
 * What a call takes of the machine, in milliseconds: on wasm the processor time of all threads, which what else the machine does hardly touches; elsewhere
 * the time that passes.
 */
export async function stepCost({ kind }: Pick<Backend, 'kind'>, run: () => Promise<unknown>): Promise<number> {
  const busy = processorSeconds()
  const passed = await milliseconds(async () => void (await run()))
  return kind === 'wasm' ? 1000 * (processorSeconds() - busy) : passed
}

/** The median of a call, in milliseconds. The first call is not counted. */
export async function timeCalls(run: () => Promise<void>, options: TimingOptions): Promise<number> {
  const { seconds, atMost = 200 } = options
  await run()
  const times: number[] = []
  for (let sum = 0; (sum < seconds * 1000 || times.length < 2) && times.length < atMost; ) {
    const time = await milliseconds(run)
    times.push(time)
    sum += time
  }
  return median(times)
}

/** Threads of a rival may spin for a while after its work is done. */
const PAUSE = 300 // milliseconds
const pause = () => new Promise(resolve => setTimeout(resolve, PAUSE))

export interface Turns {
  /** The median of each contestant, in milliseconds. */
  readonly medians: readonly number[]
  /** Cores that the first one, ours, kept busy: well below its threads where something else was running. */
  readonly cores: number
}

/** Contestants take turns, round by round: a, b, c, a, b, c …; each returns its own milliseconds. */
export async function takeTurns(contestants: readonly (() => Promise<number>)[], rounds: number): Promise<Turns> {
  const times = contestants.map((): number[] => [])
  const ours = { busy: 0, seconds: 0 }
  for (let round = 0; round < rounds; round++)
    for (const [i, contestant] of contestants.entries()) {
      if (contestants.length > 1) await pause()
      const [busy, start] = [processorSeconds(), performance.now()]
      times[i]!.push(await contestant())
      if (i > 0) continue
      ours.busy += processorSeconds() - busy
      ours.seconds += (performance.now() - start) / 1000
    }
  return { medians: times.map(median), cores: Math.round((ours.busy / ours.seconds) * 100) / 100 }
}
