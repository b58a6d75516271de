// Every variant of the product, of factors in 32 bits and fewer, that an adapter may be given, by name, at the sizes of the conformance suite: against f64, and on a device with the
// specification's default limits where those are enough.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { variants } from '../../src/backend/webgpu/variants.js'
import {
  matmulCases,
  matmulHalfCases,
  matmulQuantizedCases,
  vectorMatmulCases,
  vectorMatmulHalfCases,
  vectorMatmulQuantizedCases,
} from '../support/cases/matmul.js'
import { backendsFor } from '../support/variant-backends.js'
import { runCase } from './conformance.js'

const TOLERANCE = 1e-5
let chosen = ''
const backendOf = await backendsFor(() => chosen)

const formsOf = {
  matmul: { any: matmulCases(), vectors: vectorMatmulCases() },
  matmul_half: { any: matmulHalfCases(), vectors: vectorMatmulHalfCases() },
  matmul_quantized: { any: matmulQuantizedCases(), vectors: vectorMatmulQuantizedCases() },
}

for (const kernel of ['matmul', 'matmul_half', 'matmul_quantized'] as const)
  for (const variant of variants[kernel]) {
    const { name, can } = variant
    const backend = backendOf(variant)
    const run = backend ? test : test.skip
    run(name, async () => {
      chosen = name
      const { any, vectors } = formsOf[kernel]
      // Of a factor in fewer bits a part each time: the conformance suite has all
      const part = can ? vectors.filter((_, i) => (i + (i >> 2)) % 2 === 0) : any.filter((_, i) => i % 5 === 0)
      const tried = kernel === 'matmul' ? [...any, ...vectors] : part
      const cases = tried.filter(({ params }) => can?.(params) ?? true)
      assert.ok(cases.length >= 8, `${cases.length} cases`)
      assert.is(await backend!.variantOf(kernel, cases[0]!.params), name)
      for (const each of cases) {
        const { problems } = await runCase(backend!, kernel, each, TOLERANCE)
        assert.equal(problems, [], each.name)
      }
    })
  }

test.run()
