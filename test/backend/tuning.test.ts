// Variants chosen by measurement: wrong ones are refused, what was measured is read again, and a cache of another driver is not.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { shaders } from '../../build/shaders.js'
import type { Backend } from '../../src/backend/backend.js'
import type { KernelName } from '../../src/backend/kernels.js'
import { wrongAttention } from '../../src/backend/webgpu/attention-check.js'
import { createWebGpuBackend, type WebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { type Allowed, BUDGET, type FirstUse, findOut, type VariantTest } from '../../src/backend/webgpu/first-use.js'
import { computesRightly, productTests } from '../../src/backend/webgpu/product-check.js'
import { shapes } from '../../src/backend/webgpu/product-times.js'
import { choiceOf, shapeClass, untuned } from '../../src/backend/webgpu/tuning.js'
import { variants } from '../../src/backend/webgpu/variants.js'
import { cacheFolder } from '../../src/runtime/cache.js'
import { webgpuBackend } from '../support/adapter.js'
import { temporaryFolder } from '../support/temporary.js'

const present = await webgpuBackend()
const onGpu = present ? test : test.skip
const folder = temporaryFolder()
process.env.WGPU_RETRIEVE_CACHE = folder

const SPLIT = 'matmul_vec4_64x64_split'
// Adds the partial sums but for the last.
const broken = { ...shaders, matmul_sum: shaders.matmul_sum!.replace('part < SPLITS', 'part + 1u < SPLITS') }

let chosen: string | undefined
const open = (files: typeof shaders): Promise<WebGpuBackend> =>
  createWebGpuBackend({
    adapter: present!.adapterInfo.name,
    variants: 'all',
    shaders: files,
    choose: () => chosen,
  })
const force = (name: string | undefined) => {
  chosen = name
}

test('classes: transposes, and sizes to powers of 4', () => {
  const p = { M: 4096, N: 384, K: 384, transposeA: 0, transposeB: 1 }
  assert.is(shapeClass('matmul', p), '01 6,4,4')
  assert.is(shapeClass('matmul', { ...p, M: 3000, N: 300 }), '01 6,4,4')
  assert.is.not(shapeClass('matmul', { ...p, M: 1000 }), '01 6,4,4')
  assert.is.not(shapeClass('matmul', { ...p, transposeB: 0 }), '01 6,4,4')
  assert.is(shapeClass('matmul_f16', { ...p, format: 2 }), 'f16 01 6,4,4')
  assert.is(shapeClass('matmul_f16', { ...p, format: 1 }), 'f16 half 01 6,4,4')
  const group = { M: 4096, K: 384, N0: 384, N1: 64, N2: 64, format: 2 }
  assert.is(shapeClass('matmul_grouped', group), shapeClass('matmul', { ...p, N: 512 }))
  assert.is(shapeClass('matmul_f16_grouped', group), shapeClass('matmul_f16', { ...p, N: 512, format: 2 }))
  const sum = { M: 4096, N: 384, K0: 384, K1: 64, K2: 64, format: 2 }
  assert.is(shapeClass('matmul_grouped_sum', sum), shapeClass('matmul', { ...p, K: 512, transposeB: 0 }))
  assert.is(shapeClass('fill', { count: 3, value: 1 }), undefined)
  const choice = choiceOf({ choices: { '01 6,4,4': 'fast' } })
  assert.is(choice('matmul', p), 'fast')
  assert.is(choice('matmul', { ...p, K: 4 }), undefined)
})

test('the cache folder: what is asked for, else what the system has', () => {
  assert.is(cacheFolder({ WGPU_RETRIEVE_CACHE: '/a', XDG_CACHE_HOME: '/b' }), '/a')
  assert.is(cacheFolder({ XDG_CACHE_HOME: '/b', HOME: '/c' }), '/b/wgpu-retrieve')
  assert.is(cacheFolder({}), undefined)
})

onGpu('every variant computes rightly; one that does not is noticed', async () => {
  const right = await open(shaders)
  for (const { name } of variants.matmul) {
    force(name)
    assert.ok(await computesRightly(right, name), name)
  }
  right.close()
  const wrong = await open(broken)
  force(SPLIT)
  assert.not.ok(await computesRightly(wrong, SPLIT))
  force('matmul_vec4_64x64')
  assert.ok(await computesRightly(wrong, 'matmul_vec4_64x64'))
  wrong.close()
})

onGpu(
  'with f16 factors too: matrix units that compute wrongly are refused by name, the product goes on without them',
  async () => {
    const wrong = {
      ...shaders,
      'common/matmul_subgroup': shaders['common/matmul_subgroup']!.replace(
        'k < rolled(TILE_K)',
        'k < rolled(TILE_K - 16u)',
      ),
    }
    const options = { adapter: present!.adapterInfo.name, variants: 'all', choose: () => chosen, mixed: true } as const
    const opened = await createWebGpuBackend({ ...options, shaders: wrong }).catch((error: Error) => error)
    if (opened instanceof Error) {
      assert.match(opened.message, /no shader-f16/)
      return
    }
    const refused: string[] = []
    for (const { variant, passes } of productTests({ backend: opened, force }, 'matmul_f16'))
      if (!(await passes())) refused.push(variant.name)
    assert.equal(
      refused,
      variants.matmul_f16.filter(({ matrices }) => matrices).map(({ name }) => name),
    )
    opened.close()
    const narrower = { ...shaders, matmul_f16: shaders.matmul_f16!.replace('bitcast<f32>(b[at])', '2.0') }
    const unusable = createWebGpuBackend({ ...options, shaders: narrower }).then(
      () => 'it opened',
      (error: Error) => error.message,
    )
    assert.match(await unusable, /computes products of f16 wrongly; use precision f32/)
  },
)

onGpu('attention by matrix units that computes wrongly is found by name, forward and backward', async () => {
  const ofQueries = ['attention_backward_q', 'attention_backward_q_bias']
  const kernels = ['attention_forward', ...ofQueries, 'attention_backward_kv']
  const names = kernels.map(name => `${name}_subgroup_32`)
  const compiled = [...names, ...kernels.map(name => `${name}_32`)]
  const findWrong = async (change: (text: string) => string) => {
    const text = shaders['common/attention_matrices']!
    const options = {
      adapter: present!.adapterInfo.name,
      variants: compiled,
      choose: () => chosen,
      mixed: true,
    } as const
    const changed = { ...shaders, 'common/attention_matrices': change(text) }
    const backend = await createWebGpuBackend({ ...options, shaders: changed }).catch((error: Error) => error)
    if (backend instanceof Error) {
      assert.match(backend.message, /no shader-f16/)
      return
    }
    const found = await wrongAttention({ backend, force }, names)
    backend.close()
    return found
  }
  assert.equal((await findWrong(text => text)) ?? [], [])
  // The weights' second half is left out.
  const half = (text: string) => text.replace('k < rolled(ROWS)', 'k < rolled(ROWS - 16u)')
  assert.equal((await findWrong(half)) ?? names, names)
})

/** Some variants: a processor takes long to compile them all. */
const FEW = ['matmul_vec4_16x64_split', 'matmul_vec4_32x64', 'matmul_64x64', 'matmul_32x32']
const few = { adapter: present?.adapterInfo.name ?? '', variants: FEW, tune: true } as const
const NO_EPILOGUE = { epilogue: 5, kind: 0, hasBeside: 0, rank: 0, factor: 0 }
const query = { M: 12, N: 384, K: 1536, transposeA: 0, transposeB: 1, accumulate: 0, hasBias: 0, alpha: 1 }

onGpu('a variant is taken once its test has passed; what was found out is kept and gone on with', async () => {
  const first = await createWebGpuBackend({ ...few, tuneMilliseconds: 0 })
  assert.equal(first.tuning!.passed, [])
  assert.is(first.tuning!.complete, false)
  assert.is(await first.variantOf('matmul', query), 'matmul_32x32')
  first.close()
  const [file, ...others] = readdirSync(folder)
  assert.is(others.length, 0)
  const path = join(folder, file!)
  const kept = JSON.parse(readFileSync(path, 'utf8'))
  const passed = FEW.slice(0, 3)
    .map(name => `matmul ${name}`)
    .sort()
  const choices = { '01 2,4,5': 'matmul_vec4_32x64', '01 6,5,5': 'matmul_64x64' }
  writeFileSync(path, JSON.stringify({ ...kept, passed, choices }))

  const second = await createWebGpuBackend({ ...few, tuneMilliseconds: 0 })
  assert.equal(second.tuning!.passed, passed)
  assert.is(await second.variantOf('matmul', query), 'matmul_vec4_32x64')
  assert.is(await second.variantOf('matmul', { ...query, K: 16384 }), 'matmul_vec4_16x64_split', 'as the table says')
  assert.is(await second.variantOf('matmul_epilogue', { ...query, ...NO_EPILOGUE }), 'matmul_32x32', 'not tested')
  assert.is.not(second.numerics, first.numerics)
  second.close()

  // One that had to be as another process left it, whatever was found out since.
  const as = await createWebGpuBackend({ ...few, tuning: first.tuning! })
  assert.is(as.numerics, first.numerics)
  assert.is(await as.variantOf('matmul', query), 'matmul_32x32')
  as.close()
  const other = { ...first.tuning!, key: 'of another driver' }
  const against = await createWebGpuBackend({ ...few, tuning: other, tuneMilliseconds: 0 })
  assert.is(against.numerics, second.numerics)
  against.close()
  for (const text of ['{', '{}', JSON.stringify({ ...kept, key: 'another' })]) {
    writeFileSync(path, text)
    const anew = await createWebGpuBackend({ ...few, tuneMilliseconds: 0 })
    assert.is(anew.numerics, first.numerics, text)
    anew.close()
  }
})

/** Of a card that does nothing: what is asked of it is written down. */
function card(compiles: (name: string) => Promise<boolean>, message = 'shader it does not compile: no') {
  const forced: (string | undefined)[] = []
  const timed: string[] = []
  let allowed: Allowed = () => false
  const use: FirstUse = {
    backend: {
      allocate: (bytes: number, label: string) => ({ bytes, label }),
      free() {},
      prepare: async (calls: unknown) => ({ calls, release() {} }),
      run: () => void timed.push(forced.at(-1)!),
      finish: async () => {},
    } as unknown as Backend,
    target: { software: false, features: [], matrices: false, workgroupMemory: 16384 },
    force: name => void forced.push(name),
    wanted: kernel => variants[kernel],
    compile: async (_, { name }) => ((await compiles(name)) ? {} : { message }),
    allow: rule => {
      allowed = rule
    },
  }
  const test = (kernel: KernelName, name: string, passes = true): VariantTest => ({
    kernel,
    variant: variants[kernel].find(each => each.name === name)!,
    passes: async () => passes,
  })
  return { use, test, forced, timed, isAllowed: (kernel: KernelName, name: string) => allowed(kernel, name) }
}

test('first use: who fails or does not compile is refused with every kernel; the right ones are timed', async () => {
  const { use, test, timed, isAllowed } = card(async name => name !== 'matmul_vec4_128x128')
  const tests = [
    test('matmul', 'matmul_vec4_64x64'),
    test('matmul', 'matmul_vec4_32x64', false),
    test('matmul', 'matmul_vec4_128x128'),
    test('matmul_epilogue', 'matmul_vec4_32x64'),
    test('matmul_epilogue', 'matmul_vec4_64x64'),
    test('adamw', 'adamw_vector'),
  ]
  const found = await findOut(use, tests, untuned, Number.POSITIVE_INFINITY, false)
  assert.equal(found.refused, ['matmul_vec4_128x128', 'matmul_vec4_32x64'])
  assert.equal(found.messages, { matmul_vec4_128x128: 'no' })
  const passed = ['adamw adamw_vector', 'matmul matmul_vec4_64x64', 'matmul_epilogue matmul_vec4_64x64']
  assert.equal(found.passed, passed)
  assert.ok(found.complete && found.gflops > 0)
  assert.equal([...new Set(timed)].sort(), ['matmul_32x32', 'matmul_vec4_64x64'])
  assert.equal(
    Object.keys(found.choices),
    shapes('matmul').map(({ name }) => name),
  )
  for (const { kernel, variant } of tests)
    assert.is(isAllowed(kernel, variant.name), passed.includes(`${kernel} ${variant.name}`), variant.name)
  assert.ok(isAllowed('fill', 'anything without a test'))
})

test('first use: ends when its time is over, though a compiler does not; goes on where it was left', async () => {
  let slow = true
  const compiled: string[] = []
  const { use, test, timed } = card(async name => {
    compiled.push(name)
    if (slow && name === 'matmul_vec4_64x64') await new Promise(() => {})
    return true
  })
  const tests = ['matmul_vec4_16x128', 'matmul_vec4_64x64', 'matmul_vec4_32x64'].map(name => test('matmul', name))
  const first = await findOut(use, tests, untuned, 200, false)
  assert.equal([first.passed, first.refused, first.complete], [['matmul matmul_vec4_16x128'], [], false])
  assert.equal(compiled.slice(0, 2), ['matmul_vec4_16x128', 'matmul_vec4_64x64'], 'the next one meanwhile')
  assert.equal([timed, first.choices, first.gflops], [[], {}, untuned.gflops])
  slow = false
  compiled.length = 0
  const second = await findOut(use, tests, first, Number.POSITIVE_INFINITY, false)
  assert.ok(second.complete && !compiled.includes('matmul_vec4_16x128'))
  assert.is(second.passed.length, 3)
  timed.length = 0
  const third = await findOut(use, tests, { ...second, complete: false }, Number.POSITIVE_INFINITY, false)
  assert.equal([timed, third], [[], second])
})

test('first use: a compiler that takes all of the time is not waited for again', async () => {
  const { use, test } = card(() => new Promise(() => {}))
  const tests = ['matmul_vec4_16x128', 'matmul_vec4_64x64'].map(name => test('matmul', name))
  const found = await findOut(use, tests, untuned, BUDGET, false)
  assert.equal([found.refused, found.complete], [['matmul_vec4_16x128'], false])
  assert.equal(found.messages, { matmul_vec4_16x128: 'not compiled within 3 s' })
})

test('first use: a card that is lost is no reason to refuse a variant', async () => {
  const { use, test } = card(async () => false)
  const lost = { ...use.backend, finish: () => Promise.reject(new Error('lost')) }
  const outcome = findOut({ ...use, backend: lost }, [test('adamw', 'adamw_vector')], untuned, 1000, false)
  assert.is(await outcome.catch((error: Error) => error.message), 'lost')
})

test.run()
