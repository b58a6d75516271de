// What an adapter computes wrongly in vectors or by subgroup operations is noticed, by the variant's name.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { shaders } from '../../build/shaders.js'
import { createWebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { wrongStreams } from '../../src/backend/webgpu/stream-check.js'
import { webgpuBackend } from '../support/adapter.js'

const present = await webgpuBackend()
const onGpu = present ? test : test.skip
const kernels = ['sum_of_squares', 'column_sum', 'adamw'] as const

let chosen: string | undefined
const wrongWith = async (changes: Partial<typeof shaders>): Promise<readonly string[]> => {
  const backend = await createWebGpuBackend({
    ...{ adapter: present!.adapterInfo.name, tune: false, variants: 'all', choose: () => chosen },
    shaders: { ...shaders, ...changes } as typeof shaders,
  })
  const force = (name: string | undefined) => {
    chosen = name
  }
  const wrong = await wrongStreams({ backend, force }, kernels)
  const subgroups = backend.features.includes('subgroups')
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

test.run()
