import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { measureTitle, type ReportRecord, renderReport } from '../../src/run/report.js'
import { lineChart, ticks } from '../../src/run/report-chart.js'

const losses = (steps: number) =>
  Array.from({ length: steps }, (_, step) => ({
    step,
    loss: 2 / (1 + step),
    learningRate: 2e-4 * (1 - step / steps),
    gradientNorm: 1 + (step % 3),
  }))

const record: ReportRecord = {
  name: 'conala-lora',
  question: 'Does LoRA help?',
  command: 'npx wgpu-retrieve run recipes/conala-lora.toml',
  version: '0.1.0',
  backend: 'wasm',
  adapter: 'no WebGPU adapter',
  started: '2025-03-04T05:06:07.000Z',
  seconds: { total: 412.3, training: 58.12 },
  model: { name: 'all-MiniLM-L6-v2', parameters: 147456 },
  recipe: 'name = "conala-lora"\nseed = 1\n',
  tests: [
    {
      name: 'conala',
      split: 'test',
      queries: 365,
      documents: 2810,
      before: { recall_at_100: 0.777, ndcg_at_10: 0.2937 },
      after: { recall_at_100: 0.75, ndcg_at_10: 0.3243 },
    },
    { name: 'argkp', split: 'test', queries: 1, documents: 2, before: { map: 0 }, after: { map: 0.00001 } },
  ],
  losses: losses(180),
  tokensPerSecond: 3456.7,
  warnings: [],
}

/** The text of a page without its tags and style. */
const textOf = (page: string) =>
  page
    .replace(/<style>[\s\S]*?<\/style>/, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')

/** Every element that is opened is closed, in order; the names of all. */
function elementsOf(page: string): string[] {
  const names: string[] = []
  const open: string[] = []
  for (const [, close, name = '', empty] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*?(\/?)>/g)) {
    if (close) assert.is(open.pop(), name, `</${name}>`)
    else {
      names.push(name)
      if (!empty && name !== 'meta') open.push(name)
    }
  }
  assert.equal(open, [])
  return names
}

test('it says what was run on what, and the scores before, after and between', () => {
  const text = textOf(renderReport(record))
  assert.match(
    text,
    /conala-lora Does LoRA help\? all-MiniLM-L6-v2, trained for 180 steps and scored on conala and argkp before and after/,
  )
  assert.match(text, /2025-03-04 05:06 UTC , in 6 min 52 s\./)
  assert.match(text, /nDCG@10 before after training conala 0\.294 → 0\.324 \+10\.4 %/)
  assert.match(text, /conala , split test: 365 queries, 2,810 documents before after change/)
  assert.match(text, /Recall@100 0\.7770 0\.7500 −0\.0270 −3\.5 %/)
  assert.match(text, /nDCG@10 0\.2937 0\.3243 \+0\.0306 \+10\.4 %/)
  assert.match(text, /argkp , split test: 1 query, 2 documents/)
  assert.match(
    text,
    /MAP 0\.0000 0\.0000 0\.0000 /,
    'no sign before a change that rounds to nothing, no percentage of 0',
  )
  assert.match(text, /trained parameters 147,456/)
  assert.match(text, /time, training 58\.1 s training speed 3,457 tokens\/s wgpu-retrieve 0\.1\.0/)
  assert.match(text, /npx wgpu-retrieve run recipes\/conala-lora\.toml/)
  assert.match(text, /name = &#34;conala-lora&#34; seed = 1/)
})

test('well-formed, and nothing to fetch or to run', () => {
  const page = renderReport(record)
  const elements = elementsOf(page)
  assert.is(elements.filter(name => name === 'svg').length, 3)
  assert.is(elements.filter(name => name === 'table').length, 2)
  for (const name of ['script', 'img', 'link', 'iframe']) assert.not(elements.includes(name), name)
  assert.not.match(page, /https?:|url\(|@import|src=/)
  assert.match(page, /Content-Security-Policy" content="default-src &#39;none&#39;/)
  assert.match(page, /prefers-color-scheme:dark/)
  assert.match(page, /@media print/)
  assert.not.match(page, /NaN|undefined|\[object/)
})

test('whatever a name holds stays text', () => {
  const evil = `"><script>alert('x')</script>&amp;`
  const page = renderReport({
    ...record,
    name: evil,
    question: evil,
    command: evil,
    backend: evil,
    adapter: evil,
    version: evil,
    started: evil,
    seconds: { [evil]: 1 },
    model: { name: evil, [evil]: evil },
    recipe: evil,
    warnings: [evil],
    tests: [{ name: evil, split: evil, queries: 1, documents: 1, before: { [evil]: 0.5 }, after: { [evil]: 0.25 } }],
  })
  assert.not(elementsOf(page).includes('script'))
  assert.ok(page.split('&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;&#38;amp;').length > 14)
})

test('only scored, only trained, or neither', () => {
  const { before } = record.tests[0]!
  const scored = textOf(
    renderReport({
      ...record,
      model: { name: 'm', parameters: 0 },
      losses: [],
      tokensPerSecond: 0,
      tests: [{ name: 'conala', split: 'test', queries: 3, documents: 4, ...(before && { before }) }],
    }),
  )
  assert.match(scored, /m, scored on conala\. /)
  assert.match(scored, / score Recall@100 0\.7770 nDCG@10 0\.2937 Machine/)
  assert.not.match(scored, /training speed|trained parameters|change|Loss/)
  const trained = textOf(renderReport({ ...record, tests: [] }))
  assert.match(trained, /all-MiniLM-L6-v2, trained for 180 steps\. /)
  assert.not.match(trained, /measures/)
  const after = textOf(
    renderReport({ ...record, tests: [{ name: 'c', split: 'test', queries: 1, documents: 1, after: { mrr: 0.5 } }] }),
  )
  assert.match(after, /MRR c 0\.500 .* after MRR 0\.5000 /)
})

test('warnings are shown', () => {
  assert.match(textOf(renderReport({ ...record, warnings: ['two texts are empty'] })), /Warnings two texts are empty/)
})

test('names of measures', () => {
  const names = [
    'ndcg_at_10',
    'map',
    'mrr_at_100',
    'recall_at_5',
    'precision_at_1',
    'success_at_3',
    'r_precision',
    'bpref',
  ]
  assert.equal(names.map(measureTitle), [
    'nDCG@10',
    'MAP',
    'MRR@100',
    'Recall@5',
    'Precision@1',
    'Success@3',
    'R-precision',
    'bpref',
  ])
})

const pointsOf = (chart: string) =>
  [...chart.matchAll(/points="([^"]*)"/g)].map(([, points = '']) =>
    points.split(' ').map(point => point.split(',').map(Number)),
  )

test('a chart puts points where they belong', () => {
  const chart = lineChart({
    title: 'Loss',
    xLabel: 'step',
    points: [
      { x: 0, y: 2 },
      { x: 5, y: 1 },
      { x: 10, y: 0 },
    ],
  }).html
  assert.equal(pointsOf(chart), [
    [
      [0, 0],
      [50, 50],
      [100, 100],
    ],
  ])
  assert.match(chart, /aria-label="Loss: 2\.00 at step 0, 0 at step 10"/)
})

test('charts of odd series: one point, a constant, not finite, long', () => {
  const chart = (ys: number[], smooth = false) =>
    lineChart({ title: 'Loss', xLabel: 'step', points: ys.map((y, x) => ({ x, y })), smooth }).html
  for (const ys of [
    [3],
    [0],
    [2, 2, 2],
    [1, Number.NaN, Number.POSITIVE_INFINITY, 2],
    [-1, -5],
    [1e-9, 3e-9],
    [1e6, 2e6],
  ]) {
    const made = chart(ys)
    assert.not.match(made, /NaN|Infinity/, ys.join())
    for (const [x, y] of pointsOf(made).flat()) assert.ok(y! >= 0 && y! <= 100 && x! >= 0, `${ys.join()}: ${x},${y}`)
  }
  assert.match(chart([Number.NaN]), /No finite values/)
  const spiked = Array.from({ length: 200_000 }, (_, i) => (i === 77_777 ? 9 : 1 + (i % 2)))
  const [line = [], mean = []] = pointsOf(chart(spiked, true))
  assert.ok(line.length <= 1002 && mean.length <= 1002)
  assert.is(Math.min(...line.map(point => point[1]!)), 10, 'the spike is kept: 9 of an axis from 0 to 10')
  const inside = mean.filter(([x]) => x! > 5 && x! < 95)
  assert.ok(
    inside.every(([, y]) => Math.abs(y! - 85) < 0.1),
    'the mean of 1 and 2 is 1.5',
  )
})

test('ticks are round and enclose the values', () => {
  assert.equal(ticks(0, 2e-4, 4), [0, 0.00005, 0.0001, 0.00015, 0.0002])
  assert.equal(ticks(0.93, 2.31, 4), [0.5, 1, 1.5, 2, 2.5])
  assert.equal(ticks(0, 179, 5), [0, 50, 100, 150, 200])
  assert.equal(ticks(0.1, 0.3, 2), [0.1, 0.2, 0.3])
  assert.equal(ticks(3, 3, 4), [3, 4])
})

test.run()
