// Attention in vectors of four, forward and backward, by name: against f64, on a device with the specification's default limits.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Variant, variants } from '../../src/backend/webgpu/variants.js'
import type { KernelCase } from '../support/cases/case.js'
import { kernelCases } from '../support/kernel-cases.js'
import { backendsFor } from '../support/variant-backends.js'
import { runCase } from './conformance.js'

const TOLERANCE = 1e-5
let chosen = ''
const backendOf = await backendsFor(() => chosen)
const ofQueries = ['attention_backward_q', 'attention_backward_q_bias'] as const

for (const kernel of ['attention_forward', ...ofQueries, 'attention_backward_kv'] as const)
  for (const variant of variants[kernel] as readonly Variant[]) {
    const { name, can, header, hardware } = variant
    if (!hardware) continue
    const backend = backendOf(variant)
    const run = backend ? test : test.skip
    run(name, async () => {
      chosen = name
      const able = kernelCases[kernel]().filter(({ params }) => can!(params))
      // A part of those that a narrower form does too
      const channels = Number(header!.CHANNELS)
      const fits = ({ params }: KernelCase) => params.headSize! > channels / 2 && params.headSize! <= channels
      const small = able.filter(({ params }) => params.rows! <= 300)
      const cases = [...small.filter(fits), ...small.filter((each, i) => !fits(each) && i % 2 === 0)].slice(0, 4)
      assert.ok(cases.length >= 2, `${cases.length} cases`)
      assert.is(await backend!.variantOf(kernel, cases[0]!.params), name)
      for (const each of cases) {
        const { problems } = await runCase(backend!, kernel, each, TOLERANCE)
        assert.equal(problems, [], each.name)
      }
      const odd = kernelCases[kernel]().find(({ params }) => params.headSize! % 4 !== 0)
      assert.ok(!odd || !can!(odd.params))
    })
  }

test.run()
