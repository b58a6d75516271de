// Every variant of products that share a factor, by name: against f64, on a device with the specification's default limits
// where those are enough.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Variant, variants } from '../../src/backend/webgpu/variants.js'
import { kernelCases } from '../support/kernel-cases.js'
import { backendsFor } from '../support/variant-backends.js'
import { runCase } from './conformance.js'

const TOLERANCE = 1e-5
let chosen = ''
let turn = 0
const backendOf = await backendsFor(() => chosen)

for (const kernel of ['matmul_grouped', 'matmul_grouped_sum'] as const)
  for (const variant of variants[kernel] as readonly Variant[]) {
    const { name, can } = variant
    const backend = backendOf(variant)
    const run = backend ? test : test.skip
    run(`${kernel}, ${name}`, async () => {
      chosen = name
      // Of forms that every variant takes a part each time: the conformance suite has all
      const able = kernelCases[kernel]().filter(({ params }) => can?.(params) ?? true)
      const cases = able.filter((_, i) => able.length < 14 || i % 3 === turn % 3)
      turn++
      assert.ok(cases.length >= 4, `${cases.length} cases`)
      assert.is(await backend!.variantOf(kernel, cases[0]!.params), name)
      for (const each of cases) {
        const { problems } = await runCase(backend!, kernel, each, TOLERANCE)
        assert.equal(problems, [], each.name)
      }
    })
  }

test.run()
