// Checkpoints: what is written comes back bit for bit, and what belongs to another run is refused.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import { writeSafetensors } from '../../src/data/safetensors.js'
import { createTrainable, freeTrainable, readTensor, type Trainable } from '../../src/tensor/parameters.js'
import {
  putParameters,
  putSnapshot,
  readCheckpoint,
  takeParameters,
  takeSnapshot,
  writeCheckpoint,
} from '../../src/train/checkpoint.js'
import { backendsPresent } from '../support/present.js'
import { failure, temporaryFolder } from '../support/temporary.js'
import { seededValues } from '../support/values.js'

const backends = await backendsPresent()

/** Two segments (one decays), none of them a multiple of 64 long; moments of their own. */
function trainableOf(backend: Backend, seed: number, columns = 7): Trainable {
  const values = seededValues(seed)
  const trainable = createTrainable(backend, [
    { name: 'a.weight', shape: [5, columns], data: values.normal(5 * columns), decay: true },
    { name: 'b.weight', shape: [70], data: values.normal(70), decay: true },
    { name: 'a.bias', shape: [3], data: values.normal(3), decay: false },
  ])
  for (const { m, v, elements } of trainable.segments)
    for (const tensor of [m, v]) backend.write(tensor.view!, values.normal(elements))
  return trainable
}

for (const backend of backends) {
  test(`${backend.kind}: written, read and put back, every bit is as it was`, async () => {
    const path = join(temporaryFolder(), 'checkpoint.safetensors')
    const trained = trainableOf(backend, 1)
    const snapshot = await takeSnapshot(backend, trained)
    const best = await takeParameters(backend, trainableOf(backend, 2))
    const state = { step: 3, sampler: { epoch: 1, draws: 2 ** 40 }, best: { step: 2, score: 0.1 + 0.2 } }
    await writeCheckpoint(path, { snapshot, best, state }, 'one')
    const fresh = trainableOf(backend, 3)
    const read = await readCheckpoint(path, fresh, 'one')
    assert.equal(read.state, state)
    assert.equal(read.best, best)
    assert.not.equal(await takeSnapshot(backend, fresh), snapshot)
    putSnapshot(backend, fresh, read.snapshot)
    assert.equal(await takeSnapshot(backend, fresh), snapshot)
    for (const [name, tensor] of trained.tensors)
      assert.equal(await readTensor(backend, fresh.tensors.get(name)!), await readTensor(backend, tensor), name)
    putParameters(backend, fresh, best)
    assert.equal(await takeSnapshot(backend, fresh), { ...snapshot, parameters: best })
    for (const each of [trained, fresh]) freeTrainable(backend, each)
  })
}

test('without a best score there are no best parameters', async () => {
  const [backend] = backends
  const path = join(temporaryFolder(), 'checkpoint.safetensors')
  const trainable = trainableOf(backend!, 1)
  await writeCheckpoint(path, { snapshot: await takeSnapshot(backend!, trainable), state: {} }, 'one')
  assert.not.ok('best' in (await readCheckpoint(path, trainable, 'one')))
})

test('another run, another model, another file, half a file: refused with what was expected', async () => {
  const [backend] = backends
  const folder = temporaryFolder()
  const path = join(folder, 'checkpoint.safetensors')
  const trainable = trainableOf(backend!, 1)
  await writeCheckpoint(path, { snapshot: await takeSnapshot(backend!, trainable), state: { step: 1 } }, 'one')
  assert.match(
    await failure(readCheckpoint(path, trainable, 'two')),
    /belongs to a run with other settings or data \(one, now two\); resume with the recipe that began it/,
  )
  assert.match(
    await failure(readCheckpoint(path, trainableOf(backend!, 1, 30), 'one')),
    /0\.parameters has 192 values, expected 320/,
  )
  const weights = join(folder, 'model.safetensors')
  await writeSafetensors(weights, [], { format: 'pt' })
  assert.match(
    await failure(readCheckpoint(weights, trainable, 'one')),
    /is a "pt", expected "wgpu-retrieve checkpoint/,
  )
  writeFileSync(path, readFileSync(path).subarray(0, 2000))
  assert.match(await failure(readCheckpoint(path, trainable, 'one')), /cut short|beyond|ends at/)
  assert.match(
    await failure(readCheckpoint(join(folder, 'none'), trainable, 'one')),
    /cannot open .*none: no such file/,
  )
})
test.run()
