// Which backend runs: as asked, or the one for this machine, with the reason; insisting on what is missing is an error.
import { availableParallelism } from 'node:os'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hasRelaxedSimd } from '../../src/backend/wasm/module.js'
import { describeBackends, leftOut, openBackend } from '../../src/run/backend.js'
import { backendsPresent } from '../support/present.js'
import { failure } from '../support/temporary.js'

const hasWebGpu = (await backendsPresent()).some(({ kind }) => kind === 'webgpu')

test('wasm as asked, and never with an adapter', async () => {
  const { backend, reason } = await openBackend({ backend: 'wasm' })
  assert.is(backend.kind, 'wasm')
  assert.match(reason, /^wasm SIMD.*\(as asked\)$/)
  backend.close()
  assert.match(await failure(openBackend({ backend: 'wasm', adapter: 'X' })), /"X" is a WebGPU adapter's, but .* wasm/)
})

test('an adapter that there is not is an error, whatever the backend', async () => {
  for (const backend of ['auto', 'webgpu'] as const)
    assert.match(
      await failure(openBackend({ backend, adapter: 'no such adapter' })),
      /no WebGPU adapter|WebGPU|npm webgpu/,
    )
})

test('auto takes a GPU and no software adapter, and says why', async () => {
  const { backend, reason } = await openBackend({ backend: 'auto' })
  const { backends, default: kind } = await describeBackends()
  assert.is(backend.kind, kind)
  const hardware = backends.webgpu.adapters.some(({ software }) => !software)
  assert.is(backend.kind, hardware ? 'webgpu' : 'wasm')
  if (hardware) assert.match(reason, /there is a GPU/)
  else assert.match(reason, /^wasm SIMD.*\((.*is software and slower|.*WebGPU.*)\)$/)
  backend.close()
})

test('what this machine offers', async () => {
  const { webgpu, wasm } = (await describeBackends()).backends
  assert.equal(wasm, { available: true, threads: availableParallelism(), simd: true, relaxed_simd: hasRelaxedSimd() })
  if (hasWebGpu) assert.ok(webgpu.available && webgpu.adapter && webgpu.limits!.maxBufferSize! >= 2 ** 28)
  if (!webgpu.available) assert.ok(webgpu.reason, 'a reason where there is none')
})

test('what the self-test refused is named', () => {
  assert.is(leftOut([]), '')
  const names = ['matmul_subgroup_128x128', 'matmul_subgroup_64x64']
  assert.is(leftOut(names), `; left out, for it computes wrongly with them: ${names[0]}, ${names[1]}`)
  const messages = { [names[1]!]: 'no such type', other: 'no such type' }
  assert.is(
    leftOut([...names, 'other'], messages),
    `; left out, for it does not compile them: ${names[1]}, other (no such type); left out, for it computes wrongly with them: ${names[0]}`,
  )
})

test.run()
