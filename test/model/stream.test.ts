// Weights streamed into a backend: every byte once, a block at a time, and the values those of the file, frozen and trained, f32 and 16 bits.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openSafetensors, writeSafetensors } from '../../src/data/safetensors.js'
import { openModelFolder } from '../../src/model/folder.js'
import { loadEncoder, type Method, type WeightSource } from '../../src/model/load.js'
import { backendsPresent } from '../support/present.js'
import { folderWith, temporaryFolder } from '../support/temporary.js'
import { tinyConfig, tinyFolder, tinyJson, tinyTensors } from '../support/tiny-bert.js'
import { seededValues } from '../support/values.js'

const MEBIBYTE = 1 << 20
const settings = { pooling: ['mean'], normalize: true } as const

test('blocks are the tensor’s bytes in order, none larger than 4 MiB', async () => {
  const path = `${temporaryFolder()}/some.safetensors`
  const sizes = { none: 0, small: 3, exact: MEBIBYTE, two: MEBIBYTE + 1, many: 3 * MEBIBYTE + 7 }
  const values = seededValues(1)
  await writeSafetensors(
    path,
    Object.entries(sizes).map(([name, count]) => {
      const data = Float32Array.from(values.integers(count, 1000))
      return { name, dtype: 'F32' as const, shape: [count], data }
    }),
  )
  const file = await openSafetensors(path)
  for (const [name, count] of Object.entries(sizes)) {
    const found: Uint8Array[] = []
    for await (const block of file.blocks(name)) {
      assert.ok(block.length <= 4 * MEBIBYTE && block.length % 4 === 0)
      found.push(block.slice()) // its memory is used again
    }
    assert.is(found.length, Math.ceil(count / MEBIBYTE), name)
    assert.ok(Buffer.concat(found).equals(Buffer.from(await file.readBytes(name))), name)
  }
  await file.close()
})

/** A source that counts what is read of it. */
function watched(source: WeightSource) {
  const seen = { bytes: new Map<string, number>(), largest: 0, whole: 0 }
  const counting: WeightSource = {
    ...source,
    readTensor(name) {
      seen.whole++
      return source.readTensor(name)
    },
    stored(name) {
      const { dtype, blocks } = source.stored!(name)!
      async function* counted() {
        for await (const block of blocks()) {
          seen.bytes.set(name, (seen.bytes.get(name) ?? 0) + block.length)
          seen.largest = Math.max(seen.largest, block.length)
          yield block
        }
      }
      return { dtype, blocks: counted }
    },
  }
  return { source: counting, seen }
}

const wide = { ...tinyJson, vocab_size: 400_000 } // a table of 9.6 MB: three blocks
const wideConfig = { ...tinyConfig, vocabulary: 400_000 }

for (const backend of await backendsPresent())
  for (const kind of ['frozen', 'full'] as const)
    test(`${backend.kind}, ${kind}: each byte is read once, and never a whole table`, async () => {
      const tensors = tinyTensors(wideConfig)
      const folder = await openModelFolder(await tinyFolder({}, tensors, wide))
      const { source, seen } = watched(folder)
      const loaded = await loadEncoder(backend, source, settings, { kind } as Method)
      for (const { name, data } of tensors) {
        assert.is(seen.bytes.get(name), data.byteLength, name)
        assert.equal(await loaded.readWeight(name), data, name)
      }
      assert.is(seen.whole, 0)
      assert.ok(seen.largest <= 4 * MEBIBYTE)
      loaded.release()
      await folder.close()
    })

for (const backend of await backendsPresent())
  test(`${backend.kind}: 16-bit files are widened exactly`, async () => {
    for (const dtype of ['F16', 'BF16'] as const) {
      const folder = folderWith({ 'config.json': JSON.stringify(tinyJson) })
      const values = seededValues(2)
      const tensors = tinyTensors().map(({ name, shape, data }) => {
        // Exponents of ordinary numbers, any mantissa.
        const bits = Uint16Array.from(values.integers(data.length, 1 << 14), word => 0x2000 + word)
        return { name, shape, dtype, data: bits }
      })
      await writeSafetensors(`${folder}/model.safetensors`, tensors)
      const opened = await openModelFolder(folder)
      const loaded = await loadEncoder(backend, opened, settings, { kind: 'frozen' })
      for (const { name } of tensors) assert.equal(await loaded.readWeight(name), await opened.readTensor(name), name)
      loaded.release()
      await opened.close()
    }
  })

test.run()
