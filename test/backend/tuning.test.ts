// Variants chosen by measurement: wrong ones are refused, what was measured is read again, and a cache of another driver is not.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { shaders } from '../../build/shaders.js'
import { wrongAttention } from '../../src/backend/webgpu/attention-check.js'
import { createWebGpuBackend, type WebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { choiceOf, computesRightly, shapeClass, tune, tuned } from '../../src/backend/webgpu/tuning.js'
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
  const choice = choiceOf({ choices: { '01 6,4,4': 'fast' }, refused: [], gflops: 8 })
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
    const { refused } = await tune({ backend: opened, force }, 0, 'matmul_f16')
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

onGpu('a wrong variant is refused by name, within the budget; what was measured is kept for this driver', async () => {
  const backend = await open(broken)
  const { refused } = await tune({ backend, force }, 0)
  assert.equal(
    refused,
    variants.matmul.filter(({ second }) => second).map(({ name }) => name),
  )
  const adapter = { name: 'card', description: 'driver 1' }
  const first = await tuned({ backend, force }, adapter, 0)
  const [file, ...others] = readdirSync(folder)
  assert.is(others.length, 0)
  const path = join(folder, file!)
  const kept = JSON.parse(readFileSync(path, 'utf8'))
  assert.equal([kept.choices, kept.refused], [first.choices, first.refused])
  const changed = { ...kept, choices: { '01 6,4,4': 'from the file' } }
  writeFileSync(path, JSON.stringify(changed))
  assert.equal((await tuned({ backend, force }, adapter, 0)).choices, changed.choices)
  for (const text of ['{', '{}', JSON.stringify({ ...changed, key: 'another' })]) {
    writeFileSync(path, text)
    assert.is.not((await tuned({ backend, force }, adapter, 0)).choices['01 6,4,4'], 'from the file')
  }
  await tuned({ backend, force }, { ...adapter, description: 'driver 2' }, 0)
  assert.is(readdirSync(folder).length, 2)
  backend.close()
})

test.run()
