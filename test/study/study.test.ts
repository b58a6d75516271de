// A study from its file to its report: cells expanded and named, impossible ones found first, none run twice, interrupted ones resumed, figures reused;
// tables by hand-made figures.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { exists, removeFolder } from '../../src/runtime/files.js'
import { writeFile } from '../../src/runtime/write.js'
import { cellIdentity, expandGrid } from '../../src/study/grid.js'
import { loadStudy } from '../../src/study/load.js'
import type { CellResult } from '../../src/study/result.js'
import { runStudy } from '../../src/study/run.js'
import {
  batchTable,
  costTable,
  likenessTable,
  methodTable,
  negativesTable,
  seedGroups,
} from '../../src/study/tables.js'
import { studyCsv } from '../../src/study/texts.js'
import { attempt } from '../support/cli.js'
import { temporaryFolder } from '../support/temporary.js'

const file = (grid: string, more = '') => `
name = "tiny"
backend = "wasm"
[model]
max_length = 32
random = { hidden = 16, layers = 1, heads = 2, max_positions = 48, seed = 1 }
[data]
corpus_sample = 10
tests = [{ path = "builtin:primer/law" }, { path = "builtin:primer/music" }]
[train]
steps = 3
batch_size = 8
accumulation = 1
similarity = "cosine"
temperature = 0.05
learning_rate = 1e-2
checkpoint_every = 1
[lora]
rank = 2
[[settings]]
when = { architecture = "late_interaction" }
model = { projection = 8, query_length = 12 }
train = { similarity = "l2" }
${grid}
${more}`

const law = 'sets = ["builtin:primer/law"]'
const small = `[[grid]]
${law}
architectures = ["symmetric", "late_interaction"]
methods = ["full", "lora"]
[[grid]]
${law}
architectures = ["symmetric"]
methods = ["full", "lora"]
negatives = ["none", "self"]
`

async function studyOf(text: string, out?: string) {
  const folder = await temporaryFolder()
  const path = join(folder, 'tiny.toml')
  await writeFile(path, text)
  const study = await loadStudy(path)
  return { ...study!, out: out ?? folder }
}

test('blocks give all combinations, each cell once; settings and the domain of the training set are theirs', async () => {
  const { base, study } = await studyOf(file(small))
  const { cells, impossible } = expandGrid(base, study, 'tiny.toml', '/out')
  assert.equal(impossible, [])
  assert.equal(
    cells.map(({ key }) => key),
    [
      ...['random.law.symmetric.full.none.1B.s42', 'random.law.symmetric.lora.none.1B.s42'],
      ...['random.law.late_interaction.full.none.1B.s42', 'random.law.late_interaction.lora.none.1B.s42'],
      ...['random.law.symmetric.full.self.1B.s42', 'random.law.symmetric.lora.self.1B.s42'],
    ],
  )
  const [first, , late] = cells
  assert.equal(
    first!.recipe.data.tests.map(({ name, domain }) => [name, domain]),
    [
      ['law', 'in'],
      ['music', 'out'],
    ],
  )
  assert.equal(first!.recipe.train!.negatives, { in_batch: true, mask_duplicates: false, source: 'none', hard: 0 })
  assert.is(late!.recipe.train!.similarity, 'l2')
  assert.is(late!.recipe.model.projection, 8)
  assert.is(first!.recipe.eval.before, false)
})

test("the recipes' grids: no cell is a contradiction", async () => {
  for (const [name, count] of [
    ['lora-study', 36],
    ['lora-study-small', 18],
    ['conala-grid', 4],
  ] as const) {
    const { base, study } = (await loadStudy(`recipes/${name}.toml`))!
    const { cells, impossible } = expandGrid(base, study, name, '/out')
    assert.equal(impossible, [], name)
    assert.is(cells.length, count, name)
    assert.is(new Set(cells.map(cellIdentity)).size, count, name)
  }
})

test("larger batches keep the optimizer's batch where that can be divided", async () => {
  const { base, study } = await studyOf(
    file(`[[grid]]\n${law}\nbatches = [1, 2, 4]\n`).replace('accumulation = 1', 'accumulation = 4'),
  )
  const { cells } = expandGrid(base, study, 'tiny.toml', '/out')
  assert.equal(
    cells.map(({ recipe }) => [recipe.train!.batch_size, recipe.train!.accumulation]),
    [
      [8, 4],
      [16, 2],
      [32, 1],
    ],
  )
})

test('run: a live line a cell, none twice, an interrupted one resumed, the report, figures reused', async () => {
  const study = await studyOf(file(small))
  const said: string[] = []
  const controller = new AbortController()
  let phases = 0
  const stopped = runStudy(study, {
    say: line => said.push(line),
    progress({ name, done }) {
      if (name === 'training' && done === 2 && ++phases === 2) controller.abort(new Error('interrupted'))
    },
    signal: controller.signal,
  })
  await stopped.then(
    () => assert.unreachable(),
    error => assert.match(error.message, /cell random.law.symmetric.lora.none.1B.s42: interrupted[\s\S]*same command/),
  )
  assert.is(said.filter(line => /in +[\d.]+ +out +[\d.]+ /.test(line)).length, 1, said.join('\n'))
  const folder = join(study.out, 'tiny')
  assert.match(readFileSync(join(folder, 'report.html'), 'utf8'), /5 cells are still to be run/)
  const clock = join(folder, 'cells', 'random.law.symmetric.lora.none.1B.s42', 'seconds.json')
  const { seconds: spent } = JSON.parse(readFileSync(clock, 'utf8'))
  assert.ok(spent > 0 && spent < 3600, `${spent} s`)
  await writeFile(clock, '{"seconds":3600}')

  said.length = 0
  const whole = await runStudy(study, { say: line => said.push(line) })
  assert.match(said[0]!, /1 cells done, 5 to do/)
  assert.is(said[1], 'corpus_sample = 10: searched are the judged documents and 10 others')
  assert.is(whole.cells.length, 6)
  assert.not.ok(await exists(clock), 'an ended run keeps no clock')
  for (const { key, seconds } of whole.cells) {
    const parts = key.includes('symmetric.lora.none') ? 3600 : 0
    assert.ok(seconds.total > parts + seconds.training && seconds.total < parts + 3600, `${key}: ${seconds.total} s`)
  }
  const page = readFileSync(whole.report, 'utf8')
  // Texts are cut to 32 tokens.
  assert.match(page, /music, \d+ documents \(judged ones and 10 others\), \d+ queries cut: beir /)
  for (const what of [
    'LoRA against full fine-tuning',
    'Out of domain, LoRA − FT is',
    '<th scope="row">late interaction</th>',
    'Hard negatives against none',
    'corpus_sample=10',
    '<svg',
    'peak MiB',
  ])
    assert.ok(page.includes(what), what)
  assert.not.ok(await exists(join(folder, 'cells', whole.cells[0]!.key, 'model')), 'models are not kept')
  assert.is(readFileSync(join(folder, 'table.csv'), 'utf8').trim().split('\n').length, 1 + 12)

  said.length = 0
  const again = await runStudy(study, { say: line => said.push(line) })
  assert.match(said[0]!, /6 cells done, 0 to do/)
  assert.equal(again.cells, whole.cells)

  // Another study with the same cells takes their figures from the file.
  const reuse = join(folder, 'results.json')
  const other = await studyOf(file(small, `[study]\nreuse = ${JSON.stringify(reuse)}\nbasis = "new"\n`))
  said.length = 0
  const reused = await runStudy(other, { say: line => said.push(line) })
  assert.match(said[0]!, /6 cells done, 0 to do/)
  assert.equal(reused.cells, whole.cells)

  const changed = await studyOf(file(small).replace('steps = 3', 'steps = 4'), study.out)
  await runStudy(changed).then(
    () => assert.unreachable(),
    error => assert.match(error.message, /made with other settings/),
  )

  const { code, stdout, stderr } = await attempt(
    'report',
    folder,
    join(folder, 'cells', whole.cells[1]!.key),
    join(folder, 'cells'),
    '--output',
    join(study.out, 'all.html'),
    '--json',
  )
  assert.is(code, 0, stderr)
  const made = JSON.parse(stdout)
  assert.is(made.cells.length, 7)
  assert.match(made.missing[0], /no run that ended/)
  const later = await attempt('report', made.figures, '--output', join(study.out, 'later.html'))
  assert.is(later.code, 0, later.stderr)
  assert.is(readFileSync(join(study.out, 'later.csv'), 'utf8'), readFileSync(made.csv, 'utf8'))
  assert.match(readFileSync(join(study.out, 'later.html'), 'utf8'), /searched are the judged documents and 10 others/)
})

test('impossible cells are named before anything runs; the others are run on request', async () => {
  const study = await studyOf(
    file(
      `[[grid]]\n${law}\nmethods = ["lora"]\nbatches = [1, 64]\n[[grid]]\n${law}\nmethods = ["full"]\narchitectures = ["late_interaction"]\n`,
    ).replace('similarity = "l2"', 'similarity = "dot"'),
  )
  await runStudy(study).then(
    () => assert.unreachable(),
    error => {
      assert.match(error.message, /2 of 3 cells are impossible/)
      assert.match(error.message, /folder.lora.none.64B.s42: \d+ training pairs do not fill one batch of 512/)
      assert.match(error.message, /late_interaction.full.none.1B.s42: train.similarity/)
      assert.match(error.message, /--keep-going \(1 are left\)/)
    },
  )
  assert.not.ok(await exists(join(study.out, 'tiny', 'results.json')))
  const kept = await runStudy(study, { keepGoing: true })
  assert.is(kept.cells.length, 1)
  assert.is(kept.missing.length, 2)
})

test('learning rates are tried on held-out queries, once for all seeds', async () => {
  const grid = `[[grid]]\n${law}\nmethods = ["lora"]\nseeds = [1, 2]\n`
  const study = await studyOf(file(grid, '[study]\nlearning_rates = [1e-9, 1e-2]\n'))
  const said: string[] = []
  const { cells } = await runStudy(study, { say: line => said.push(line) })
  const lines = said.filter(line => /^learning rate .*the best on dev/.test(line))
  assert.is(lines.length, 2)
  assert.is(lines[0], lines[1])
  assert.is(said.filter(line => /^dev: 10 % of the training queries, held out by the seed/.test(line)).length, 1)
  for (const { learning_rate: rate } of cells) assert.ok([1e-9, 1e-2].includes(rate))
  // What the search took is told apart, the same of both.
  const search = join(study.out, 'tiny', 'search')
  const runs = readdirSync(search).map(name => JSON.parse(readFileSync(join(search, name, 'metrics.json'), 'utf8')))
  const took = runs.reduce((sum, { seconds }) => sum + seconds.total, 0)
  assert.is(runs.length, 2)
  for (const { seconds } of cells) assert.ok(Math.abs(seconds.search! - took) < 1e-9)
  assert.equal(costTable(cells).rows[0]!.slice(-1), [took.toFixed(0)])
  assert.match(studyCsv(cells).split('\n')[0]!, /total_seconds,search_seconds,/)
  await removeFolder(study.out)
})

test("the paper's rates; a search that stops early; a dev split that is given is the one that is scored", async () => {
  const { study } = await studyOf(file(`[[grid]]\n${law}\n`, '[study]\nlearning_rates = "paper"\n'))
  assert.equal(study.study.learning_rates, [1e-5, 2e-5, 5e-5, 1e-4, 2e-4])
  const dev =
    '\ndev = [{ path = "builtin:primer/law", split = "test" }]\n[train]\neval_every = 1\nearly_stopping = { patience = 1 }'
  const early = await studyOf(
    file(`[[grid]]\n${law}\nmethods = ["lora"]\n`, '[study]\nlearning_rates = [1e-9]\n')
      .replace('\n[train]', dev)
      .replace('steps = 3', 'steps = 9'),
  )
  const said: string[] = []
  const { cells } = await runStudy(early, { say: line => said.push(line) })
  assert.not.ok(said.some(line => line.startsWith('dev:')))
  // Nothing is learned at such a rate: the second score is no better than the first.
  assert.is(cells[0]!.steps, 2)
  await removeFolder(early.out)
})

const cellOf = (
  axes: Partial<CellResult['axes']>,
  inside: number[],
  outside: number[],
  other = outside,
): CellResult => ({
  axes: {
    model: 'm',
    set: 's',
    architecture: 'symmetric',
    method: 'full',
    negatives: 'none',
    batch: 1,
    seed: 1,
    ...axes,
  },
  ...{ key: JSON.stringify(axes), hash: '', measure: 'ndcg_at_10', learning_rate: 1, steps: 1, parameters: 1 },
  ...{ peak_bytes: 1, tokens: 1, seconds: { training: 1, total: 1 }, losses: [], version: '' },
  tests: [
    { name: 's', domain: 'in' as const, per_query: inside },
    { name: 'a', domain: 'out' as const, per_query: outside },
    { name: 'b', domain: 'out' as const, per_query: other },
  ].map(test => ({
    ...test,
    queries: 4,
    documents: 9,
    fingerprint: 'f, "g"',
    scores: { ndcg_at_10: 0.5 },
  })),
})

test('tables: seeds averaged, sets counted the same, only shared seeds compared, marks by queries', () => {
  const eight = (value: number) => Array<number>(8).fill(value)
  const cells = [
    cellOf({ seed: 1 }, eight(0.5), eight(0.2), eight(0.4)),
    cellOf({ seed: 2 }, eight(0.7), eight(0.4), eight(0.4)),
    cellOf({ method: 'lora', seed: 1 }, eight(0.5), eight(0.6), eight(0.6)),
    cellOf({ method: 'lora', seed: 2 }, eight(0.5), eight(0.6), eight(0.6)),
    cellOf({ negatives: 'bm25', seed: 1 }, eight(0.6), eight(0.1), eight(0.4)),
    cellOf({ batch: 2, seed: 1 }, eight(0.5), eight(0.3), eight(0.5)),
  ]
  const groups = seedGroups(cells)
  // FT: out (0.3 + 0.4) / 2 = 0.35, in 0.6; LoRA: 0.6, 0.5. All eight queries agree: p = 2 / 256 over each test of 8.
  const [row] = methodTable(groups, 'old').rows
  assert.equal(row!.slice(0, 4), ['symmetric', '35.0', '60.0', '+71.4% ▲'])
  assert.equal(row!.slice(5, 8), ['60.0', '50.0', '−16.7% ▼'])
  assert.is(methodTable(groups, 'new').rows[0]![3], '+41.7% ▲')
  // Seed 1 alone: out 0.3 → 0.25, in 0.5 → 0.6.
  assert.equal(
    negativesTable(groups, 'old').rows.map(each => [each[1], each[2], each[5], each[6]]),
    [['30.0', '25.0', '50.0', '60.0']],
  )
  assert.equal(
    batchTable(groups, 'old').rows.map(each => [each[0], each[1], each[2]]),
    [['FT · 2B', '30.0', '40.0']],
  )
  assert.equal(likenessTable(groups, { s: ['a'] }, 'old').rows[0]!.slice(1, 3), ['−50.0% ▼', '0.0%'])
  const [head, first] = studyCsv(cells).split('\n')
  assert.match(head!, /^cell,model,set,.*,ndcg_at_10,fingerprint$/)
  assert.match(first!, /,"f, ""g"""$/)
})

test.run()
