// The kernel table agrees with its implementations in what can be seen without running them: names, order, access, arity.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kernelsModule } from '../../build/kernels.js'
import {
  commonKernelNames,
  type KernelName,
  kernelNames,
  kernelSpec,
  wasmKernelNames,
} from '../../src/backend/kernels.js'
import { type Variant, variants } from '../../src/backend/webgpu/variants.js'
import { kernelCases } from '../support/kernel-cases.js'

const LARGEST_BINDINGS = 8
const tensorsOf = (kernel: KernelName) => Object.entries(kernelSpec(kernel).tensors)
const shaderFolder = fileURLToPath(new URL('../../shaders', import.meta.url))
const shaderText = (name: string) => readFileSync(`${shaderFolder}/${name}.wgsl`, 'utf8')

test('no kernel takes more than 8 tensors', () => {
  for (const kernel of kernelNames) assert.ok(tensorsOf(kernel).length <= LARGEST_BINDINGS, kernel)
})

test('every kernel has at least 3 cases, which hold the tensors and parameters of the table', () => {
  for (const kernel of kernelNames) {
    const cases = kernelCases[kernel]()
    assert.ok(cases.length >= 3, `${kernel} has ${cases.length} cases`)
    assert.is(new Set(cases.map(entry => entry.name)).size, cases.length, `${kernel}: names of cases differ`)
    const { params, units } = kernelSpec(kernel)
    for (const { name, params: values, tensors } of cases) {
      assert.equal(Object.keys(values), Object.keys(params), `${kernel} (${name})`)
      assert.ok(
        Object.values(values).every(value => typeof value === 'number'),
        `${kernel} (${name})`,
      )
      assert.ok(Number.isInteger(units(values)) && units(values) >= 0, `${kernel} (${name})`)
      assert.equal(
        Object.keys(tensors),
        tensorsOf(kernel).map(([tensor]) => tensor),
        `${kernel} (${name})`,
      )
      for (const [tensor, { dtype, optional }] of tensorsOf(kernel)) {
        const initial = tensors[tensor]
        const types = { f32: Float32Array, i32: Int32Array, u32: Uint32Array }
        const fits =
          initial === undefined ? optional : typeof initial === 'number' ? initial > 0 : initial instanceof types[dtype]
        assert.ok(fits, `${kernel} (${name}): ${tensor} is ${dtype}`)
      }
    }
  }
})

test('the wasm module exports every kernel, with a pointer a tensor, the parameters, begin and end', async () => {
  const module = await WebAssembly.compile(Buffer.from(kernelsModule, 'base64'))
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {}
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {}
    imports[from][name] = kind === 'memory' ? new WebAssembly.Memory({ initial: 64, maximum: 65536 }) : () => 0
  }
  const { exports } = await WebAssembly.instantiate(module, imports)
  for (const kernel of wasmKernelNames) {
    const run = exports[kernel]
    assert.type(run, 'function', kernel)
    const { tensors, params } = kernelSpec(kernel)
    assert.is((run as () => void).length, Object.keys(tensors).length + Object.keys(params).length + 2, kernel)
  }
})

test('every shader file is a variant of a kernel, and every kernel has one of its own name', () => {
  const names = readdirSync(shaderFolder)
    .filter(name => name.endsWith('.wgsl'))
    .map(name => name.slice(0, -'.wgsl'.length))
  for (const kernel of commonKernelNames) assert.ok(names.includes(kernel), `shaders/${kernel}.wgsl is missing`)
  const emulated = (file: string) => (file === 'common/subgroup_matrix' ? [file, `${file}_emulated`] : [file])
  const shadersOf = ({ files, second }: Variant) => [...files.flatMap(emulated), ...(second?.files ?? [])]
  const used = new Set(Object.values(variants).flatMap(list => list.flatMap(shadersOf)))
  for (const name of names) assert.ok(used.has(name), `shaders/${name}.wgsl belongs to no kernel`)
})

test('every shader binds the tensors of the table in order, with its access, and then the parameters', () => {
  for (const kernel of kernelNames) {
    // What several kernels share, such as sums over rows, binds nothing: the kernel's own file does.
    const binding = ({ files }: Variant) => files.findLast(file => shaderText(file).includes('@binding(0)'))!
    for (const file of new Set(variants[kernel].map(binding))) {
      const text = shaderText(file)
      const bound = text.matchAll(/@group\(0\) @binding\((\d+)\) var<storage, (read|read_write)> (\w+): array</g)
      const found = Array.from(bound, ([, index, access, name]) => ({ index: Number(index), access, name }))
      const expected = tensorsOf(kernel).map(([name, { access }], index) => {
        return { index, access: access === 'read' ? 'read' : 'read_write', name }
      })
      // After the parameters there may be scratch.
      const tensors = found.filter(({ index }) => index < expected.length)
      assert.equal(tensors, expected, `shaders/${file}.wgsl`)
      assert.match(text, new RegExp(`@binding\\(${expected.length}\\) var<uniform> params: Params;`), file)
    }
  }
})

test.run()
