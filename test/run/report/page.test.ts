import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { renderComparison } from '../../../src/run/report/page.js'
import type { ComparisonRecord, Score } from '../../../src/run/report/record.js'
import { comparison, curve } from '../../support/comparison.js'
import { elementsOf, figureOf, tablesOf, textOf } from '../../support/page.js'

const page = await renderComparison(comparison)

const score = (system: string, mean: number, half = 0.02): Score => ({
  ...{ system, group: 'all', measure: 'ndcg_at_10', mean, low: mean - half, high: mean + half },
})

/** One system before and after on one test set. */
const plain: ComparisonRecord = {
  name: 'plain',
  notes: [],
  command: 'npx wgpu-retrieve run',
  version: '0.1.0',
  started: '2025-03-04T05:06:07.000Z',
  seconds: { total: 5 },
  machine: { backend: 'wasm' },
  model: { name: 'm' },
  recipe: '',
  systems: [
    { name: 'before', kind: 'untrained', description: '' },
    { name: 'after', kind: 'trained', description: '' },
  ],
  tests: [{ name: 'conala', split: 'test', queries: 365, documents: 2810 }],
  measures: ['ndcg_at_10'],
  groups: [{ name: 'all', title: 'conala', tests: ['conala'], queries: 365 }],
  scores: [score('before', 0.2937), score('after', 0.3243)],
  tables: [],
  curves: [],
  examples: [],
  warnings: [],
}

test('what it says, and in which order', () => {
  const text = textOf(page)
  const parts = [
    comparison.name,
    comparison.question!,
    'Full fine-tuning lifts nDCG@10 from 0.21 to 0.64 on areas trained on and from 0.20 to 0.31 on areas never seen',
    'mini encoder: 4 systems on 10 test sets, 1,180 queries over 1,200 to 1,533 documents each. 2025-03-04 05:06 UTC , in 15 min.',
    comparison.notes[0]!,
    'nDCG@10 with 95 % intervals',
    '4,386,816 parameters trained, 6 min 43 s, 17,020 tokens/s, 402 MB',
    'Differences in nDCG@10',
    'By test set',
    'Training LoRA Full fine-tuning Loss',
    'how do bees tell each other',
    'matmul, measured 113 GFLOP/s',
    'hidden 256 vocabulary 8,192',
    comparison.command,
    'method = "full"',
    'MRR@10 1 divided by the rank',
  ]
  let at = 0
  for (const part of parts) {
    const found = text.indexOf(part, at)
    assert.ok(found >= 0, `after ${JSON.stringify(text.slice(at, at + 60))}: ${part}`)
    at = found
  }
})

test('well-formed, and nothing to fetch or to run', () => {
  const elements = elementsOf(page)
  for (const name of ['script', 'img', 'link', 'iframe', 'object']) assert.not(elements.includes(name), name)
  assert.not.match(page, /https?:|url\(|@import|src=|xlink/)
  assert.match(page, /Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;"/)
  assert.not.match(page, /NaN|undefined|Infinity|\[object/)
})

test('whatever a name holds stays text', async () => {
  const evil = `"><script>alert('x')</script>&amp;`
  const again = (text: string): string => (text === 'ndcg_at_10' || /^\d{4}-/.test(text) ? text : `${evil}${text}`)
  const poisoned = (value: unknown, key = ''): unknown => {
    if (typeof value === 'string') return key === 'kind' ? value : again(value)
    if (Array.isArray(value)) return value.map(each => poisoned(each))
    if (typeof value !== 'object' || value === null) return value
    const free = ['machine', 'model', 'seconds'].includes(key)
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [free ? again(k) : k, poisoned(v, k)]))
  }
  const made = await renderComparison(poisoned(comparison) as ComparisonRecord)
  assert.not(elementsOf(made).includes('script'))
  assert.ok(textOf(made).includes(evil))
  assert.not.match(made, /<script/)
})

test('numbers, intervals and marks of the table are the record’s', () => {
  const [table = []] = tablesOf(page)
  assert.equal(table[0], ['System', 'nDCG@10', 'MRR@10', 'Recall@100'])
  const rows = comparison.groups.flatMap(group => [
    [`${group.title.replace('areas', 'Areas')} 5 test sets, ${group.queries} queries`],
    ...comparison.systems.map(({ name }) => [
      name,
      ...comparison.measures.map(measure => {
        const each = comparison.scores.find(
          row => row.system === name && row.group === group.name && row.measure === measure,
        )!
        const against = each.against?.find(row => row.system === 'Random encoder')
        const mark = against && against.p < 0.05 ? (against.difference > 0 ? '▲ ' : '▼ ') : ''
        return `${mark}${each.mean.toFixed(3)} ${each.low.toFixed(3)}–${each.high.toFixed(3)}`
      }),
    ]),
  ])
  assert.equal(table.slice(1), rows)
  assert.is(page.match(/<i class="up">▲/g)!.length, 9, 'all of the trained but LoRA on what it never saw')
  assert.match(page, /title="\+0\.058 against Random encoder, p = 0\.067"/)
})

test('a significant fall is marked too, what is not tested is not, and the best is bold', async () => {
  const against = [{ system: 'before', difference: -0.2, p: 0.001 }]
  const fallen = await renderComparison({
    ...plain,
    scores: [score('before', 0.4), { ...score('after', 0.2), against }],
  })
  const [table = [], differences = []] = tablesOf(fallen)
  assert.equal(table[3], ['after', '▼ 0.200 0.180–0.220'])
  assert.equal(differences[1], ['after against before', '−0.200 p = 0.001'])
  assert.match(fallen, /<b>0\.400<\/b>/)
  assert.not.match(fallen, /<b>0\.200<\/b>/)
  const untested = await renderComparison(plain)
  assert.not.match(untested, /▲|▼|randomisation/)
  assert.is(tablesOf(untested).length, 1)
})

test('the differences and the test sets', () => {
  const [, differences = [], tests = []] = tablesOf(page)
  assert.equal(differences[0], ['System', 'Areas trained on', 'Areas never seen'])
  assert.equal(differences[1], ['LoRA against Random encoder', '+0.188 p < 0.001', '+0.058 p = 0.067'])
  assert.is(differences.length, 5)
  const bees = comparison.systems.map(({ name }) =>
    comparison.tables
      .find(row => row.system === name && row.test === 'bees' && row.measure === 'ndcg_at_10')!
      .mean.toFixed(3),
  )
  assert.equal(tests[3], ['bees 104 queries, 1,237 documents', ...bees])
  assert.is(tablesOf(page).length, 5, 'one for each measure')
})

test('the chart has every system, its marks where the scores are, wide and narrow', () => {
  const figure = figureOf(page, 'nDCG@10')
  const charts = figure.match(/<svg[\s\S]*?<\/svg>/g)!
  assert.is(charts.length, 2)
  const means = comparison.groups.flatMap(group =>
    comparison.systems.map(
      ({ name }) =>
        comparison.scores.find(row => row.system === name && row.group === group.name && row.measure === 'ndcg_at_10')!
          .mean,
    ),
  )
  for (const chart of charts) {
    assert.match(
      chart,
      /role="img" aria-label="nDCG@10 of each system\. Areas trained on BM25 0\.712 \(0\.691–0\.731\);/,
    )
    for (const { name } of comparison.systems)
      assert.is(chart.match(new RegExp(`>${name}</text>`, 'g'))?.length, 2, name)
    const marks = [...chart.matchAll(/<path[^>]*transform="translate\(([\d.]+),[\d.]+\)"[^>]*fill="var/g)].map(match =>
      Number(match[1]),
    )
    assert.is(marks.length, means.length)
    const [a, b] = [marks[0]!, marks[1]!]
    const scale = (a - b) / (means[0]! - means[1]!)
    for (const [i, x] of marks.entries()) assert.ok(Math.abs(x - scale * means[i]!) < 0.6, `${i}: ${x}, from 0`)
  }
})

test('long names are cut in the chart alone, wide letters take their room', async () => {
  const names = ['a name '.repeat(20).trim(), '検索'.repeat(4), '検索'.repeat(40)]
  const systems = names.map(name => ({ name, kind: 'trained' as const, description: '' }))
  const made = await renderComparison({ ...plain, systems, scores: names.map(name => score(name, 0.5)) })
  const [wide = '', narrow = ''] = made.match(/<svg viewBox="0 0 [89345][\s\S]*?<\/svg>/g)!
  for (const chart of [wide, narrow]) {
    for (const name of names) assert.ok(chart.includes(`${name} 0.500`), 'whole in the label')
    const shown = [...chart.matchAll(/>([^<]*)<\/text>/g)].map(([, text]) => text!)
    assert.ok(shown.includes(names[1]!))
    const [latin = '', wideLetters = ''] = shown.filter(text => text.endsWith('…'))
    assert.ok(wideLetters.length > 5 && wideLetters.length < 0.7 * latin.length, `${latin} ${wideLetters}`)
  }
  assert.ok(names.every(name => tablesOf(made)[0]!.some(row => row[0] === name)))
})

test('training: every trained system in every chart', () => {
  for (const title of ['Loss', 'nDCG@10', 'Learning rate', 'Gradient norm']) {
    const figure = page
      .slice(page.indexOf('<h2>Training</h2>'))
      .match(/<figure>[\s\S]*?<\/figure>/g)!
      .find(each => each.includes(`<strong>${title}</strong>`))!
    for (const { system } of comparison.curves) assert.ok(figure.includes(`${system} from`), `${title}: ${system}`)
  }
})

test('what was found, the relevant marked with a sign', () => {
  const first = page.match(/<details class="query"[\s\S]*?<\/details>/)![0]
  assert.match(first, /^<details class="query" open>/)
  const text = textOf(first)
  assert.match(text, /bees nDCG@10: BM25 1\.00 · Random encoder 0\.00 · LoRA 0\.50 · Full fine-tuning 1\.00/)
  assert.match(text, /BM25 first relevant at rank 1 ✓ The waggle dance: the passage that answers it Passage/)
  assert.is(first.match(/<li/g)!.length, 12)
  assert.is(first.match(/✓/g)!.length, 3)
  assert.match(textOf(page), /Random encoder nothing relevant found/)
  assert.match(textOf(page), /Drawn by lot, one of each area\./)
})

test('the plain case: one test set, nothing trained, no examples, one query', async () => {
  const made = await renderComparison(plain)
  elementsOf(made)
  const text = textOf(made)
  assert.match(text, /Training lifts nDCG@10 from 0\.29 to 0\.32 on conala\./)
  assert.match(text, /m: 2 systems on conala, 365 queries over 2,810 documents\. /)
  assert.not.match(text, /Warnings|By test set|Queries|undefined|NaN/)
  assert.not.match(made, /<h2>Training/)
  const single = await renderComparison({ ...plain, scores: [score('before', 0.5, 0), score('after', 1, 0)] })
  assert.equal(tablesOf(single)[0]!.slice(2), [
    ['before', '0.500'],
    ['after', '1.000'],
  ])
  assert.not.match(single, /95 % intervals<|stroke-width="3"/)
  const empty = await renderComparison({ ...plain, systems: [], tests: [], measures: [], groups: [], scores: [] })
  elementsOf(empty)
  const broken = await renderComparison({ ...plain, scores: [score('before', Number.NaN), score('after', 0.5)] })
  assert.equal(tablesOf(broken)[0]!.slice(2), [
    ['before', '–'],
    ['after', '0.500 0.480–0.520'],
  ])
})

test('weights alone: what was learned, their charts from 0, and nothing of scores', async () => {
  const weights = {
    ...{
      mode: 'reference',
      kept: 'final',
      sets: ['a', 'b'],
      pairs: [4, 4],
      tokens: [9, 9],
      alpha: [0.6, 0.4],
      facts: [],
    },
    // What falls steeply at its end: a line through the last points would go on below 0.
    steps: Array.from({ length: 50 }, (_, i) => ({
      ...{ alpha: [0.5 + i / 500, 0.5 - i / 500], loss: [i < 48 ? 9 : 0.1, 9], reference: [1, 8] },
    })),
  }
  const made = await renderComparison({ ...plain, systems: [], tests: [], groups: [], scores: [], weights })
  elementsOf(made)
  const text = textOf(made)
  assert.match(text, /m: weights of 2 training sets\. /)
  assert.not.match(text, /0 systems|Measures/)
  for (const title of ['losses by step. At the end', 'Ratio by step']) {
    assert.ok(made.includes(title), title)
    const chart = made.slice(made.indexOf(title))
    assert.not.match(chart.slice(0, chart.indexOf('</svg>')), />[−-]\d/, `${title}: an axis below 0`)
  }
})

test('warnings are shown', async () => {
  assert.match(
    textOf(await renderComparison({ ...plain, warnings: ['two texts are empty'] })),
    /Warnings two texts are/,
  )
})

test('losses that are no numbers, a spike, one step', async () => {
  const steps = curve('after', 100).steps
  const of = (change: (i: number, loss: number) => number, count = 100) =>
    renderComparison({
      ...plain,
      curves: [
        { system: 'after', steps: steps.slice(0, count).map((row, i) => ({ ...row, loss: change(i, row.loss) })) },
      ],
    })
  const broken = await of((i, loss) => (i > 96 ? Number.NaN : loss))
  assert.not.match(broken, /NaN/)
  assert.match(figureOf(broken, 'Loss'), /3 values not finite, left out/)
  const gone = await of(() => Number.NaN)
  assert.match(figureOf(gone, 'Loss'), /No finite values/)
  const spiked = await of((i, loss) => (i === 50 ? 1000 : loss))
  assert.match(figureOf(spiked, 'Loss'), /logarithmic axis/)
  assert.not.match(figureOf(broken, 'Loss'), /logarithmic axis/)
  const one = await of((_, loss) => loss, 1)
  assert.not.match(one, /NaN/)
  assert.match(figureOf(one, 'Learning rate'), /<path[^>]*fill="var\(--c0\)"/)
})

test('ten thousand steps stay a small page', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  const long = await renderComparison({
    ...comparison,
    curves: names.map((name, i) => curve(name, 10_000, 0.5 + i / 10)),
  })
  assert.ok(long.length < 1_000_000, `${long.length} characters`)
})

test.run()
