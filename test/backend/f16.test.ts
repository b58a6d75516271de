// Kernels that need shader-f16, every variant by name: against f64 within what 11 bits of a factor allow, and exact on small whole numbers. Matrix
// units are emulated where the adapter has none; the native text is compiled by a device without hardware.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { create } from 'webgpu'
import { shaders } from '../../build/shaders.js'
import { type KernelName, kernelNames, kernelSpec } from '../../src/backend/kernels.js'
import { createWebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { createPipelineCache } from '../../src/backend/webgpu/pipelines.js'
import { shaderText, type Variant, variants } from '../../src/backend/webgpu/variants.js'
import { narrowed, toF32 } from '../../src/data/dtype.js'
import { webgpuBackend } from '../support/adapter.js'
import type { KernelCase } from '../support/cases/case.js'
import { wholeEpilogueCases, wholeQuantizedEpilogueCases } from '../support/cases/epilogues.js'
import { matmulF16Cases, matmulF16QuantizedCases } from '../support/cases/matmul.js'
import { kernelCases } from '../support/kernel-cases.js'
import { runCase } from './conformance.js'

const TOLERANCE = 2e-3
/**
 * Of attention where q, k, v and dout are numbers of f16 already: what rounding probabilities and their gradients adds. Rounding the inputs alone moves
 * results by up to 3e-3 of the largest in f64, 2.5e-2 where a row attends to one key, and no kernel can undo that.
 */
const WITHIN_ATTENTION = 1e-3
const present = await webgpuBackend()
/** Tiles in vectors are those of f32, which are tested by name, but for what they are narrowed to: a processor takes seconds to compile each. */
const inVectors = ['matmul_f16_vec4_16x64_split', 'matmul_f16_vec4_32x64']
const tested = Object.values(variants).flatMap(list =>
  list.flatMap(({ name, f16, matrices, hardware }) =>
    f16 && (name.startsWith('matmul') || matrices) && (!hardware || inVectors.includes(name)) ? [name] : [],
  ),
)
let chosen = ''
const opened =
  present &&
  (await createWebGpuBackend({
    adapter: present.adapterInfo.name,
    mixed: true,
    variants: tested,
    choose: () => chosen,
  }).catch((error: Error) => error))
if (opened instanceof Error) {
  if (!/has no shader-f16, which precision mixed needs/.test(opened.message)) throw opened
  console.log(`skipped: ${opened.message}`)
}
const backend = opened instanceof Error ? undefined : opened
const needing = kernelNames.filter(name => kernelSpec(name).needs === 'shader-f16')

const check = async (kernel: KernelName, cases: readonly KernelCase[], tolerance: number) => {
  let worst = 0
  for (const each of cases) {
    const { problems, error } = await runCase(backend!, kernel, each, tolerance)
    assert.equal(problems, [], each.name)
    worst = Math.max(worst, error)
  }
  return worst
}

/** The widest heads of the next narrower form. */
const NARROWER: Readonly<Record<number, number>> = { 96: 64, 128: 96, 256: 128 }
const VECTORS = ['q', 'k', 'v', 'dout']

/** The case whose vectors are the nearest numbers of f16. */
const ofHalves = (given: KernelCase): KernelCase => ({
  ...given,
  tensors: Object.fromEntries(
    Object.entries(given.tensors).map(([name, values]) => [
      name,
      VECTORS.includes(name) && values instanceof Float32Array ? rounded(values) : values,
    ]),
  ),
})

function rounded(values: Float32Array): Float32Array {
  const words = narrowed(values, 'F16', 'a tensor') as Uint16Array
  const out = new Float32Array(values.length)
  toF32.F16!(new Uint8Array(words.slice().buffer), out, 0)
  return out
}

for (const kernel of needing)
  for (const { name, can, matrices, hardware } of variants[kernel] as readonly Variant[]) {
    // Without matrix units attention is that of f32, which the conformance suite knows.
    if (!tested.includes(name)) continue
    const run = backend ? test : test.skip
    run(name, async () => {
      chosen = name
      const small = kernelCases[kernel]().filter(({ params }) => (can?.(params) ?? true) && (params.rows ?? 0) <= 300)
      // Of wide heads those that no narrower form does, and some that it does
      const width = Number(/attention.*_(96|128|256)$/.exec(name)?.[1] ?? 0)
      const wide = small.filter(({ params }, i) => !width || params.headSize! > NARROWER[width]! || i % 4 === 0)
      // These differ from what f32 has, which is tested by itself, by what factors are narrowed to.
      const known = hardware || (kernel.includes('quantized') && !matrices)
      const able = known ? wide.filter((_, i) => i % 9 === 0 || i >= wide.length - 4) : wide
      assert.ok(able.length >= 2, `${able.length} cases`)
      assert.is(await backend!.variantOf(kernel, able[0]!.params), name)
      const product = kernel.startsWith('matmul_f16')
      const tolerance = product ? TOLERANCE : WITHIN_ATTENTION
      const worst = await check(kernel, product ? able : able.map(ofHalves), tolerance)
      console.log(`${name}: ${able.length} cases, at most ${(100 * worst).toFixed(0)} % of the tolerance`)
      // So narrow that f32 would pass and a tolerance too wide would not be noticed
      assert.ok(worst * tolerance > 1e-6, 'factors were not narrowed')
    })
  }

const whole = {
  matmul_f16: { plain: matmulF16Cases(true), finished: wholeEpilogueCases() },
  matmul_f16_quantized: { plain: matmulF16QuantizedCases(true), finished: wholeQuantizedEpilogueCases() },
}
for (const kernel of ['matmul_f16', 'matmul_f16_quantized'] as const)
  for (const { name, can, hardware } of variants[kernel] as readonly Variant[]) {
    if (hardware) continue
    const run = backend ? test : test.skip
    run(`${kernel}, ${name}: whole numbers`, async () => {
      chosen = name
      const { plain, finished } = whole[kernel]
      const able = ({ params }: KernelCase) => can?.(params) ?? true
      await check(kernel, plain.filter(able), 1e-12)
      assert.is(await backend!.variantOf(`${kernel}_epilogue`, finished[0]!.params), name)
      await check(`${kernel}_epilogue`, finished, 1e-12)
    })
  }

test('tiles of 128 × 128 by matrix units are among what was tested, where workgroup memory holds them', () => {
  if (!backend) return
  const { maxComputeWorkgroupStorageSize: bytes } = backend.device.limits
  const tile = 'matmul_subgroup_128x128'
  for (const kernel of needing.filter(each => each.startsWith('matmul_f16'))) {
    const { workgroupMemory } = variants[kernel].find(({ name }) => name === tile)!
    assert.ok(bytes >= workgroupMemory! && tested.includes(tile), `${kernel}: ${workgroupMemory} bytes, ${bytes} here`)
  }
})

/** Kept while its devices are in use. */
let nothing: GPU | undefined
test.after(() => {
  nothing = undefined
})

/** A device with matrix units that does nothing, but compiles. */
async function deviceWithMatrices() {
  nothing ??= create(['backend=null', 'enable-dawn-features=allow_unsafe_apis'])
  const adapter = (await nothing.requestAdapter())!
  const requiredFeatures = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] as GPUFeatureName[]
  const device = await adapter.requestDevice({ requiredFeatures })
  const target = { software: false, features: requiredFeatures, matrices: true, workgroupMemory: 49152 }
  return { device, target }
}

test('with matrix units the same shaders compile', async () => {
  const { device, target } = await deviceWithMatrices()
  const native = Object.values(variants).flatMap(list => list.filter(({ matrices }) => matrices))
  assert.ok(native.length >= 2)
  for (const variant of native) {
    const code = shaderText(variant, target, shaders)
    assert.match(code, /subgroupMatrixMultiplyAccumulate/)
    const module = device.createShaderModule({ code })
    const { messages } = await module.getCompilationInfo()
    assert.equal(
      messages.filter(({ type }) => type === 'error').map(({ message, lineNum }) => `${lineNum}: ${message}`),
      [],
      variant.name,
    )
  }
  device.destroy()
})

test('one that a driver does not compile comes with its message; the kernel does without it', async () => {
  const { device, target } = await deviceWithMatrices()
  const text = shaders['common/subgroup_matrix']!.replace('<f16, 16, 16>', '<f16, 16, 17>')
  assert.is.not(text, shaders['common/subgroup_matrix'])
  const names = ['matmul_subgroup_64x64', 'matmul_f16_32x32']
  const given = { shaders: { ...shaders, 'common/subgroup_matrix': text }, variants: names }
  const pipelines = createPipelineCache(device, target, given)
  const [units, plain] = pipelines.wanted('matmul_f16')
  const failed = await pipelines.compile('matmul_f16', units!)
  assert.match(
    'message' in failed ? failed.message : '',
    /matmul_subgroup_64x64 does not compile.*\n?.*subgroup_matrix/,
  )
  const { variants: left } = await pipelines.of('matmul_f16')
  assert.equal(
    left.map(({ variant }) => variant.name),
    [plain!.name],
  )
  device.destroy()
})

test.run()
