// A run's folder: never one that is there, and found again where the run did not end.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkSameRecipe, letGo, newRunFolder, unfinishedRunFolder } from '../../src/run/folder.js'
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

test('the latest run that did not end is the one to resume', async () => {
  const out = folderWith({
    'a/recipe.toml': '',
    'a-2/recipe.toml': '',
    'a-2/metrics.json': '{}',
    'a-3/log.jsonl': '',
    'a-10/recipe.toml': '',
    'a-b/recipe.toml': '',
    'ab/recipe.toml': '',
  })
  assert.is((await unfinishedRunFolder(out, 'a')).path, join(out, 'a-10'), 'by number, not by letters')
  writeFileSync(join(out, 'a-10', 'metrics.json'), '{}')
  assert.is((await unfinishedRunFolder(out, 'a')).path, join(out, 'a'))
  writeFileSync(join(out, 'a', 'metrics.json'), '{}')
  assert.match(await failure(unfinishedRunFolder(out, 'a')), /nothing to resume: a-10, a-3, a-2, a ended/)
})

test('nothing to resume: says what there is', async () => {
  const out = temporaryFolder()
  assert.match(
    await failure(unfinishedRunFolder(out, 'a')),
    /nothing to resume: .* holds no run named a; start it without/,
  )
  assert.match(await failure(unfinishedRunFolder(join(out, 'none'), 'a')), /holds no run named a/)
  mkdirSync(join(out, 'a'))
  assert.match(await failure(unfinishedRunFolder(out, 'a')), /a ended or never began; start it without/)
})

test('a folder belongs to one living process at a time', async () => {
  const out = temporaryFolder()
  const folder = await newRunFolder(out, 'a')
  writeFileSync(folder.recipe, '')
  assert.is((await unfinishedRunFolder(out, 'a')).path, folder.path, 'its own')
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'])
  writeFileSync(folder.lock, `${child.pid}\n`)
  assert.match(
    await failure(unfinishedRunFolder(out, 'a')),
    new RegExp(`is being worked on by process ${child.pid}; wait for it or stop it`),
  )
  child.kill('SIGKILL')
  await new Promise(resolve => child.on('close', resolve))
  assert.is((await unfinishedRunFolder(out, 'a')).path, folder.path, 'left by one that was killed')
  writeFileSync(folder.lock, '')
  assert.is((await unfinishedRunFolder(out, 'a')).path, folder.path, 'killed while it wrote its number')
  await letGo(folder)
  assert.not.ok(existsSync(folder.lock))
})

test('what may differ when a run goes on, and what may not', () => {
  const saved = 'seed = 1\nthreads = 4\n[train]\nsteps = 3\n'
  checkSameRecipe(saved, 'seed = 1\nname = "other"\n[train]\nsteps = 3\n', 'runs/a')
  assert.throws(
    () => checkSameRecipe(saved, 'seed = 2\n[train]\nsteps = 4\n', 'runs/a'),
    /runs\/a belongs to a run with other settings \(\[seed\], \[train\] differ\); resume with the recipe/,
  )
})
test.run()
