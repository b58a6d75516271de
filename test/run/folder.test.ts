// A run's folder: never one that is there, and found again where the run did not end.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { newRunFolder, unfinishedRunFolder } from '../../src/run/folder.js'
import { failure, folderWith, temporaryFolder } from '../support/temporary.js'

test('a second run of a name gets a folder of its own, also where both begin at once', async () => {
  const out = join(temporaryFolder(), 'not', 'there')
  assert.is((await newRunFolder(out, 'a')).path, join(out, 'a'))
  const names = await Promise.all([1, 2, 3].map(async () => (await newRunFolder(out, 'a')).path))
  assert.equal(names.sort(), [join(out, 'a-2'), join(out, 'a-3'), join(out, 'a-4')])
  const { recipe, metrics, checkpoint } = await newRunFolder(out, 'b')
  assert.equal(
    [recipe, metrics, checkpoint].map(path => path.startsWith(join(out, 'b'))),
    [true, true, true],
  )
})

test('the latest run with a checkpoint and without an end is the one to resume', async () => {
  const checkpoint = 'checkpoint.safetensors'
  const out = folderWith({
    [`a/${checkpoint}`]: '',
    [`a-2/${checkpoint}`]: '',
    'a-2/metrics.json': '{}',
    'a-3/recipe.toml': '',
    [`a-10/${checkpoint}`]: '',
    [`a-b/${checkpoint}`]: '',
    [`ab/${checkpoint}`]: '',
  })
  assert.is((await unfinishedRunFolder(out, 'a')).path, join(out, 'a-10'), 'by number, not by letters')
  writeFileSync(join(out, 'a-10', 'metrics.json'), '{}')
  assert.is((await unfinishedRunFolder(out, 'a')).path, join(out, 'a'))
  writeFileSync(join(out, 'a', 'metrics.json'), '{}')
  assert.match(await failure(unfinishedRunFolder(out, 'a')), /nothing to resume: a-10, a-3, a-2, a ended or left no/)
})

test('nothing to resume: says what there is', async () => {
  const out = temporaryFolder()
  assert.match(
    await failure(unfinishedRunFolder(out, 'a')),
    /nothing to resume: .* holds no run named a; start it without/,
  )
  assert.match(await failure(unfinishedRunFolder(join(out, 'none'), 'a')), /holds no run named a/)
  mkdirSync(join(out, 'a'))
  assert.match(await failure(unfinishedRunFolder(out, 'a')), /a ended or left no checkpoint/)
})
test.run()
