// No variant of a kernel is left untested: each is taken by a case of the conformance suite on a processor, or asked for by name in a test of its own.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kernelNames } from '../../src/backend/kernels.js'
import { pickVariant } from '../../src/backend/webgpu/pipelines.js'
import { streamVariants } from '../../src/backend/webgpu/stream-variants.js'
import { isWanted, type Target, type Variant, variants } from '../../src/backend/webgpu/variants.js'
import { kernelCases } from '../support/kernel-cases.js'

/** As the software adapter of the tests is, with nothing that it may lack. */
const processor: Target = { software: true, features: [], matrices: false, workgroupMemory: 16384 }

/** Kernels whose every variant a test goes through by name. */
const byName: Readonly<Record<string, readonly string[]>> = {
  'matmul-variants': ['matmul', 'matmul_half', 'matmul_quantized'],
  'epilogue-variants': ['matmul_epilogue', 'matmul_half_epilogue', 'matmul_quantized_epilogue'],
  'grouped-variants': ['matmul_grouped', 'matmul_grouped_sum'],
}

/** Those of which a test goes through the variants for hardware by name, and the cases here through the others. */
const hardwareByName: Readonly<Record<string, readonly string[]>> = {
  'attention-variants': [
    'attention_forward',
    'attention_backward_q',
    'attention_backward_q_bias',
    'attention_backward_kv',
  ],
}

test('tests by name are there', () => {
  const folder = fileURLToPath(new URL('.', import.meta.url))
  const files = readdirSync(folder)
  for (const [file, kernels] of Object.entries({ ...byName, ...hardwareByName })) {
    assert.ok(files.includes(`${file}.test.ts`), file)
    const text = readFileSync(`${folder}${file}.test.ts`, 'utf8')
    for (const kernel of kernels) assert.match(text, kernel)
  }
})

for (const kernel of kernelNames)
  test(kernel, () => {
    if (variants[kernel].length === 0 || Object.values(byName).flat().includes(kernel)) return
    const list = variants[kernel].filter(variant => isWanted(variant, processor, false))
    const compiled = list.map(variant => ({ variant, pipeline: undefined as unknown as GPUComputePipeline }))
    const pipelines = { kernel, target: processor, variants: compiled, scratch: true, choose: () => undefined }
    const layout = undefined as unknown as GPUBindGroupLayout
    const taken = new Set<Variant>()
    for (const { params } of list.length > 0 ? kernelCases[kernel]() : [])
      taken.add(pickVariant({ ...pipelines, layout }, params).variant)
    const missing = variants[kernel].filter(variant => !taken.has(variant))
    const vectors = Object.values(hardwareByName).flat()
    // Those that a processor is not given: streams by name in stream-variants, what needs f16 in f16.
    const elsewhere = ({ hardware, f16 }: Variant) =>
      f16 || (hardware && (kernel in streamVariants || vectors.includes(kernel)))
    assert.equal(
      missing.filter(variant => !elsewhere(variant)).map(({ name }) => name),
      [],
    )
  })

test.run()
