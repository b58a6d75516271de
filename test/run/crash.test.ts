// Runs that are killed and resumed, a few times only (npm run test:crash does it often), and processes that want one run's folder at the same moment.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { newRunFolder, unfinishedRunFolder } from '../../src/run/folder.js'
import { removeLeftovers, writeFileWith } from '../../src/runtime/write.js'
import { attempt, contents, refused, smallRecipe, start } from '../support/cli.js'
import { failure, folderWith, temporaryFolder } from '../support/temporary.js'

const source = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

function output(child: ChildProcess): Promise<{ code: number | null; text: string }> {
  let text = ''
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', chunk => {
      text += chunk
    })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => resolve({ code, text }))
  })
}

test('runs that are killed and resumed end in the bits of one that was not', async () => {
  const words = ['--import', import.meta.resolve('tsx'), source('scripts/crash.ts'), '--kills', '3', '--seed', '3']
  const { code, text } = await output(spawn(process.execPath, words))
  assert.is(code, 0, text)
  assert.match(text, /\n3 kills \(\d in the middle of a file\), \d runs?, all equal\n$/)
})

test('of several processes that go on from a killed run at once, one holds it, and the others name that one', async () => {
  const out = folderWith({ 'a/recipe.toml': '', 'a/running': '999999999\n' })
  const at = Date.now() + 1500 // when all are up
  const script = `
import { unfinishedRunFolder } from ${JSON.stringify(source('src/run/folder.ts'))}
while (Date.now() < ${at});
await unfinishedRunFolder(${JSON.stringify(out)}, 'a').then(() => console.log('holds', process.pid), error => console.log(error.message))
process.stdin.resume()
process.stdin.on('end', () => process.exit())
`
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script]),
  )
  // Each stays until all have spoken.
  const all = children.map(output)
  await Promise.all(children.map(child => new Promise(resolve => child.stdout.once('data', resolve))))
  for (const child of children) child.stdin.end()
  const said = (await Promise.all(all)).map(({ text }) => text.trimEnd())
  const winner = said.flatMap(line => /^holds (\d+)$/.exec(line)?.[1] ?? [])
  assert.is(winner.length, 1, said.join('\n'))
  const refused = said.filter(line =>
    line.includes(`a is being worked on by process ${winner[0]}; wait for it or stop`),
  )
  assert.is(refused.length, 3, said.join('\n'))
  assert.equal(contents(join(out, 'a')), ['recipe.toml', 'running-2'])
  assert.is(readFileSync(join(out, 'a', 'running-2'), 'utf8'), `${winner[0]}\n`)
})

test('two runs of one name at the same moment: each in a folder of its own', async () => {
  const { recipe, runs } = smallRecipe()
  const both = await Promise.all([start(['run', recipe]), start(['run', recipe])])
  for (const { code, stderr } of both) assert.is(code, 0, stderr)
  assert.equal(contents(runs), ['small', 'small-2'])
  const model = (name: string) => readFileSync(join(runs, name, 'model/model.safetensors'))
  assert.equal(model('small'), model('small-2'))
  for (const name of ['small', 'small-2'])
    assert.equal(contents(join(runs, name)), [
      ...['log.jsonl', 'metrics.json', 'model', 'recipe.toml', 'report.html', 'runs', 'training.json'],
    ])
})

test('a run that was killed after its last file has ended; its lock goes', async () => {
  const out = folderWith({ 'a/recipe.toml': '', 'a/metrics.json': '{}', 'a/running': '999999999\n' })
  assert.match(await failure(unfinishedRunFolder(out, 'a')), /nothing to resume: a ended/)
  assert.equal(contents(join(out, 'a')), ['metrics.json', 'recipe.toml'])
})

test('killed between the training record and the end of its checkpoint: neither that nor a warning is lost', async () => {
  const { recipe, runs } = smallRecipe()
  const folder = join(runs, 'small')
  const words = [
    ...['run', recipe, '--json', '--set', 'data.dev=[{path="builtin:primer/music"}]', 'train.eval_every=1'],
    ...['train.learning_rate=0.1', 'train.early_stopping={patience=1}'],
  ]
  assert.is((await attempt(...words)).code, 0)
  const metrics = () => JSON.parse(readFileSync(join(folder, 'metrics.json'), 'utf8'))
  const { training, warnings, per_query } = metrics()
  assert.match(warnings.join(), /stopped early after step/)
  mkdirSync(join(folder, '.model.1.2.part'))
  for (const name of ['checkpoint.safetensors', `.log.jsonl.${process.pid}.999.part`, '.log.jsonl.1.0.part'])
    writeFileSync(join(folder, name), 'left')
  rmSync(join(folder, 'metrics.json'))
  assert.is((await attempt(...words, '--resume')).code, 0)
  assert.equal(metrics().warnings, warnings)
  assert.equal([metrics().training, metrics().per_query], [training, per_query])
  assert.equal(contents(folder), [
    ...['log.jsonl', 'metrics.json', 'model', 'recipe.toml', 'report.html', 'runs', 'training.json'],
  ])
})

test('leftovers go whoever has their number now; what is being written stays', async () => {
  const folder = folderWith({ '.a.1.0.part': '', [`.a.${process.pid}.999.part`]: '', '.a.7.0.part.old/x': '', b: '' })
  await writeFileWith(join(folder, 'c'), async append => {
    await removeLeftovers(folder)
    await append('whole')
  })
  assert.equal(contents(folder), ['b', 'c'])
})

test('a run whose log lost its end says so', async () => {
  const { recipe, runs } = smallRecipe()
  const stopped = await attempt('run', recipe, '--set', 'train.learning_rate=1e30', 'train.checkpoint_every=1')
  assert.is(stopped.code, 1)
  const log = join(runs, 'small/log.jsonl')
  const steps = readFileSync(log, 'utf8').split('\n').length - 1
  writeFileSync(log, '')
  const resumed = await attempt(
    ...['run', recipe, '--set', 'train.learning_rate=1e30', 'train.checkpoint_every=1', '--resume'],
  )
  assert.match(resumed.stderr, new RegExp(`log.jsonl lacks ${steps} of the ${steps} steps before the checkpoint`))
})

test('a checkpoint that is of another format or damaged is refused with what to do, and not recommended', async () => {
  const { recipe, runs } = smallRecipe()
  const words = ['run', recipe, '--set', 'train.learning_rate=1e30', 'train.checkpoint_every=1']
  assert.is((await attempt(...words)).code, 1)
  const path = join(runs, 'small/checkpoint.safetensors')
  const good = readFileSync(path, 'latin1')
  writeFileSync(path, good.replace('retrieve checkpoint 2', 'retrieve checkpoint 0'), 'latin1')
  const old = await attempt(...words, '--resume')
  refused(old, 1, /is a "wgpu-retrieve checkpoint 0", expected .*; start the run anew under another name\n$/)
  writeFileSync(path, good.slice(0, -100), 'latin1')
  const cut = await attempt(...words, '--resume')
  refused(cut, 1, /is damaged: .* the file is cut short; remove it, and --resume trains from the start\n$/)
})

test('a new folder is held before anything is in it', async () => {
  const { path } = await newRunFolder(temporaryFolder(), 'a')
  assert.equal(contents(path), ['running'])
})
test.run()
