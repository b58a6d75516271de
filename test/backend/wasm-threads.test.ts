// Several threads in the wasm backend: the same bits as one, whatever goes wrong on a thread is an error and no hang, and the process ends.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Backend, wholeView } from '../../src/backend/backend.js'
import { type KernelName, type Params, wasmKernelNames } from '../../src/backend/kernels.js'
import { createWasmBackend, type WasmOptions } from '../../src/backend/wasm/backend.js'
import { CAPACITY } from '../../src/backend/wasm/team.js'
import { parseConfig } from '../../src/model/config.js'
import { loadEncoder, randomSource } from '../../src/model/load.js'
import { coreCount } from '../../src/runtime/workers.js'
import { candidatesOf, createContrastiveTrainer } from '../../src/train/contrastive.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { initialValues, type KernelCase } from '../support/cases/case.js'
import { kernelCases } from '../support/kernel-cases.js'
import { failure, folderWith } from '../support/temporary.js'
import { tinyJson } from '../support/tiny-bert.js'
import { offsetsOf, seededValues } from '../support/values.js'

const several = [2, 3, 4]
const MEBIBYTE = 2 ** 20

async function withBackend<T>(options: WasmOptions, use: (backend: Backend) => Promise<T>): Promise<T> {
  const backend = await createWasmBackend({ shareAll: true, ...options })
  try {
    return await use(backend)
  } finally {
    backend.close()
  }
}

/** What the tensors of a case hold after it has run. */
async function bitsAfter(backend: Backend, kernel: KernelName, { params, tensors }: KernelCase): Promise<Uint8Array[]> {
  const memories = Object.entries(tensors).map(([name, initial]) => {
    const values = initialValues(kernel, name, initial, 1.5e30)
    const memory = values && backend.allocate(values.byteLength, name)
    if (memory) backend.write(wholeView(memory), values)
    return memory
  })
  const prepared = await backend.prepare([{ kernel, views: memories.map(memory => memory && wholeView(memory)) }])
  backend.run(prepared, [params])
  const present = memories.filter(memory => memory !== undefined)
  const after = await Promise.all(present.map(memory => backend.read(wholeView(memory))))
  for (const memory of present) backend.free(memory)
  return after.map(buffer => new Uint8Array(buffer))
}

test('every kernel gives the same bits on any number of threads', async () => {
  const backends = await Promise.all(several.map(threads => createWasmBackend({ threads, shareAll: true })))
  await withBackend({ threads: 1 }, async one => {
    for (const kernel of wasmKernelNames) {
      for (const entry of kernelCases[kernel]()) {
        const expected = await bitsAfter(one, kernel, entry)
        for (const [i, backend] of backends.entries()) {
          const same = (await bitsAfter(backend, kernel, entry)).every(
            (bytes, t) => Buffer.compare(bytes, expected[t]!) === 0,
          )
          assert.ok(same, `${kernel} (${entry.name}) differs on ${several[i]} threads`)
        }
      }
    }
  })
  for (const backend of backends) backend.close()
})

test('calls that need each other run in order, more of them than the table holds', async () => {
  const count = 30_000
  const rounds = Math.ceil(CAPACITY / 3) + 10
  const sums = await Promise.all(
    [1, ...several].map(threads =>
      withBackend({ threads }, async backend => {
        const [x, y, ones, out] = [count, count, count, 1].map((n, i) => wholeView(backend.allocate(4 * n, `${i}`)))
        backend.write(ones!, new Float32Array(count).fill(1))
        backend.write(
          x!,
          Float32Array.from({ length: count }, (_, i) => i % 7),
        )
        const copy = { rows: count, columns: 1, from: 0, to: 0, accumulate: 1 }
        const round: [KernelName, (typeof x)[], Params][] = [
          ['copy_rows', [x, y], copy],
          ['weighted_sum', [y, ones, out], { count, accumulate: 0 }],
          ['fill', [x], { count, value: 1 }],
        ]
        const calls = Array.from({ length: rounds }, () => round).flat()
        const prepared = await backend.prepare(calls.map(([kernel, views]) => ({ kernel, views })))
        const params = calls.map(call => call[2])
        backend.run(prepared, params)
        return new Float32Array(await backend.read(out!))[0]!
      }),
    ),
  )
  const first = Array.from({ length: count }, (_, i) => i % 7).reduce((sum, value) => sum + value)
  assert.equal(
    sums,
    sums.map(() => first + (rounds - 1) * count),
  )
})

/** The losses and a weight after thirty steps of a very small encoder with dropout. */
const train = (backend: Backend) => {
  const config = parseConfig({ ...tinyJson, hidden_size: 24, intermediate_size: 40 }, 'small')
  const random = seededValues(5)
  const packed = (lengths: number[]) => {
    const offsets = offsetsOf(lengths)
    return { ids: random.integers(offsets.at(-1)!, config.vocabulary), offsets }
  }
  return async () => {
    const loaded = await loadEncoder(
      backend,
      randomSource(config, 1),
      { pooling: ['mean'], normalize: true },
      { kind: 'full' },
    )
    const trainer = createContrastiveTrainer(backend, {
      ...{ query: loaded.encoder, passage: loaded.encoder, trainable: loaded.trainable!, temperature: 0.05 },
      ...{ optimizer: defaultOptimizer, dropout: 0.1 },
    })
    const losses: number[] = []
    for (let t = 1; t <= 30; t++) {
      const batch = { query: packed([3, 8, 5, 2]), passage: packed([8, 1, 7, 6]), ...candidatesOf(4, 1, true) }
      losses.push((await trainer.step([batch], { rate: 1e-3, t, seed: 1, counter: t })).loss)
    }
    return { losses, weight: await loaded.readWeight('encoder.layer.1.attention.self.query.weight') }
  }
}

test('thirty steps of training give the same bits on any number of threads', async () => {
  const expected = await withBackend({ threads: 1 }, backend => train(backend)())
  assert.ok(expected.losses.every(Number.isFinite))
  for (const threads of several)
    assert.equal(await withBackend({ threads }, backend => train(backend)()), expected, `${threads} threads`)
})

test('memory grows while the workers live', async () => {
  await withBackend({ threads: 3 }, async backend => {
    const count = 3 * MEBIBYTE
    const views = Array.from({ length: 8 }, (_, i) => wholeView(backend.allocate(4 * count, `grown ${i}`)))
    for (const [i, view] of views.entries()) {
      backend.run(await backend.prepare([{ kernel: 'fill', views: [view] }]), [{ count, value: i + 1 }])
      backend.allocate(16 * MEBIBYTE, 'between')
    }
    for (const [i, view] of views.entries())
      assert.ok(
        new Float32Array(await backend.read(view)).every(value => value === i + 1),
        `tensor ${i}`,
      )
  })
})

/** Runs a fill over 1000 elements; what it gave. */
async function useOnce(backend: Backend): Promise<number> {
  const view = wholeView(backend.allocate(4000, 'used once'))
  backend.run(await backend.prepare([{ kernel: 'fill', views: [view] }]), [{ count: 1000, value: 3 }])
  return new Float32Array(await backend.read(view)).reduce((sum, value) => sum + value)
}

test('what a kernel throws on whatever thread is an error of its run, and the next run works', async () => {
  await withBackend({ threads: 4 }, async backend => {
    const [rows, columns] = [40, 64]
    const views = [columns, rows, rows * columns].map((n, i) => wholeView(backend.allocate(4 * n, `${i}`)))
    // Beyond the memory that there is
    backend.write(views[1]!, new Int32Array(rows).fill(2 ** 31 / (4 * columns)))
    const prepared = await backend.prepare([{ kernel: 'gather_rows', views }])
    const run = async () => backend.run(prepared, [{ rows, columns, accumulate: 0 }])
    assert.match(
      await failure(run()),
      /gather_rows failed on thread [1-4] of 4: RuntimeError: memory access out of bounds/,
    )
    assert.is(await useOnce(backend), 3000)
    backend.write(views[1]!, new Int32Array(rows))
    await run()
  })
})

/** A backend of two threads, and its worker. */
async function withWorker(options: WasmOptions = {}): Promise<{ backend: Backend; worker: Worker }> {
  let worker: Worker | undefined
  process.once('worker', started => {
    worker = started
  })
  const backend = await createWasmBackend({ threads: 2, shareAll: true, ...options })
  return { backend, worker: worker! }
}

test('a worker that ended between runs is an error of every later run and read', async () => {
  const { backend, worker } = await withWorker()
  const view = wholeView(backend.allocate(4, 'x'))
  assert.is(await useOnce(backend), 3000)
  await worker.terminate()
  assert.match(await failure(useOnce(backend)), /lost a thread: thread 2 of 2 has ended \(it ended with code 1\)/)
  assert.match(await failure(backend.read(view)), /lost a thread/)
  assert.match(await failure(backend.finish()), /lost a thread/)
  backend.close()
})

test('a worker that dies while it is needed is noticed while the calling thread waits for it', async () => {
  // Patience that no test could wait for
  const { backend, worker } = await withWorker({ patience: 1e6 })
  const ended = worker.terminate()
  assert.match(await failure(useOnce(backend)), /lost a thread: thread 2 of 2 has ended in the middle of a run/)
  await ended
  assert.match(await failure(useOnce(backend)), /lost a thread: thread 2 of 2 has ended/)
  backend.close()
})

test('where nobody can tell that a worker has ended, its part is waited for as long as patience lasts', async () => {
  const { backend, worker } = await withWorker({ patience: 0.3 })
  Object.defineProperty(worker.performance, 'eventLoopUtilization', { value: () => ({ idle: 0 }) })
  const ended = worker.terminate()
  assert.match(await failure(useOnce(backend)), /lost a thread: one of 2 threads did not do its part within 0.3 s/)
  await ended
  backend.close()
})

test('a worker that does not start is an error', async () => {
  process.once('worker', worker => void worker.terminate())
  assert.match(await failure(createWasmBackend({ threads: 2 })), /a worker thread did not start: it ended with code/)
})

test('the default is all cores; one thread where no memory can be shared; odd numbers are refused', async () => {
  const describe = (options: WasmOptions) => withBackend(options, async backend => backend.description)
  const cores = await coreCount()
  assert.is(await describe({}), `wasm SIMD, ${cores} thread${cores > 1 ? 's' : ''}`)
  assert.is(await describe({ threads: 1 }), 'wasm SIMD, 1 thread')
  assert.is(await describe({ threads: 3 }), 'wasm SIMD, 3 threads')
  const shared = globalThis.SharedArrayBuffer
  try {
    Object.assign(globalThis, { SharedArrayBuffer: undefined })
    await withBackend({ threads: 2 }, async backend => {
      assert.is(backend.description, 'wasm SIMD, 1 thread (no memory can be shared here)')
      assert.is(await useOnce(backend), 3000)
    })
  } finally {
    Object.assign(globalThis, { SharedArrayBuffer: shared })
  }
  assert.match(await failure(createWasmBackend({ threads: 0 })), /threads is 0, expected an integer of 1 or more/)
  assert.match(
    await failure(createWasmBackend({ threads: 64, maximumBytes: 16 * MEBIBYTE })),
    /64 threads need 64\.\d MiB, but maximumBytes is 16777216/,
  )
})

test('the process ends by itself, with the backend closed and without', () => {
  const [source, loader] = [
    new URL('../../src/backend/wasm/backend.ts', import.meta.url).href,
    import.meta.resolve('tsx'),
  ]
  for (const close of ['backend.close()', '']) {
    const folder = folderWith({
      'main.mjs': `import { createWasmBackend } from '${source}'
const backend = await createWasmBackend({ threads: 3, shareAll: true })
const view = { memory: backend.allocate(4000, 'x'), offset: 0, bytes: 4000 }
backend.run(await backend.prepare([{ kernel: 'fill', views: [view] }]), [{ count: 1000, value: 3 }])
console.log(new Float32Array(await backend.read(view))[999])
${close}`,
    })
    const options = {
      encoding: 'utf8',
      timeout: 60_000,
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
    } as const
    const child = spawnSync(process.execPath, ['--import', loader, `${folder}/main.mjs`], options)
    assert.equal(
      { status: child.status, signal: child.signal, out: child.stdout },
      { status: 0, signal: null, out: '3\n' },
    )
  }
})

test.run()
