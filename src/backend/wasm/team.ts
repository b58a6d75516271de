// What the threads of a team share beside the wasm memory: a table of calls and a few counters, and how each thread walks the table. Every thread
// goes through the calls in order; a call's units are dealt out in shares, each taken by whoever comes first; barriers stand before the
// calls that need what an earlier one wrote. This module runs on every thread and imports nothing: it is bundled into the workers' source.

/** A wasm export: a pointer a tensor, the parameters, then `begin, end`. */
export type Kernel = (...values: number[]) => void

export interface Team {
  /** Threads, the calling one included. */
  readonly size: number
  readonly counters: Int32Array<SharedArrayBuffer>
  readonly table: Float64Array<SharedArrayBuffer>
  /** Where a thread leaves the text of its error. */
  readonly message: Uint8Array<SharedArrayBuffer>
}

/** One call of a run, as the table holds it. */
export interface TeamCall {
  /** Place of the kernel in the list that every thread was given. */
  readonly kernel: number
  /** Pointers and parameters. */
  readonly values: readonly number[]
  readonly units: number
  /** Units that a thread takes at a time. */
  readonly share: number
  /** Too small to be worth sharing: the calling thread does it. */
  readonly alone: boolean
  /** Whether every earlier call must be done before this one begins. */
  readonly barrier: boolean
}

/** Calls that fit the table. */
export const CAPACITY = 512
/** Pointers and parameters that a call may have. */
export const MOST_VALUES = 40
const STRIDE = 8 + MOST_VALUES
const MESSAGE_BYTES = 1024

// Counters that different threads wait on lie on cache lines of their own.
/** Goes up by 1 a run: what idle workers wait on. */
const RUN = 0
const CALLS = 1
const ARRIVED = 16
/** Goes up by 1 a barrier. */
const PHASE = 32
/** The thread that failed first in this run, + 1; then the call, and how long its message is. */
const FAILED = 48
const FAILED_CALL = 49
const MESSAGE = 50
/** Shares taken so far, one counter a call. */
const TAKEN = 64

/** How often a thread looks again before it goes to sleep, about 0.1 ms: waking it costs about as much. */
const SPINS = 20_000

export function createTeam(size: number): Team {
  return {
    size,
    counters: new Int32Array(new SharedArrayBuffer(4 * (TAKEN + CAPACITY))),
    table: new Float64Array(new SharedArrayBuffer(8 * CAPACITY * STRIDE)),
    message: new Uint8Array(new SharedArrayBuffer(MESSAGE_BYTES)),
  }
}

/** Writes the calls and wakes the workers. Only when no run is under way. */
export function postCalls({ counters, table }: Team, calls: readonly TeamCall[]): void {
  calls.forEach((call, i) => {
    const { kernel, values, units, share, alone, barrier } = call
    const at = i * STRIDE
    table[at] = kernel
    table[at + 1] = values.length
    table[at + 2] = units
    table[at + 3] = share
    table[at + 4] = alone ? 1 : 0
    table[at + 5] = barrier ? 1 : 0
    for (let v = 0; v < values.length; v++) table[at + 8 + v] = values[v]!
    counters[TAKEN + i] = 0
  })
  counters[CALLS] = calls.length
  counters[FAILED] = 0
  Atomics.add(counters, RUN, 1)
  Atomics.notify(counters, RUN)
}

/** A worker's life: waits for runs and does its part in each. */
export function serve(team: Team, thread: number, kernels: readonly Kernel[]): never {
  const { counters } = team
  const wait = (index: number, value: number) => void Atomics.wait(counters, index, value)
  for (let run = 0; ; run = (run + 1) | 0) {
    waitWhile(counters, RUN, run, wait)
    walk(team, thread, kernels, wait)
  }
}

/**
 * Does this thread's part of the calls that were posted; returns when all of them are done. `wait(index, value)` sleeps while that counter
 * has that value, or returns early; it may throw to give up.
 */
export function walk(
  team: Team,
  thread: number,
  kernels: readonly Kernel[],
  wait: (index: number, value: number) => void,
): void {
  const { counters, table } = team
  const calls = counters[CALLS]!
  for (let i = 0; i < calls; i++) {
    const at = i * STRIDE
    if (table[at + 5]) barrier(team, wait)
    if (table[at + 4] && thread > 0) continue
    // After a failure the calls are passed over, so that every thread still meets every barrier
    if (Atomics.load(counters, FAILED)) continue
    try {
      takeShares(team, i, kernels[table[at]!]!)
    } catch (error) {
      fail(team, thread, i, error)
    }
  }
  barrier(team, wait)
}

function takeShares({ counters, table }: Team, call: number, kernel: Kernel): void {
  const at = call * STRIDE
  const [count, units, share] = [table[at + 1]!, table[at + 2]!, table[at + 3]!]
  const values: number[] = []
  for (let v = 0; v < count; v++) values.push(table[at + 8 + v]!)
  for (;;) {
    const begin = Atomics.add(counters, TAKEN + call, 1) * share
    if (begin >= units) return
    values[count] = begin
    values[count + 1] = Math.min(begin + share, units)
    kernel.apply(undefined, values)
  }
}

function barrier({ size, counters }: Team, wait: (index: number, value: number) => void): void {
  const phase = Atomics.load(counters, PHASE)
  if (Atomics.add(counters, ARRIVED, 1) === size - 1) {
    Atomics.store(counters, ARRIVED, 0)
    Atomics.add(counters, PHASE, 1)
    Atomics.notify(counters, PHASE)
  } else waitWhile(counters, PHASE, phase, wait)
}

function waitWhile(
  counters: Int32Array,
  index: number,
  value: number,
  wait: (index: number, value: number) => void,
): void {
  for (let spins = SPINS; spins > 0; spins--) if (Atomics.load(counters, index) !== value) return
  while (Atomics.load(counters, index) === value) wait(index, value)
}

function fail({ counters, message }: Team, thread: number, call: number, error: unknown): void {
  if (Atomics.compareExchange(counters, FAILED, 0, thread + 1) !== 0) return
  const text = String(error)
  const length = Math.min(text.length, MESSAGE_BYTES)
  for (let i = 0; i < length; i++) message[i] = Math.min(text.charCodeAt(i), 127)
  counters[FAILED_CALL] = call
  counters[MESSAGE] = length
}

/** What went wrong first in the run that has just ended, in which of its calls and on which thread. */
export function failureOf({ counters, message }: Team): { thread: number; call: number; text: string } | undefined {
  const thread = Atomics.load(counters, FAILED) - 1
  if (thread < 0) return undefined
  const text = String.fromCharCode(...message.slice(0, counters[MESSAGE]))
  return { thread, call: counters[FAILED_CALL]!, text }
}
