// Every variant of the product that an adapter may be given, by name, at the sizes of the conformance suite: against f64, and on a device with the
// specification's default limits.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { variants } from '../../src/backend/webgpu/variants.js'
import { webgpuBackend } from '../support/adapter.js'
import { matmulCases, vectorMatmulCases } from '../support/cases/matmul.js'
import { runCase } from './conformance.js'

const TOLERANCE = 1e-5
const present = await webgpuBackend()
let chosen = ''
const backend =
  present &&
  (await createWebGpuBackend({
    adapter: present.adapterInfo.name,
    defaultLimits: true,
    variants: 'all',
    choose: () => chosen,
  }))

for (const { name, can } of variants.matmul) {
  if (!backend) {
    test.skip(name)
    continue
  }
  test(name, async () => {
    chosen = name
    const cases = [...matmulCases(), ...vectorMatmulCases()].filter(({ params }) => can?.(params) ?? true)
    assert.ok(cases.length >= 8, `${cases.length} cases`)
    for (const each of cases) {
      const { problems } = await runCase(backend, 'matmul', each, TOLERANCE)
      assert.equal(problems, [], each.name)
    }
  })
}

test.run()
