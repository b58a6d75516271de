// Where time goes: every call of a run is in the profile once, with its work, on each backend.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Backend, wholeView } from '../../src/backend/backend.js'
import type { Params } from '../../src/backend/kernels.js'
import { createProfile, type Profile } from '../../src/backend/profile.js'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { createWebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { profileLines, traceJson } from '../../src/bench/profile.js'
import { webgpuBackend } from '../support/adapter.js'
import { attempt, refused } from '../support/cli.js'

const product = { M: 64, N: 32, K: 16, transposeA: 0, transposeB: 1, accumulate: 0, hasBias: 0, alpha: 1 }

async function work(backend: Backend, profile: Profile): Promise<number> {
  const floats = (count: number) => wholeView(backend.allocate(4 * count, 'test'))
  const [a, b, c, out] = [floats(64 * 16), floats(32 * 16), floats(64 * 32), floats(1)]
  backend.write(a, new Float32Array(64 * 16).fill(2))
  backend.write(b, new Float32Array(32 * 16).fill(0.5))
  const prepared = await backend.prepare([
    { kernel: 'matmul', views: [a, b, undefined, c] },
    { kernel: 'fill', views: [a] },
    { kernel: 'matmul', views: [a, b, undefined, c] },
    { kernel: 'weighted_sum', views: [c, c, out] },
  ])
  const records: Params[] = [product, { count: 1024, value: 3 }, product, { count: 2048, accumulate: 0 }]
  backend.run(prepared, records)
  profile.paused = false
  backend.run(prepared, records)
  profile.paused = true
  const found = new Float32Array(await backend.read(out))[0]!
  await Promise.all(profile.pending)
  return found
}

function check(profile: Profile): void {
  const totals = [...profile.totals.values()]
  assert.equal(
    totals.map(({ name, calls, flops, bytes }) => ({ name, calls, flops, bytes })),
    [
      { name: 'matmul NT *×16×32', calls: 2, flops: 4 * 64 * 32 * 16, bytes: 8 * (64 * 16 + 32 * 16 + 64 * 32) },
      { name: 'fill', calls: 1, flops: 0, bytes: 4096 },
      { name: 'weighted_sum', calls: 1, flops: 0, bytes: 4 * 4097 },
    ],
  )
  for (const { milliseconds } of totals) assert.ok(milliseconds >= 0 && milliseconds < 60_000)
  const trace = JSON.parse(traceJson(profile)) as {
    traceEvents: { name: string; ph: string; ts: number; dur: number }[]
  }
  const kernels = trace.traceEvents.filter(({ ph, name }) => ph === 'X' && !name.startsWith('run of'))
  assert.equal(
    kernels.map(each => each.name),
    ['matmul', 'fill', 'matmul', 'weighted_sum'],
  )
  for (const [i, { ts, dur }] of kernels.entries())
    assert.ok(dur >= 0 && (i === 0 || ts >= kernels[i - 1]!.ts), `event ${i} of the trace is out of order`)
}

test('wasm: each call once, with its work; the result as without', async () => {
  const profile = createProfile()
  const backend = await createWasmBackend({ threads: 2, profile })
  assert.is(await work(backend, profile), 64 * 32 * (16 * 3 * 0.5) ** 2)
  check(profile)
  backend.close()
})

const webgpu = await webgpuBackend()
if (webgpu)
  test('WebGPU: the same, by the time stamps of the device, and what the host took', async () => {
    const profile = createProfile()
    const backend = await createWebGpuBackend({ profile, adapter: webgpu.adapterInfo.name })
    assert.is(await work(backend, profile), 64 * 32 * (16 * 3 * 0.5) ** 2)
    check(profile)
    assert.is(profile.runs, 1)
    backend.close()
  })

test('the table: by time, rates as parts of the limits, unknown ones left out, what is too much in one line', () => {
  const profile = createProfile()
  profile.limits = { gflops: 100, gbps: 10 }
  const add = (name: string, milliseconds: number, flops: number, bytes: number) =>
    profile.totals.set(name, { name, calls: 2, milliseconds, flops, bytes })
  add('norm', 10, 0, 50e6)
  add('matmul', 30, 1.5e9, 1e6)
  add('attention', 10, 0, 0)
  const lines = profileLines(profile).map(line => line.replace(/ +/g, ' ').trim())
  assert.equal(lines.slice(1, 5), [
    'matmul 2 30.0 60.0 % 50.0 GFLOP/s 50 %',
    'norm 2 10.0 20.0 % 5.00 GB/s 50 %',
    'attention 2 10.0 20.0 %',
    'all 6 50.0',
  ])
  for (let i = 0; i < 30; i++) add(`k${i}`, 1, 0, 0)
  assert.match(profileLines(profile).at(-3)!, /^8 others +16 +8\.0/)
})

test('--trace without --profile is a wrong command line', async () => {
  refused(await attempt('train', '--trace', 'x.json'), 2, /--trace names the file that --profile writes/)
})

test.run()
