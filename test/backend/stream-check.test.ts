// What an adapter computes wrongly in vectors or by subgroup operations is noticed, by the variant's name.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { shaders } from '../../build/shaders.js'
import { createWebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { wrongStreams } from '../../src/backend/webgpu/stream-check.js'
import { variants } from '../../src/backend/webgpu/variants.js'
import { webgpuBackend } from '../support/adapter.js'

const present = await webgpuBackend()
const onGpu = present ? test : test.skip
const kernels = ['sum_of_squares', 'column_sum', 'adamw'] as const

let chosen: string | undefined
const wrongWith = async (
  changes: Partial<typeof shaders>,
  of: Parameters<typeof wrongStreams>[1] = kernels,
): Promise<readonly string[]> => {
  const backend = await createWebGpuBackend({
    ...{ adapter: present!.adapterInfo.name, tune: false, variants: 'all', choose: () => chosen },
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
  const products = ['matmul_half', 'matmul_quantized'] as const
  const names = (kernel: (typeof products)[number]) =>
    variants[kernel].flatMap(({ name }) => (name.includes('vec4') ? [name] : [])).sort()
  assert.equal(await wrongWith({}, products), [])
  const half = changed('common/half', 'words.x >> 16u, words.y', 'words.y >> 16u, words.y')
  assert.equal([...(await wrongWith(half, ['matmul_half']))].sort(), names('matmul_half'))
  const few = changed('matmul_quantized_vec4', 'vec4(0u, 1u, 2u, 3u)', 'vec4(0u, 1u, 2u, 2u)')
  assert.equal([...(await wrongWith(few, ['matmul_quantized']))].sort(), names('matmul_quantized'))
})

test.run()
