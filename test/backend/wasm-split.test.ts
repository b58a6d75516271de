// Every wasm kernel gives the same bits in one piece [0, n) and in two, [0, a) and [a, n), and the values of the f64 reference.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type KernelName, kernelSpec, type Params } from '../../src/backend/kernels.js'
import { tensorSizes } from '../../src/backend/sizes.js'
import { instantiateKernels } from '../../src/backend/wasm/module.js'
import { runReference } from '../reference/reference.js'
import type { ReferenceArray } from '../reference/types.js'
import { type Case, type Data, inF64 } from '../support/cases/wasm-products.js'
import { splitCases } from '../support/cases/wasm-split.js'
import { seededValues } from '../support/values.js'

const random = seededValues(7)
const memory = new WebAssembly.Memory({ initial: 800, maximum: 65536 })
const module = await instantiateKernels(memory)
const scratch = Math.ceil(module.heapBase / 64) * 64
module.setScratch(scratch)

function tensorsOf(kernel: KernelName, { params, tensors = {} }: Case): Record<string, Data | undefined> {
  const sizes = tensorSizes(kernel, params)
  const names = Object.keys(kernelSpec(kernel).tensors)
  return Object.fromEntries(names.map((name, i) => [name, name in tensors ? tensors[name] : random.normal(sizes[i]!)]))
}

/** The tensors after the kernel has run over these ranges, one after the other. */
function run(
  kernel: KernelName,
  params: Params,
  tensors: Record<string, Data | undefined>,
  ranges: [number, number][],
) {
  let top = scratch + module.scratchBytes
  const places = Object.entries(tensors).map(([name, data]) => {
    if (!data) return { name, pointer: 0, data }
    const pointer = top
    top += Math.ceil((data.byteLength + 64) / 64) * 64
    new Uint8Array(memory.buffer).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), pointer)
    return { name, pointer, data }
  })
  const given = Object.keys(kernelSpec(kernel).params).map(name => params[name]!)
  for (const [begin, end] of ranges) module.kernels[kernel](...places.map(place => place.pointer), ...given, begin, end)
  const after = (data: Data, pointer: number) => memory.buffer.slice(pointer, pointer + data.byteLength)
  return Object.fromEntries(
    places.filter(place => place.data).map(({ name, pointer, data }) => [name, after(data!, pointer)]),
  )
}

function compare(name: string, found: ArrayBuffer, expected: ReferenceArray): void {
  const values = expected instanceof Float64Array ? new Float32Array(found) : new Int32Array(found)
  const largest = Math.max(1e-30, ...[...expected].filter(Number.isFinite).map(Math.abs))
  for (const [i, value] of values.entries()) {
    const wanted = expected instanceof Uint32Array ? expected[i]! | 0 : expected[i]!
    const close = Object.is(value, wanted) || Math.abs(value - wanted) <= 2e-6 * largest
    assert.ok(close, `${name}[${i}] is ${value}, expected ${wanted}`)
  }
}

for (const kernel of Object.keys(splitCases) as (keyof typeof splitCases)[]) {
  test(`${kernel}: values, and the same bits however it is split`, () => {
    for (const one of splitCases[kernel]) {
      const tensors = tensorsOf(kernel, one)
      const units = kernelSpec(kernel).units(one.params)
      const whole = run(kernel, one.params, tensors, [[0, units]])
      const expected = inF64(tensors)
      runReference(kernel, expected, one.params)
      for (const [name, { access }] of Object.entries(kernelSpec(kernel).tensors)) {
        if (whole[name] && access !== 'read')
          compare(`${kernel} ${JSON.stringify(one.params)} ${name}`, whole[name], expected[name]!)
      }
      for (const at of new Set([1, 3, Math.floor(units / 2), Math.max(units - 1, 0)])) {
        if (at > units) continue
        const split = run(kernel, one.params, tensors, [
          [0, at],
          [at, units],
        ])
        for (const name of Object.keys(whole)) {
          assert.equal(
            new Uint8Array(split[name]!),
            new Uint8Array(whole[name]!),
            `${kernel} ${JSON.stringify(one.params)}: ${name} split at ${at}`,
          )
        }
      }
    }
  })
}

test.run()
