// A study's dry run: every cell with its state, impossible ones named, what each will hold; one cell of each kind gone through; nothing begun.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { exists } from '../../src/runtime/files.js'
import { dryStudy } from '../../src/study/dry.js'
import { loadStudy } from '../../src/study/load.js'
import { runStudy } from '../../src/study/run.js'
import { attempt } from '../support/cli.js'
import { folderWith } from '../support/temporary.js'

const recipe = (grid: string) => `
name = "tiny"
backend = "wasm"
[model]
max_length = 32
random = { hidden = 16, layers = 1, heads = 2, max_positions = 48, seed = 1 }
[data]
tests = [{ path = "builtin:primer/law" }]
[train]
epochs = 1
batch_size = 8
accumulation = 1
similarity = "cosine"
temperature = 0.05
learning_rate = 1e-2
[lora]
rank = 2
[[settings]]
when = { architecture = "late_interaction" }
model = { projection = 8, query_length = 12 }
train = { similarity = "l2" }
${grid}`

const law = 'sets = ["builtin:primer/law"]'
const whole = `[[grid]]\n${law}\narchitectures = ["asymmetric", "symmetric", "late_interaction"]\nmethods = ["full", "lora"]\nseeds = [1, 2]\n`

async function studyOf(grid: string) {
  const out = folderWith({ 'tiny.toml': recipe(grid) })
  return { ...(await loadStudy(join(out, 'tiny.toml')))!, out }
}

test('a cell of each architecture and method is gone through, all are planned, and no folder is made', async () => {
  const study = await studyOf(whole)
  const said: string[] = []
  const { cells, tried } = await dryStudy(study, { rate: 1e9 }, { say: line => said.push(line) })
  assert.is(cells.length, 12)
  assert.equal(
    tried.map(key => key.split('.').slice(2, 4).join(' ')),
    ['asymmetric', 'symmetric', 'late_interaction'].flatMap(each => [`${each} full`, `${each} lora`]),
  )
  for (const { key, state, bytes, seconds } of cells) {
    assert.is(state, 'to do', key)
    assert.ok(bytes! > 1e4 && seconds! > 0, `${key}: ${bytes} B, ${seconds} s`)
  }
  const bytesOf = (kind: string) => cells.find(({ key }) => key.includes(`.${kind}.`))!.bytes!
  // Two encoders trained in full are held twice, beneath two adapters the frozen one is held once.
  assert.ok(bytesOf('asymmetric.full') > 1.4 * bytesOf('symmetric.full'))
  assert.ok(bytesOf('asymmetric.lora') < 1.2 * bytesOf('symmetric.lora'))
  assert.match(said.at(-1)!, /went through 6 cells/)
  assert.equal(readdirSync(study.out), ['tiny.toml'])
})

test('what is planned is what a run holds and takes: its peak, its steps', async () => {
  const study = await studyOf(
    `[[grid]]\n${law}\narchitectures = ["asymmetric", "late_interaction"]\nmethods = ["full", "lora"]\n`,
  )
  const { cells: planned } = await dryStudy(study, { rate: 1e9 })
  const { cells, folder } = await runStudy(study)
  for (const [i, { key, peak_bytes: peak }] of cells.entries()) {
    // Planned for texts as long as they may be.
    const { bytes } = planned[i]!
    assert.ok(bytes! > 0.9 * peak && bytes! < 3 * peak, `${key}: planned ${bytes}, held ${peak}`)
  }
  const before = readFileSync(join(folder, 'results.json'), 'utf8')
  const { cells: again, tried } = await dryStudy(study, { rate: 1e9 })
  assert.equal(tried, [])
  assert.equal(
    again.map(({ state, bytes }) => [state, bytes]),
    cells.map(({ peak_bytes: peak }) => ['done', peak]),
  )
  assert.is(readFileSync(join(folder, 'results.json'), 'utf8'), before)
})

test('on the command line: impossible cells by name, the others on request; data that is not here yet', async () => {
  const folder = folderWith({
    'odd.toml': recipe(
      `[[grid]]\nsets = ["builtin:primer/law", "not-here"]\nmethods = ["lora"]\n[[grid]]\n${law}\nmethods = ["full"]\narchitectures = ["late_interaction"]\n`,
    ).replace('similarity = "l2"', 'similarity = "dot"'),
  })
  const words = ['run', join(folder, 'odd.toml'), '--out', join(folder, 'runs'), '--dry-run', '--quiet']
  const failed = await attempt(...words)
  assert.is(failed.code, 1)
  assert.match(failed.stderr, /1 of 3 cells are impossible[\s\S]*late_interaction.full.none.1B.s42: train.similarity/)
  assert.match(failed.stdout, /\.not-here\..*to do .*not here yet: .*not-here/)
  assert.match(failed.stdout, /impossible .* train.similarity/)
  assert.match(failed.stdout, /3 cells: 0 done, 2 to do, 1 impossible/)
  const kept = await attempt(...words, '--keep-going', '--json')
  assert.is(kept.code, 0, kept.stderr)
  const { tried, cells } = JSON.parse(kept.stdout)
  assert.is(tried.length, 1)
  assert.equal(
    cells.map(({ state }: { state: string }) => state),
    ['to do', 'to do', 'impossible'],
  )
  assert.not.ok(await exists(join(folder, 'runs')))
})

test.run()
