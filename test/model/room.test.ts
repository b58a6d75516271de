// A model that is larger than the backend's memory is refused before any of its weights is read.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { loadEncoder, type Method } from '../../src/model/load.js'
import { expectedTensors } from '../../src/model/tensors.js'
import { failure } from '../support/temporary.js'
import { tinyConfig } from '../support/tiny-bert.js'

const config = { ...tinyConfig, vocabulary: 1_000_000, hidden: 288 }
let reads = 0
const source = {
  config,
  expected: expectedTensors(config),
  async readTensor() {
    reads++
    throw new Error('a weight was read')
  },
}

test('more than wasm can hold is refused with the figure, what fits is read', async () => {
  const backend = await createWasmBackend({ threads: 1 })
  const load = (method: Method) => failure(loadEncoder(backend, source, { pooling: ['mean'], normalize: true }, method))
  assert.match(
    await load({ kind: 'full' }),
    /288,\d{3},\d{3} weights take 4\.3\d GiB to train, but the wasm backend has 4\.00 GiB at most; use --backend webgpu/,
  )
  assert.is(reads, 0)
  assert.match(await load({ kind: 'frozen' }), /a weight was read/)
  backend.close()
})

test.run()
