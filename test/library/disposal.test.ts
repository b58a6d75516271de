// What is opened is closed where a block with `using` ends, also by an error; a program that opened everything ends by itself.
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  createTextIndex,
  createVectorIndex,
  loadEncoder,
  openBackend,
  openSafetensors,
  trainEncoder,
} from '../../src/index.js'
import { counted } from '../support/counted.js'
import { documents, pairs, smallModel } from '../support/library.js'
import { backendsPresent } from '../support/present.js'
import { failure, folderWith } from '../support/temporary.js'

const files = await smallModel()
const texts = Object.values(documents)

for (const backend of await backendsPresent()) {
  test(`encoder, trained encoder and index, on ${backend.kind}; the backend that was given stays open`, async () => {
    const { backend: counting, held } = counted(backend)
    const opened = async () => {
      await using encoder = await loadEncoder(files, { backend: counting })
      await using trained = await trainEncoder(encoder, pairs, { steps: 1, batch_size: 3 })
      using index = await createTextIndex(trained, texts)
      assert.is((await index.search('tides', { k: 1 })).length, 1)
      return { encoder, trained, index }
    }
    const { encoder, trained, index } = await opened()
    assert.match(await failure(encoder.encode(texts)), 'the encoder is closed: load it again with loadEncoder()')
    assert.match(await failure(trained.encode(texts)), 'the encoder is closed')
    assert.match(await failure(index.search('tides')), 'the index is closed: make it again with createTextIndex()')
    assert.is(held.size, 0, `${held.size} pieces of memory are held`)
    // Twice is once.
    await encoder.close()
    index.close()
    backend.free(backend.allocate(4, 'open still'))
  })

  test(`an index of vectors, closed by an error too, on ${backend.kind}`, async () => {
    const vectors = Float32Array.of(1, 0, 0, 1)
    let left: ReturnType<typeof createVectorIndex> | undefined
    const failing = async () => {
      using index = createVectorIndex(backend, vectors, 2)
      left = index
      const { rows } = await index.search(Float32Array.of(0, 1), { k: 1 })
      throw new Error(`found ${rows[0]}`)
    }
    assert.is(await failure(failing()), 'found 1')
    assert.match(await failure(left!.search(vectors, { k: 1 })), 'the index was released')
  })
}

for (const { kind } of await backendsPresent())
  test(`in any order, on ${kind}: what is closed behind its backend has nothing left to free`, async () => {
    const encoder = await loadEncoder(files, { backend: kind, threads: 1 })
    const index = await createTextIndex(encoder, texts)
    await encoder.close()
    index.close()
    const backend = await openBackend({ backend: kind, threads: 1 })
    const given = await loadEncoder(files, { backend })
    assert.is((await given.encode(texts)).length, texts.length * given.dimensions)
    const vectors = createVectorIndex(backend, new Float32Array(8), 2)
    backend.close()
    backend.close()
    vectors.release()
    assert.match(await failure(given.encode(texts)), /closed/)
    await given.close()
  })

test('a backend and a safetensors file', async () => {
  const opened = async () => {
    using backend = await openBackend({ backend: 'wasm', threads: 2 })
    backend.free(backend.allocate(4, 'open'))
    await using file = await openSafetensors(`${folderWith(files)}/model.safetensors`)
    assert.ok((await file.readF32('embeddings.word_embeddings.weight')).length > 0)
    return { backend, file }
  }
  const { backend, file } = await opened()
  assert.throws(() => backend.allocate(4, 'closed'), /closed/)
  assert.match(await failure(file.readF32('embeddings.word_embeddings.weight')), /closed/)
})

test('nothing is left running once all is closed', () => {
  const code = `
    import { createTextIndex, loadEncoder, openBackend, trainEncoder } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)}
    const encoder = await loadEncoder(process.argv[1], { backend: 'wasm', threads: 2 })
    const pairs = [1, 2, 3].map(i => ({ query: 'a' + i, positives: ['b' + i] }))
    const trained = await trainEncoder(encoder, pairs, { steps: 1, batch_size: 3 })
    const index = await createTextIndex(trained, ['a', 'b'])
    const backend = await openBackend({ backend: 'wasm', threads: 2 })
    for (const each of [backend, index, trained, encoder]) await each.close()
    await new Promise(resolve => setTimeout(resolve, 50))
    console.log(JSON.stringify(process.getActiveResourcesInfo().filter(name => /Timeout|Worker|TCP|MessagePort/.test(name))))`
  const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', code, folderWith(files)]
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 })
  assert.is(status, 0, stderr)
  assert.is(stdout.trim(), '[]')
})

test.run()
