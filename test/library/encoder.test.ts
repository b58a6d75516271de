import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadEncoder, saveEncoder, trainEncoder } from '../../src/index.js'
import { asyncDisposeKey, disposeKey } from '../../src/library/disposal.js'
import { COMMIT, cachedModel } from '../support/hub.js'
import { documents, pairs, smallModel } from '../support/library.js'
import { backendsPresent } from '../support/present.js'
import { needs } from '../support/shared.js'
import { failure, folderWith, temporaryFolder } from '../support/temporary.js'

const files = await smallModel()
const texts = Object.values(documents)
const backends = await backendsPresent()
const [wasm] = backends

/** `answer`: what stands for a file; undefined is a 404. */
async function served<T>(
  answer: (name: string) => { body: Uint8Array | string; headers?: Record<string, string> } | undefined,
  use: (address: string, asked: string[]) => Promise<T>,
): Promise<T> {
  const asked: string[] = []
  const server: Server = createServer((request, response) => {
    const name = decodeURIComponent(request.url!.replace('/models/small/', ''))
    asked.push(name)
    const found = answer(name)
    response.writeHead(found ? 200 : 404, { 'content-length': found?.body.length ?? 0, ...found?.headers })
    response.end(found?.body)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/models/small`, asked)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('a folder, an address and the files themselves give the same vectors, on every backend', async () => {
  const folder = folderWith(files)
  for (const backend of backends) {
    const fromFiles = await loadEncoder(files, { backend })
    const expected = await fromFiles.encode(texts)
    assert.is(expected.length, texts.length * fromFiles.dimensions)
    const length = Math.hypot(...expected.subarray(0, fromFiles.dimensions))
    assert.ok(Math.abs(length - 1) < 1e-5, `length ${length}`)
    await served(
      name => files[name] && { body: files[name] },
      async address => {
        const seen: number[] = []
        const onFetch = ({ file, bytes, total }: { file: string; bytes: number; total: number }) => {
          if (file === 'model.safetensors') seen.push(bytes / total)
        }
        for (const location of [folder, address, new URL(address), new URL(`file://${folder}`)]) {
          const encoder = await loadEncoder(location, { backend, onFetch })
          assert.equal(await encoder.encode(texts), expected, String(location))
          await encoder.close()
        }
        assert.is(seen.at(-1), 1)
      },
    )
    await fromFiles.close()
  }
})

test('a name of the Hub, from its cache; adapters name it, and find it', async () => {
  const before = { ...process.env }
  Object.assign(process.env, cachedModel('org/name', files))
  try {
    for (const name of ['org/name', 'hub:org/name@main']) {
      await using encoder = await loadEncoder(name, { backend: wasm! })
      await using trained = await trainEncoder(encoder, pairs, { steps: 1, batch_size: 3 })
      const folder = join(temporaryFolder(), 'adapter')
      await saveEncoder(trained, folder)
      const config = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'))
      assert.equal([config.base_model_name_or_path, config.revision], ['org/name', COMMIT])
      await using again = await loadEncoder(folder, { backend: wasm! })
      assert.equal(await again.encode(texts), await trained.encode(texts))
    }
    assert.match(await failure(loadEncoder('hub:org', { backend: wasm! })), 'expected hub:org/name')
    assert.match(await failure(loadEncoder('org/other', { backend: wasm! })), 'org/other@main is not in the cache')
  } finally {
    process.env = before
  }
})

test('vectors are those of sentence-transformers', async () => {
  const path = needs('models/all-MiniLM-L6-v2')
  if (!path) return
  const encoder = await loadEncoder(path, { backend: wasm! })
  const [a, b, c] = await Promise.all(
    ['The cat sat on the mat.', 'A cat was sitting on a rug.', 'Interest rates rose.'].map(text =>
      encoder.encode([text]),
    ),
  )
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0)
  assert.ok(dot(a!, b!) > 0.6 && dot(a!, c!) < 0.2, `${dot(a!, b!)} ${dot(a!, c!)}`)
  await encoder.close()
})

test('calls that overlap do not disturb each other; progress ends at the total', async () => {
  const encoder = await loadEncoder(files, { backend: wasm! })
  const expected = await encoder.encode(texts)
  const seen: { texts: number; total: number; tokens: number }[] = []
  const [all, first] = await Promise.all([
    encoder.encode(texts, { onProgress: done => seen.push(done) }),
    encoder.encode(texts.slice(0, 1)),
  ])
  assert.equal(all, expected)
  assert.ok(first!.every((value, i) => Math.abs(value - expected[i]!) < 1e-6))
  assert.is(seen.at(-1)!.texts, texts.length)
  assert.is(seen.at(-1)!.total, texts.length)
  assert.equal(await encoder.encode([]), new Float32Array())
  await encoder.close()
})

test('an aborted encoding rejects with the reason, and the next one works', async () => {
  const encoder = await loadEncoder(files, { backend: wasm! })
  const controller = new AbortController()
  const many = Array.from({ length: 9000 }, (_, i) => `${texts[i % texts.length]} ${i}`)
  const stopped = encoder.encode(many, {
    signal: controller.signal,
    onProgress: () => controller.abort(new Error('enough')),
  })
  assert.is(await failure(stopped), 'enough')
  assert.is((await encoder.encode(texts)).length, texts.length * encoder.dimensions)
  const before = AbortSignal.abort(new Error('too early'))
  assert.is(await failure(loadEncoder(files, { signal: before })), 'too early')
  await encoder.close()
})

test('using closes; what is closed says so; a backend that was given stays open', async () => {
  const backend = wasm!
  const encoder = await loadEncoder(files, { backend })
  await encoder[asyncDisposeKey]()
  assert.match(await failure(encoder.encode(texts)), 'the encoder is closed')
  const other = await loadEncoder(files, { backend })
  other[disposeKey]()
  await other.close()
  backend.free(backend.allocate(4, 'open still'))
  const own = await loadEncoder(files, { backend: 'wasm', threads: 1 })
  const { backend: opened } = own.parts
  await own.close()
  assert.throws(() => opened.allocate(4, 'closed'), /closed/)
})

test('what is missing, cut short, refused or no model is named', async () => {
  const { 'model.safetensors': weights, ...rest } = files
  const load = (location: Parameters<typeof loadEncoder>[0]) => failure(loadEncoder(location, { backend: wasm! }))
  assert.match(await load(rest), 'has no weights')
  assert.match(await load({}), 'it has no config.json')
  assert.match(await load({ ...files, 'model.safetensors': weights!.slice(0, 5000) }), /model.safetensors/)
  await served(
    name => rest[name] && { body: rest[name] },
    async address => assert.match(await load(address), `${address} has no weights`),
  )
  // A server that answers every address with its page.
  await served(
    () => ({ body: '<html>', headers: { 'content-type': 'text/html; charset=utf-8' } }),
    async address => assert.match(await load(address), 'it has no config.json'),
  )
  await served(
    name =>
      files[name] && {
        body: files[name],
        ...(name === 'model.safetensors' && { headers: { 'content-length': '99999999' } }),
      },
    async address => assert.match(await load(address), /model.safetensors/),
  )
  assert.match(await load('http://127.0.0.1:9/none'), 'cannot fetch http://127.0.0.1:9/none/')
})

test('a model larger than there is room for is refused before its weights are fetched', async () => {
  const config = JSON.parse(new TextDecoder().decode(files['config.json']))
  const vocab_size = 40_000_000
  const header = JSON.stringify({
    'embeddings.word_embeddings.weight': { dtype: 'F32', shape: [vocab_size, 32], data_offsets: [0, vocab_size * 128] },
  })
  const start = new Uint8Array(8 + header.length)
  new DataView(start.buffer).setBigUint64(0, BigInt(header.length), true)
  start.set(new TextEncoder().encode(header), 8)
  const { addressVolume } = await import('../../src/runtime/address.js')
  await served(
    name => {
      if (!name.endsWith('model.safetensors')) return undefined
      return { body: start, headers: { 'content-length': String(5 * 2 ** 30) } }
    },
    async address => {
      const volume = addressVolume(address, { maximumBytes: 2 ** 32 })
      const refused = await failure(volume.open('model.safetensors', address))
      assert.match(refused, '5.00 GiB, more than the 4.00 GiB that there is room for here')
      // Shards count together: the second is over.
      const shards = addressVolume(address, { maximumBytes: 9 * 2 ** 30 })
      await shards.open('model.safetensors', address)
      const second = await failure(shards.open('two/model.safetensors', address))
      assert.match(second, "5.00 GiB, with the model's other files 10.00 GiB, more than the 9.00 GiB")
      shards.unmount!()
    },
  )
  assert.is(config.hidden_size, 32)
})

test.run()
