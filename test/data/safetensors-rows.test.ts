// A safetensors file whose rows come one after the other: the same content as one written whole, nothing where it fails.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openSafetensors } from '../../src/data/safetensors.js'
import { writeRows } from '../../src/data/safetensors-rows.js'
import { contents } from '../support/cli.js'
import { failure, temporaryFolder } from '../support/temporary.js'

const vectors = { name: 'embeddings', width: 3 }
const piece = (first: number, rows: number) => Float32Array.from({ length: 3 * rows }, (_, i) => first + i)

test('rows of several pieces and what stands behind them', async () => {
  const path = join(temporaryFolder(), 'deep/v.safetensors')
  await writeRows(path, vectors, async append => {
    await append(piece(0, 2))
    await append(piece(6, 0))
    await append(piece(6, 5))
    return { name: 'offsets', data: Int32Array.of(0, 4, 7) }
  })
  const file = await openSafetensors(path)
  assert.equal([...file.tensors.keys()], ['embeddings', 'offsets'])
  assert.equal(file.tensors.get('embeddings')!.shape, [7, 3])
  assert.equal(await file.readF32('embeddings'), piece(0, 7))
  assert.equal(await file.readI32('offsets'), Int32Array.of(0, 4, 7))
  assert.equal(file.metadata, { format: 'pt' })
  await file.close()
})

test('no rows are a tensor without rows', async () => {
  const path = join(temporaryFolder(), 'v.safetensors')
  await writeRows(path, vectors, async () => undefined)
  const file = await openSafetensors(path)
  assert.equal(file.tensors.get('embeddings')!.shape, [0, 3])
  await file.close()
})

test('standard output has the same bytes as a file', async () => {
  const path = join(temporaryFolder(), 'v.safetensors')
  const fill = async (append: (rows: Float32Array) => Promise<void>) => {
    await append(piece(0, 2))
    await append(piece(6, 1))
    return undefined
  }
  await writeRows(path, vectors, fill)
  const write = process.stdout.write
  const out: Buffer[] = []
  process.stdout.write = (chunk: Uint8Array | string, ...rest: unknown[]) => {
    out.push(Buffer.from(chunk as Uint8Array))
    ;(rest.at(-1) as () => void)()
    return true
  }
  try {
    await writeRows('-', vectors, fill)
  } finally {
    process.stdout.write = write
  }
  assert.equal(Buffer.concat(out), readFileSync(path))
})

test('what fails in the middle leaves neither a file nor the folders made for it', async () => {
  const folder = temporaryFolder()
  const fails = writeRows(join(folder, 'a/b/v.safetensors'), vectors, async append => {
    await append(piece(0, 2))
    assert.is(contents(join(folder, 'a/b')).length, 1)
    throw new Error('the device is gone')
  })
  assert.match(await failure(fails), /the device is gone/)
  assert.equal(contents(folder), [])
})

test.run()
