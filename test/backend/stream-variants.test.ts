// Every variant of the kernels that stream memory which the conformance suite does not run on a processor, by name, at the suite's sizes, against f64: on a
// device with the specification's default limits, those of subgroup operations on one that has them.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { CommonKernelName } from '../../src/backend/kernels.js'
import { createWebGpuBackend, type WebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { streamVariants } from '../../src/backend/webgpu/stream-variants.js'
import { type Variant, variants } from '../../src/backend/webgpu/variants.js'
import { webgpuBackend } from '../support/adapter.js'
import type { KernelCase } from '../support/cases/case.js'
import { kernelCases } from '../support/kernel-cases.js'
import { runCase } from './conformance.js'

/** There for more workgroups than one dimension has, which the other forms have too. */
const isLarge = ({ tensors }: KernelCase) =>
  Object.values(tensors).some(each => (typeof each === 'number' ? each : (each?.length ?? 0)) > 300_000)

const TOLERANCE = 1e-5
const present = await webgpuBackend()
let chosen = ''
const open = async (defaultLimits: boolean): Promise<WebGpuBackend | undefined> =>
  present &&
  createWebGpuBackend({
    adapter: present.adapterInfo.name,
    defaultLimits,
    tune: false,
    variants: 'all',
    choose: () => chosen,
  })
const plain = await open(true)
const full = await open(false)

for (const kernel of Object.keys(streamVariants) as (keyof typeof streamVariants & CommonKernelName)[])
  for (const { name, can, hardware, subgroups } of variants[kernel] as readonly Variant[]) {
    if (!hardware) continue
    const backend = subgroups && !full?.features.includes('subgroups') ? undefined : subgroups ? full : plain
    if (!backend) {
      test.skip(`${name}: no adapter${subgroups ? ' with subgroups' : ''}`)
      continue
    }
    test(name, async () => {
      chosen = name
      const cases = kernelCases[kernel]().filter(each => can!(each.params) && !isLarge(each))
      assert.ok(cases.length >= 2, `${cases.length} cases`)
      for (const each of cases) {
        const { problems } = await runCase(backend, kernel, each, TOLERANCE)
        assert.equal(problems, [], each.name)
      }
      assert.is(await backend.variantOf(kernel, cases[0]!.params), name)
    })
  }

test.run()
