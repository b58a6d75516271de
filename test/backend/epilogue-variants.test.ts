// Every variant of a product with an epilogue that an adapter may be given, by name: against f64, on a device with the specification's default limits
// where those are enough.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { variants } from '../../src/backend/webgpu/variants.js'
import {
  matmulEpilogueCases,
  matmulHalfEpilogueCases,
  matmulQuantizedEpilogueCases,
} from '../support/cases/epilogues.js'
import { backendsFor } from '../support/variant-backends.js'
import { runCase } from './conformance.js'

const TOLERANCE = 1e-5
let chosen = ''
const backendOf = await backendsFor(() => chosen)

const formsOf = {
  matmul_epilogue: matmulEpilogueCases(),
  matmul_half_epilogue: matmulHalfEpilogueCases(),
  matmul_quantized_epilogue: matmulQuantizedEpilogueCases(),
}

for (const kernel of ['matmul_epilogue', 'matmul_half_epilogue', 'matmul_quantized_epilogue'] as const)
  for (const variant of variants[kernel]) {
    const { name, can } = variant
    const backend = backendOf(variant)
    const run = backend ? test : test.skip
    run(name, async () => {
      chosen = name
      // Of sizes and epilogues a part each time: the conformance suite has all
      const able = formsOf[kernel].filter(({ params }) => can?.(params) ?? true)
      const cases = able.filter((_, i) => i % 11 === 0 || i >= able.length - 6)
      assert.ok(cases.length >= 8, `${cases.length} cases`)
      assert.is(await backend!.variantOf(kernel, cases[0]!.params), name)
      for (const each of cases) {
        const { problems } = await runCase(backend!, kernel, each, TOLERANCE)
        assert.equal(problems, [], each.name)
      }
    })
  }

test.run()
