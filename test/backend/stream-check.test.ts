// What an adapter computes wrongly in vectors or by subgroup operations is noticed, by the variant's name.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { shaders } from '../../build/shaders.js'
import { kernelSpec } from '../../src/backend/kernels.js'
import { createWebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { wrongStreams } from '../../src/backend/webgpu/stream-check.js'
import { webgpuBackend } from '../support/adapter.js'

const present = await webgpuBackend()
const onGpu = present ? test : test.skip
const onF16 = present && (await hasF16()) ? test : test.skip
const kernels = ['sum_of_squares', 'column_sum', 'adamw'] as const

/** Of products some forms and the plain one: a processor takes long to compile them. The split one is there for its binding. */
const compiled = [
  ...['matmul_half_vec4_16x64_split', 'matmul_half_vec4_32x64', 'matmul_half_32x32'],
  ...['matmul_quantized_vec4_32x64', 'matmul_quantized_32x32'],
  ...['matmul_vec4_16x64_split', 'matmul_vec4_32x64', 'matmul_32x32'],
  ...['matmul_subgroup_64x64', 'matmul_f16_vec4_16x64_split', 'matmul_f16_vec4_32x64', 'matmul_f16_32x32'],
]

async function hasF16(): Promise<boolean> {
  try {
    const opened = await createWebGpuBackend({ adapter: present!.adapterInfo.name, mixed: true })
    opened.close()
    return true
  } catch (error) {
    if (!/no shader-f16/.test((error as Error).message)) throw error
    console.log(`skipped: ${(error as Error).message}`)
    return false
  }
}

let chosen: string | undefined
const wrongWith = async (
  changes: Partial<typeof shaders>,
  of: Parameters<typeof wrongStreams>[1] = kernels,
): Promise<readonly string[]> => {
  const backend = await createWebGpuBackend({
    ...{
      adapter: present!.adapterInfo.name,
      tune: false,
      variants: of === kernels ? 'all' : compiled,
      choose: () => chosen,
      mixed: of.some(kernel => kernelSpec(kernel).needs === 'shader-f16'),
    },
    shaders: { ...shaders, ...changes } as typeof shaders,
  })
  const force = (name: string | undefined) => {
    chosen = name
  }
  const wrong = await wrongStreams({ backend, force }, of)
  const subgroups = of !== kernels || backend.features.includes('subgroups')
  backend.close()
  return subgroups ? wrong : [...wrong, 'sum_of_squares_vector_subgroup'].sort()
}

const changed = (file: string, from: string, to: string) => {
  const text = shaders[file]!.replace(from, to)
  assert.is.not(text, shaders[file])
  return { [file]: text }
}

onGpu('all are right; a wrong sum of subgroups, of shares of the rows, or of the last of four is refused', async () => {
  const none = await wrongWith({})
  assert.ok(
    none.every(name => name.includes('subgroup')),
    `${none}`,
  )
  assert.equal(await wrongWith(changed('common/reduce_subgroup', 'i < WORKGROUP_SIZE / size', 'i < 1u')), [
    'sum_of_squares_vector_subgroup',
  ])
  const shares = await wrongWith(changed('columns_split_sum', 'part < SPLITS', 'part + 1u < SPLITS'))
  assert.equal(
    shares.filter(name => !name.includes('subgroup')),
    ['column_sum_split'],
  )
  const fours = await wrongWith(changed('common/vector', '(x.z + x.w)', 'x.z'))
  assert.ok(fours.includes('sum_of_squares_vector'), `${fours}`)
})

onGpu('products with a factor in 16 or 4 bits: one in vectors of four that is read wrongly is refused', async () => {
  assert.equal(await wrongWith({}, ['matmul_half', 'matmul_quantized']), [])
  const half = changed('common/half', 'words.x >> 16u, words.y', 'words.y >> 16u, words.y')
  assert.ok((await wrongWith(half, ['matmul_half'])).includes('matmul_half_vec4_32x64'))
  const few = changed('common/quantized_vector', 'vec4(0u, 1u, 2u, 3u)', 'vec4(0u, 1u, 2u, 2u)')
  assert.ok((await wrongWith(few, ['matmul_quantized'])).includes('matmul_quantized_vec4_32x64'))
})

onF16(
  'with f16 factors and b in 4 bits: one by matrix units or in vectors of four that is wrong is refused',
  async () => {
    const of = ['matmul_f16_quantized'] as const
    assert.equal(await wrongWith({}, of), [])
    const few = changed('common/quantized_vector', 'vec4(0u, 1u, 2u, 3u)', 'vec4(0u, 1u, 2u, 2u)')
    const wrong = await wrongWith(few, of)
    for (const name of ['matmul_subgroup_64x64', 'matmul_f16_vec4_32x64']) assert.ok(wrong.includes(name), `${wrong}`)
    const tiles = changed('common/matmul_subgroup', 'k < rolled(TILE_K)', 'k < rolled(TILE_K - 16u)')
    assert.equal(
      (await wrongWith(tiles, of)).filter(name => compiled.includes(name)),
      ['matmul_subgroup_64x64'],
    )
  },
)

onGpu('products with an epilogue and in groups: one in vectors of four that is wrong is refused', async () => {
  const all = ['matmul_epilogue', 'matmul_grouped', 'matmul_grouped_sum'] as const
  assert.equal(await wrongWith({}, all), [])
  const slope = changed('matmul_sum_epilogue', 'part < SPLITS', 'part + 1u < SPLITS')
  assert.equal(await wrongWith(slope, ['matmul_epilogue']), ['matmul_vec4_16x64_split'])
  const group = changed('common/grouped_vector', 'bias[bias_of(place) / 4u]', 'bias[place.column / 4u]')
  assert.ok((await wrongWith(group, ['matmul_grouped'])).includes('matmul_vec4_32x64'))
  const sum = changed('common/grouped_sum_vector', 'k - params.K0)', 'k)')
  assert.ok((await wrongWith(sum, ['matmul_grouped_sum'])).includes('matmul_vec4_32x64'))
})

test.run()
