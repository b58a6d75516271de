// The WebGPU backend beside its kernels (the conformance suite has those): shaders on the least of devices, errors,
// memory, lifetime.
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { shaders } from '../../build/shaders.js'
import { type BoundCall, type View, wholeView } from '../../src/backend/backend.js'
import { commonKernelNames, NO_LIMIT } from '../../src/backend/kernels.js'
import { dropoutParams } from '../../src/backend/random.js'
import { createWebGpuBackend, type WebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { createPipelineCache } from '../../src/backend/webgpu/pipelines.js'
import { selfTest } from '../../src/backend/webgpu/self-test.js'
import { type Variant, variants } from '../../src/backend/webgpu/variants.js'
import { listAdapters } from '../../src/runtime/gpu.js'
import { attentionTiles, tileCount } from '../../src/tensor/tiles.js'
import { webgpuBackend } from '../support/adapter.js'
import { offsetsOf, seededValues } from '../support/values.js'

const present = await webgpuBackend()
const backend = present as WebGpuBackend
const onGpu = present ? test : test.skip
const name = present?.adapterInfo.name ?? ''

const filled = (values: ArrayBufferView, label: string): View => {
  const memory = backend.allocate(values.byteLength, label)
  backend.write(wholeView(memory), values)
  return wholeView(memory)
}
const floats = async (view: View): Promise<number[]> => [...new Float32Array(await backend.read(view))]
const message = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return (error as Error).message
  }
  return 'no error'
}
const rejection = (run: Promise<unknown>): Promise<string> =>
  run.then(
    () => 'no error',
    error => error.message,
  )
const plainTarget = (software: boolean) => ({ software, features: [], matrices: false, workgroupMemory: 16384 })
/** A backend of its own for a test that breaks it. */
const fresh = (options = {}) => createWebGpuBackend({ adapter: name, ...options })

onGpu('every variant of every shader compiles within the default limits, rolled and unrolled', async () => {
  const least = await fresh({ defaultLimits: true })
  assert.is(least.device.limits.maxComputeWorkgroupStorageSize, 16384)
  assert.is(least.device.limits.maxStorageBuffersPerShaderStage, 8)
  let compiled = 0
  for (const software of [true, false]) {
    const pipelines = createPipelineCache(least.device, plainTarget(software), { variants: 'all' })
    for (const kernel of commonKernelNames) compiled += (await pipelines.of(kernel)).variants.length
  }
  const fits = ({ subgroups, workgroupMemory = 0 }: Variant) => !subgroups && workgroupMemory <= 16384
  const plain = commonKernelNames.flatMap(kernel => variants[kernel].filter(fits))
  assert.is(compiled, 2 * plain.length)
  least.close()
})

onGpu('an error in a shader comes with file, line, column and source', async () => {
  const broken = {
    ...shaders,
    activation_forward: shaders.activation_forward!.replace('let value = x[i];', 'let value = xx[i];'),
  }
  const line = broken.activation_forward.split('\n').findIndex(text => text.includes('xx[i]')) + 1
  const text = await rejection(
    createPipelineCache(backend.device, plainTarget(true), { shaders: broken }).of('activation_forward'),
  )
  assert.match(text, 'shader activation_forward does not compile')
  assert.match(text, `activation_forward.wgsl:${line}:15: unresolved value 'xx'\n  let value = xx[i];\n              ^`)
  await backend.finish()
})

onGpu('writes and reads of any length, from shared memory too', async () => {
  const shared = new Float32Array(new SharedArrayBuffer(12))
  shared.set([1, 2, 3])
  assert.equal(await floats(filled(shared, 'shared')), [1, 2, 3])
  const bytes = filled(Uint8Array.of(1, 2, 3, 4, 5), 'bytes')
  assert.equal([...new Uint8Array(await backend.read(bytes))], [1, 2, 3, 4, 5])
  const large = Float32Array.from({ length: 100_000 }, (_, i) => i)
  const view = filled(large, 'large')
  const part = { ...view, offset: 4 * 64 * 1000, bytes: 8 }
  const reads = await Promise.all([floats(view), floats(part), floats(part)])
  assert.equal(reads, [[...large], [64_000, 64_001], [64_000, 64_001]])
  assert.is((await backend.read({ ...view, bytes: 0 })).byteLength, 0)
})

onGpu('memory is zeroed, and a later write does not reach an earlier run', async () => {
  const x = wholeView(backend.allocate(8, 'x'))
  const y = wholeView(backend.allocate(8, 'y'))
  assert.equal(await floats(x), [0, 0])
  const copy = await backend.prepare([{ kernel: 'copy_rows', views: [x, y] }])
  const params = { rows: 1, columns: 2, from: 0, to: 0, accumulate: 1 }
  backend.write(x, Float32Array.of(1, 2))
  backend.run(copy, [params])
  backend.write(x, Float32Array.of(10, 20))
  backend.run(copy, [params])
  assert.equal(await floats(y), [11, 22])
  copy.release()
})

onGpu('more rows and elements than workgroups in one dimension', async () => {
  const rows = 65_537
  const x = filled(new Float32Array(rows).fill(2), 'x')
  const [y, norms] = [wholeView(backend.allocate(4 * rows, 'y')), wholeView(backend.allocate(4 * rows, 'norms'))]
  const prepared = await backend.prepare([{ kernel: 'l2_normalize_forward', views: [x, y, norms] }])
  backend.run(prepared, [{ rows, columns: 1, epsilon: 1e-12 }])
  assert.ok((await floats(y)).every(value => value === 1))
  assert.ok((await floats(norms)).every(value => value === 2))
})

onGpu('attention with dropout gives the same bits whatever the tiles', async () => {
  const offsets = offsetsOf([39, 1, 70])
  const values = seededValues(1)
  const [rows, heads, headSize] = [110, 2, 12]
  const [q, k, v, dout, given] = ['q', 'k', 'v', 'dout', 'given'].map(label =>
    filled(values.normal(rows * heads * headSize), label),
  )
  const stats = filled(values.uniform(rows * heads * 2, 2, 3), 'stats')
  const outputs = (label: string) => wholeView(backend.allocate(4 * rows * heads * headSize, label))
  const results: number[][] = []
  for (const tileRows of [32, 5, 64]) {
    const list = attentionTiles(offsets, tileRows, Int32Array.of(33, 1, 70))
    const tiles = filled(list, 'tiles')
    const [out, lse, dq, dk, dv] = ['out', 'lse', 'dq', 'dk', 'dv'].map(outputs)
    const prepared = await backend.prepare([
      { kernel: 'attention_forward', views: [q, k, v, tiles, undefined, out, lse] },
      { kernel: 'attention_backward_q', views: [q, k, v, given, dout, stats, tiles, dq] },
      { kernel: 'attention_backward_kv', views: [q, k, v, dout, stats, tiles, dk, dv] },
    ])
    const dropout = dropoutParams(0.3, 1, 2, 3)
    const shape = { rows, tiles: tileCount(list), tileRows, heads, keyValueHeads: heads, headSize }
    const params = { ...shape, softmaxScale: 0.3, before: NO_LIMIT, after: NO_LIMIT, biasRows: 0, ...dropout }
    backend.run(prepared, [params, params, params])
    results.push((await Promise.all([out, dq, dk, dv].map(view => floats(view!)))).flat())
  }
  assert.ok(results[0]!.some(value => value !== 0))
  assert.equal(results[1], results[0])
  assert.equal(results[2], results[0])
})

onGpu('calls that do not fit the table are refused', async () => {
  const view = wholeView(backend.allocate(1024, 'x'))
  const refused = (call: BoundCall) => rejection(backend.prepare([call]))
  assert.match(await refused({ kernel: 'fill', views: [] }), 'fill takes 1 tensors (x), found 0')
  assert.match(await refused({ kernel: 'fill', views: [undefined] }), 'tensor x is missing and not optional')
  assert.match(await refused({ kernel: 'fill', views: [{ ...view, offset: 4, bytes: 4 }] }), 'a multiple of 256')
  assert.match(await refused({ kernel: 'fill', views: [{ ...view, bytes: 2000 }] }), 'of x, which has 1024')
  assert.match(await refused({ kernel: 'nothing' as 'fill', views: [view] }), 'unknown kernel nothing')
  const freed = backend.allocate(16, 'gone')
  backend.free(freed)
  assert.match(await refused({ kernel: 'fill', views: [wholeView(freed)] }), /memory gone .* freed/)
})

onGpu('one memory read and written in a call is refused, read twice or written apart is not', async () => {
  const memory = backend.allocate(1024, 'arena')
  const [front, back] = [0, 512].map(offset => ({ memory, offset, bytes: 256 })) as [View, View]
  const other = wholeView(backend.allocate(256, 'other'))
  const text = await rejection(backend.prepare([{ kernel: 'activation_forward', views: [front, back] }]))
  assert.match(
    text,
    'activation_forward: tensors x and y share the memory arena, which one call cannot both read and write',
  )
  const forward = { kernel: 'l2_normalize_forward' } as const
  assert.match(await rejection(backend.prepare([{ ...forward, views: [other, front, front] }])), 'tensors y and norms')
  const prepared = await backend.prepare([
    { ...forward, views: [other, front, back] },
    { kernel: 'matmul', views: [front, back, undefined, other] },
  ])
  const product = { M: 8, N: 8, K: 8, transposeA: 0, transposeB: 0, accumulate: 0, hasBias: 0, alpha: 1 }
  backend.run(prepared, [{ rows: 8, columns: 8, epsilon: 1 }, product])
  await backend.finish()
})

onGpu('parameters are checked against the tensors before anything runs', async () => {
  const views = [1, 2, 3].map(i => wholeView(backend.allocate(1024, `x${i}`)))
  const prepared = await backend.prepare([{ kernel: 'matmul', views: [views[0], views[1], undefined, views[2]] }])
  const params = { M: 16, N: 16, K: 16, transposeA: 0, transposeB: 0, accumulate: 0, hasBias: 0, alpha: 1 }
  backend.run(prepared, [params])
  const refused = (change: object) => message(() => backend.run(prepared, [{ ...params, ...change }]))
  assert.match(refused({ K: 17 }), 'matmul: tensor a needs 1088 bytes, found 1024 bytes (M 16, N 16, K 17')
  assert.match(refused({ hasBias: 1 }), 'tensor bias needs 64 bytes, found none')
  assert.match(refused({ alpha: undefined }), 'parameter alpha is missing')
  assert.match(
    message(() => backend.run(prepared, [])),
    '1 calls were prepared, but 0 parameter records',
  )
  const sizes = { rows: 1, columns: 8, k: 1025, first: 0, fresh: 1 }
  const scores = wholeView(backend.allocate(8192, 'scores'))
  const topK = await backend.prepare([
    { kernel: 'top_k', views: [scores, ...[4, 5].map(i => filled(new Float32Array(1100), `x${i}`))] },
  ])
  assert.match(
    message(() => backend.run(topK, [sizes])),
    'top_k: k is 1025, at most 1024',
  )
})

onGpu('memory that one buffer cannot hold says what was asked', () => {
  const text = message(() => backend.allocate(2 ** 44, 'scores'))
  assert.match(text, /^cannot allocate 16777216\.0 MiB for scores: a buffer of .* holds at most/)
  assert.match(
    message(() => backend.allocate(-1, 'scores')),
    'cannot allocate -1 bytes for scores',
  )
})

onGpu('memory that the device does not have fails at the next wait, once, as the cause of what follows', async () => {
  const scope = backend.device.popErrorScope
  // What a device without memory answers; a real one cannot be had on every machine
  backend.device.popErrorScope = async () => {
    await scope.call(backend.device)
    await new Promise(resolve => setTimeout(resolve, 300))
    return { message: 'no memory' } as GPUError
  }
  const memory = backend.allocate(3 * 2 ** 20, 'activations')
  backend.device.popErrorScope = scope
  backend.device.createBuffer({ size: 16, usage: 0 })
  const text = await rejection(backend.finish())
  assert.match(text, /^cannot allocate 3\.0 MiB for activations: .* is out of memory; use a smaller batch/)
  await backend.finish()
  backend.free(memory)
})

onGpu('an error that nobody waited for is thrown at the next read, once', async () => {
  const view = filled(Float32Array.of(1), 'x')
  backend.device.createBuffer({ size: 16, usage: 0 })
  assert.match(await rejection(backend.read(view)), 'the GPU reported an error')
  assert.equal(await floats(view), [1])
})

onGpu('a lost device says so, and what to do', async () => {
  const lost = await fresh()
  const view = wholeView(lost.allocate(16, 'x'))
  const reading = lost.read(view)
  lost.device.destroy()
  const expected = /the GPU device was lost \(reason: .*\); resume from the last checkpoint/
  await reading.catch(() => undefined)
  assert.match(await rejection(lost.finish()), expected)
  assert.match(await rejection(lost.read(view)), expected)
  assert.match(
    message(() => lost.allocate(16, 'y')),
    expected,
  )
  lost.close()
})

onGpu('a closed backend is an error', async () => {
  const closing = await fresh()
  const memory = closing.allocate(8, 'x')
  closing.close()
  closing.close()
  assert.match(
    message(() => closing.allocate(8, 'y')),
    'closed',
  )
  assert.match(await rejection(closing.read(wholeView(memory))), 'closed')
})

onGpu('an adapter that computes wrongly is refused by name', async () => {
  const wrong = {
    ...backend,
    async read(view: View) {
      const values = new Float32Array(await backend.read(view))
      values[values.length - 1]! += 1
      return values.buffer
    },
  }
  assert.match(
    await rejection(selfTest(wrong, 'Bad GPU')),
    /^the WebGPU adapter Bad GPU computes wrongly: element 1294 /,
  )
  await selfTest(backend, name)
})

onGpu('an adapter is chosen by a part of its name', async () => {
  const adapters = await listAdapters()
  assert.ok(adapters.some(info => info.name === name))
  const chosen = await createWebGpuBackend({ adapter: name.slice(0, 5).toUpperCase() })
  assert.is(chosen.adapterInfo.name.slice(0, 5), name.slice(0, 5))
  chosen.close()
  const text = await rejection(createWebGpuBackend({ adapter: 'no such adapter' }))
  assert.match(text, 'no WebGPU adapter is named "no such adapter"; found: ')
  assert.match(text, name)
})

onGpu('without bounds checks and validation it computes the same', async () => {
  const fast = await fresh({ fast: true })
  await selfTest(fast, name)
  fast.close()
})

onGpu('the process ends by itself once the backend is closed', () => {
  const module = new URL('../../src/backend/webgpu/backend.ts', import.meta.url).href
  const code = `
    const { createWebGpuBackend } = await import(${JSON.stringify(module)})
    const backend = await createWebGpuBackend()
    await backend.finish()
    backend.close()
    console.log('closed')`
  const args = ['--import', 'tsx', '--input-type=module', '--eval', code]
  const { status, signal, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000 })
  assert.equal({ status, signal, stdout }, { status: 0, signal: null, stdout: 'closed\n' })
})

test('without an adapter the error says why', () => {
  const module = new URL('../../src/runtime/gpu.ts', import.meta.url).href
  const code = `
    const { requestAdapter } = await import(${JSON.stringify(module)})
    await requestAdapter().then(() => console.log('an adapter'), error => console.log(error.message))`
  const args = ['--import', 'tsx', '--input-type=module', '--eval', code]
  // Linux only: elsewhere drivers are not found by these variables, and the adapter stays
  const env = { ...process.env, VK_DRIVER_FILES: '/nowhere', VK_ICD_FILENAMES: '/nowhere' }
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000, env })
  if (process.platform === 'linux') assert.match(stdout, 'no WebGPU adapter: no Vulkan driver was found; install')
})

test.after(() => present?.close())
test.run()
