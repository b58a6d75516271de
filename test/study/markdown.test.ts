// A study's figures in Markdown: differences with sign and significance, tables put between the marks of a page; the page in docs/ is what its figures give.
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { differenceTable } from '../../src/study/differences.js'
import { intoPage, studyMarkdown, tableMarkdown } from '../../src/study/markdown.js'
import type { CellResult } from '../../src/study/result.js'
import { seedGroups } from '../../src/study/tables.js'
import { attempt } from '../support/cli.js'
import { folderWith } from '../support/temporary.js'

const eight = (value: number) => Array<number>(8).fill(value)

const cellOf = (method: 'full' | 'lora', set: string, inside: number, outside: number): CellResult => ({
  axes: { model: 'm', set, architecture: 'symmetric', method, negatives: 'none', batch: 1, seed: 1 },
  ...{ key: `${set}.${method}`, hash: '', measure: 'ndcg_at_10', learning_rate: 1, steps: 1, parameters: 1 },
  ...{ peak_bytes: 1, tokens: 1, seconds: { training: 1, total: 1 }, losses: [], version: '9.9' },
  tests: [
    { name: 's', domain: 'in' as const, per_query: eight(inside), corpus_sample: 500 },
    { name: 'a', domain: 'out' as const, per_query: eight(outside), corpus_sample: 500 },
  ].map(each => ({ ...each, queries: 8, documents: 9, fingerprint: '', scores: {} })),
})

const cells = [
  cellOf('full', 's', 0.5, 0.4),
  cellOf('lora', 's', 0.46, 0.6),
  cellOf('full', 't', 0.5, 0.4),
  cellOf('lora', 't', 0.5, 0.4),
]

test('LoRA − FT in points, with its sign, its p and what follows', () => {
  assert.equal(differenceTable(seedGroups(cells), 'old').rows, [
    ['s', '+20.0', 'p=0.008', 'LoRA higher ▲', '−4.0', 'p=0.008', 'LoRA lower ▼'],
    ['t', '0.0', 'p=1.000', 'no difference found', '0.0', 'p=1.000', 'no difference found'],
  ])
  const page = studyMarkdown({ cells, basis: 'old', missing: ['a cell'] })
  assert.match(page, /^4 cells \(one seed\), wgpu-retrieve 9\.9, of m\. .*judged documents and 500 others/)
  assert.match(
    page,
    /Out of domain, LoRA − FT is \+10\.0 points in the mean of 2 ways of training: above 0 in 1 \(1 significant\), below in 0/,
  )
  assert.match(
    page,
    /In domain, LoRA − FT is −2\.0 points .* above 0 in 0 \(0 significant\), below in 1 \(1 significant\)/,
  )
  assert.match(page, /Not in it:\n\n- a cell/)
})

test('tables stand between the marks of a page, which keeps all else', () => {
  assert.is(
    tableMarkdown({ title: 'T', head: ['a', 'b'], rows: [['x|y', '1']] }),
    '**T**\n\n| a | b |\n| --- | --: |\n| x\\|y | 1 |',
  )
  const page = 'before\n<!-- tables -->\nold\n<!-- end of tables -->\nafter\n'
  const made = intoPage(page, 'title', 'new')
  assert.is(made, 'before\n<!-- tables -->\n\nnew\n\n<!-- end of tables -->\nafter\n')
  assert.is(intoPage(made, 'title', 'new'), made)
  assert.match(intoPage(undefined, 'title', 'new'), /^# title\n\n<!-- tables -->\n\nnew/)
  assert.throws(() => intoPage('nothing', 'title', 'new'), /no lines <!-- tables -->/)
})

test('report: a page of Markdown from the file of a study, again and again the same', async () => {
  const folder = folderWith({ 'results.json': JSON.stringify({ cells, missing: ['1 cells are still to be run'] }) })
  const words = ['report', `${folder}/results.json`, '--output', `${folder}/page.md`]
  const first = await attempt(...words)
  assert.is(first.code, 0, first.stderr)
  const page = readFileSync(`${folder}/page.md`, 'utf8')
  assert.match(page, /\| s \| \+20\.0 \| p=0\.008 \| LoRA higher ▲ \|/)
  assert.match(page, /1 cells are still to be run/)
  await attempt(...words)
  assert.is(readFileSync(`${folder}/page.md`, 'utf8'), page)
  const wrong = await attempt('report', folder, '--output', 'page.txt')
  assert.is(wrong.code, 2)
})

const results = 'bench/results/lora-study.json'
if (!existsSync(results)) console.log(`skipped: ${results} is not here`)
;(existsSync(results) ? test : test.skip)("the page in docs/ holds what the study's figures give", () => {
  const { cells, basis, alike, missing } = JSON.parse(readFileSync(results, 'utf8'))
  const page = readFileSync('docs/lora-study.md', 'utf8')
  assert.is(intoPage(page, '', studyMarkdown({ cells, basis, alike, missing })), page)
})

test.run()
