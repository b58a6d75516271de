// One suite for every backend: each kernel, each case of test/support/kernel-cases.ts, against the f64 reference on the same f32 inputs.
// A case runs twice, with other garbage in what it must not read, and must give the same bits. Each tensor lies between guard bytes.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Backend, type Memory, type View, wholeView } from '../../src/backend/backend.js'
import { commonKernelNames, type KernelName, kernelSpec, wasmKernelNames } from '../../src/backend/kernels.js'
import type { ReferenceArray } from '../reference/types.js'
import { expectedTensors, initialValues, type KernelCase, type Values32 } from '../support/cases/case.js'
import { kernelCases } from '../support/kernel-cases.js'

/** What elements without worth hold: large in the first run, where it would spoil a sum, and NaN in the second, which survives · 0. */
const GARBAGE = [1.5e30, Number.NaN] as const
const GUARD_BYTE = 0xa5
/** Cases beyond this run once: they are there for their size. */
const LARGE_BYTES = 1_500_000
const LARGEST_F32 = 3.4028235677973366e38

/** Takes a test in: uvu's `test`, or what stands for it where uvu does not run. */
export type Register = (name: string, run: () => Promise<void>) => void

/**
 * Registers one test a kernel. `tolerance`: max |Δ| over max |reference| of a tensor, for sums of up to 256 terms.
 */
export function conformance(backend: Backend, tolerance: number, register: Register = test): void {
  orderTest(backend, register)
  for (const kernel of backend.kind === 'wasm' ? wasmKernelNames : commonKernelNames) {
    register(kernel, async () => {
      const cases = kernelCases[kernel]()
      let worst = { error: 0, name: '' }
      const failures: string[] = []
      for (const entry of cases) {
        const result = await runCase(backend, kernel, entry, tolerance).catch(error => ({
          error: 0,
          problems: [`${error}`],
        }))
        if (result.error > worst.error) worst = { error: result.error, name: entry.name }
        for (const problem of result.problems) failures.push(`${kernel} (${entry.name}): ${problem}`)
      }
      const share = `at most ${(100 * worst.error).toFixed(0)} % of the tolerance`
      console.log(`${kernel}: ${cases.length} cases, ${share} (${worst.name})`)
      assert.is(failures.length, 0, failures.slice(0, 20).join('\n'))
    })
  }
}

function orderTest(backend: Backend, register: Register): void {
  register(
    'memory starts zeroed; calls, runs and writes take effect in order, each call with its own parameters',
    async () => {
      const count = 8
      const used = backend.allocate(count * 4, 'used before')
      backend.write({ memory: used, offset: 0, bytes: count * 4 }, new Float32Array(count).fill(9))
      await backend.finish()
      backend.free(used)
      const view = (name: string, elements: number) => wholeView(backend.allocate(elements * 4, name))
      const [x, y, ones, out] = [view('x', count), view('y', count), view('ones', count), view('out', 1)]
      backend.write(ones, new Float32Array(count).fill(1))
      const prepared = await backend.prepare([
        { kernel: 'fill', views: [x] },
        { kernel: 'copy_rows', views: [x, y] },
        { kernel: 'weighted_sum', views: [y, ones, out] },
        { kernel: 'fill', views: [x] },
      ])
      const run = (value: number, rows: number) => {
        const copy = { rows, columns: 1, from: 0, to: count - rows, accumulate: 1 }
        backend.run(prepared, [{ count, value }, copy, { count, accumulate: 1 }, { count, value: -1 }])
      }
      run(2, count) // y = 2, out = 16
      run(3, 1) // the last of y is 5, out = 16 + 19
      backend.write(y, new Float32Array(count).fill(10))
      run(4, count) // y = 14, out = 35 + 112
      const found = await Promise.all(
        [x, y, out].map(async tensor => Array.from(new Float32Array(await backend.read(tensor)))),
      )
      assert.equal(found, [new Array(count).fill(-1), new Array(count).fill(14), [147]])
      prepared.release()
      for (const { memory } of [x, y, ones, out]) backend.free(memory)
    },
  )
}

interface Result {
  /** The largest error, in tolerances of its case. */
  readonly error: number
  readonly problems: readonly string[]
}

export async function runCase(
  backend: Backend,
  kernel: KernelName,
  entry: KernelCase,
  tolerance: number,
): Promise<Result> {
  const placed = new Map<string, Placed>()
  for (const [name, initial] of Object.entries(entry.tensors)) {
    const values = initialValues(kernel, name, initial, GARBAGE[0])
    if (values) placed.set(name, place(backend, name, values.byteLength))
  }
  const views = Object.keys(entry.tensors).map(name => placed.get(name)?.view)
  const prepared = await backend.prepare([{ kernel, views }])
  try {
    const runs: Record<string, Found>[] = []
    const bytes = views.reduce((sum, view) => sum + (view?.bytes ?? 0), 0)
    for (const garbage of bytes > LARGE_BYTES ? [GARBAGE[0]] : GARBAGE) {
      for (const [name, tensor] of placed)
        fillGuarded(backend, tensor, initialValues(kernel, name, entry.tensors[name], garbage)!)
      backend.run(prepared, [entry.params])
      const found: Record<string, Found> = {}
      for (const [name, tensor] of placed) found[name] = await readGuarded(backend, kernel, name, tensor)
      runs.push(found)
    }
    const expected = expectedTensors(kernel, entry, GARBAGE[0])
    const growth = Math.max(1, Math.sqrt((entry.terms ?? 1) / 256)) * (entry.conditioning ?? 1)
    return compareRuns(kernel, entry, runs, expected, tolerance * growth)
  } finally {
    prepared.release()
    for (const { memory } of placed.values()) backend.free(memory)
  }
}

interface Placed {
  readonly memory: Memory
  readonly view: View
  /** Bytes before and after the view, of one value. */
  readonly guard: number
}

interface Found {
  readonly values: Values32
  readonly guarded: boolean
}

function place(backend: Backend, label: string, bytes: number): Placed {
  const guard = Math.max(backend.limits.alignment, 64)
  const memory = backend.allocate(guard + bytes + guard, label)
  return { memory, view: { memory, offset: guard, bytes }, guard }
}

function fillGuarded(backend: Backend, { memory, view, guard }: Placed, values: Values32): void {
  const bytes = new Uint8Array(memory.bytes).fill(GUARD_BYTE)
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), guard)
  backend.write({ memory, offset: 0, bytes: view.bytes + 2 * guard }, bytes)
}

async function readGuarded(
  backend: Backend,
  kernel: KernelName,
  name: string,
  { memory, view, guard }: Placed,
): Promise<Found> {
  const all = await backend.read({ memory, offset: 0, bytes: memory.bytes })
  const bytes = new Uint8Array(all)
  const intact = (part: Uint8Array) => part.every(byte => byte === GUARD_BYTE)
  const guarded = intact(bytes.subarray(0, guard)) && intact(bytes.subarray(guard + view.bytes))
  const array = { f32: Float32Array, i32: Int32Array, u32: Uint32Array }[kernelSpec(kernel).tensors[name]!.dtype]
  return { values: new array(all, guard, view.bytes / 4), guarded }
}

function compareRuns(
  kernel: KernelName,
  entry: KernelCase,
  [first, second]: readonly Record<string, Found>[],
  expected: Record<string, ReferenceArray | undefined>,
  tolerance: number,
): Result {
  const problems: string[] = []
  let largest = 0
  for (const [name, { values, guarded }] of Object.entries(first!)) {
    const again = second?.[name]
    if (!guarded || again?.guarded === false) problems.push(`${name}: written outside of the tensor`)
    const written = writtenElements(kernel, entry, name, expected[name]!)
    if (again && !sameBits(values, again.values, written))
      problems.push(`${name}: two runs differ, or a value was read that nobody wrote`)
    const { error, problem } =
      values instanceof Float32Array
        ? compareFloats(values, expected[name] as Float64Array, entry, name, tolerance)
        : compareIntegers(values, expected[name]!)
    largest = Math.max(largest, error)
    if (problem) problems.push(`${name}: ${problem}`)
  }
  return { error: largest, problems }
}

/** Tells the elements that are worth comparing between runs: those that did not merely keep their garbage. */
function writtenElements(
  kernel: KernelName,
  entry: KernelCase,
  name: string,
  expected: ReferenceArray,
): (i: number) => boolean {
  if (typeof entry.tensors[name] !== 'number') return () => true
  const [before] = initialValues(kernel, name, 1, GARBAGE[0])!
  return i => expected[i] !== before
}

function sameBits(a: Values32, b: Values32, written: (i: number) => boolean): boolean {
  const [bitsA, bitsB] = [a, b].map(x => new Uint32Array(x.buffer, x.byteOffset, x.length)) as [
    Uint32Array,
    Uint32Array,
  ]
  return bitsA.every((bits, i) => bits === bitsB[i] || !written(i))
}

interface Comparison {
  /** In tolerances. */
  readonly error: number
  readonly problem?: string
}

function compareIntegers(found: Values32, expected: ReferenceArray): Comparison {
  const at = found.findIndex((value, i) => value !== expected[i])
  return at < 0 ? { error: 0 } : { error: 0, problem: `element ${at} is ${found[at]}, expected ${expected[at]}` }
}

/** Garbage that must have stayed, and what f32 cannot hold. */
const exact = (value: number) => value === Math.fround(GARBAGE[0]) || !(Math.abs(value) < LARGEST_F32)

/** Elements i with the same i mod `interleaved` share a scale: the largest magnitude of the reference among them. */
function compareFloats(
  found: Float32Array,
  expected: Float64Array,
  entry: KernelCase,
  name: string,
  tolerance: number,
): Comparison {
  const open = new Set(entry.open?.[name])
  const scales = new Float64Array(entry.interleaved?.[name] ?? 1).fill(entry.magnitude?.[name] ?? 0)
  for (let i = 0; i < expected.length; i++) {
    const [size, group] = [Math.abs(expected[i]!), i % scales.length]
    if (size > scales[group]! && !exact(expected[i]!) && !open.has(i)) scales[group] = size
  }
  let worst = { error: 0, at: -1 }
  for (let i = 0; i < found.length; i++) {
    const value = expected[i]!
    if (open.has(i)) continue
    if (exact(value)) {
      if (!Object.is(Math.fround(value), found[i]))
        return { error: 0, problem: `element ${i} is ${found[i]}, expected ${value}` }
      continue
    }
    const difference = Math.abs(found[i]! - value)
    const error = difference === 0 ? 0 : difference / (tolerance * scales[i % scales.length]!)
    // The negation lets a NaN through to here
    if (!(error <= worst.error)) worst = { error, at: i }
    if (Number.isNaN(error)) break
  }
  if (worst.error <= 1) return { error: worst.error }
  const relative = (worst.error * tolerance).toExponential(2)
  const values = `element ${worst.at} is ${found[worst.at]}, expected ${expected[worst.at]}`
  return { error: worst.error, problem: `error ${relative}, at most ${tolerance.toExponential(1)} allowed: ${values}` }
}
