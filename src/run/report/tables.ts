// Scores as tables: systems by group with intervals and significance, their differences, and every test set.
import { type Html, html } from './html.js'
import type { ComparisonRecord, Group, Score, System } from './record.js'
import { againstStart, SIGNIFICANT, scoreOf, startingPoint } from './summary.js'
import { capital, counted, grouped, intervalText, measureTitle, pText, scoreText, signed } from './words.js'

export function scoreTable(record: ComparisonRecord): Html {
  const { groups, measures, systems } = record
  const averaged = groups.some(group => group.tests.length > 1)
  const means = averaged ? 'Means over test sets, each the mean over its queries' : 'Means over queries'
  return html`<table style="--columns:${measures.length}">
${headRow(['System', ...measures.map(measureTitle)])}
${groups.map(group => groupBody(record, group, systems))}</table>
<p class="note">${means}, the best in bold, with 95 % intervals (bootstrap over queries).${markNote(record)}</p>`
}

const headRow = (names: readonly string[]) =>
  html`<thead><tr>${names.map(name => html`<th scope="col">${name}</th>`)}</tr></thead>`

/** What the marks mean, where anything was tested. */
function markNote(record: ComparisonRecord): Html {
  const start = startingPoint(record)
  if (!start || !record.scores.some(score => againstStart(record, score))) return html``
  return html` <span class="up">▲</span> higher, <span class="down">▼</span> lower than ${start.name}:
p &lt; ${SIGNIFICANT}, paired randomisation test over queries.`
}

/** The name of a single test set stays as it is. */
export const groupTitle = ({ title, tests }: Pick<Group, 'title' | 'tests'>) =>
  tests.includes(title) ? title : capital(title)

function groupHead(group: Group, columns: number): Html {
  const size = `${counted(group.tests.length, 'test set')}, ${counted(group.queries, 'query', 'queries')}`
  return html`<tr><th scope="rowgroup" colspan="${columns}">${groupTitle(group)} <small>${size}</small></th></tr>
`
}

function groupBody(record: ComparisonRecord, group: Group, systems: readonly System[]): Html {
  const { measures } = record
  const cell = (name: string, measure: string) =>
    scoreCell(record, scoreOf(record, name, group.name, measure), bestMean(record, group, measure))
  return html`<tbody>
${groupHead(group, measures.length + 1)}${systems.map(
  ({ name }) => html`<tr><th scope="row">${name}</th>${measures.map(measure => cell(name, measure))}</tr>
`,
)}</tbody>
`
}

function bestMean({ scores }: ComparisonRecord, group: Group, measure: string): number {
  const means = scores.filter(each => each.group === group.name && each.measure === measure).map(each => each.mean)
  return Math.max(...means.filter(Number.isFinite))
}

function scoreCell(record: ComparisonRecord, score: Score | undefined, best: number): Html {
  if (!score || !Number.isFinite(score.mean)) return html`<td>–</td>`
  const against = againstStart(record, score)
  const mark = against && against.p < SIGNIFICANT ? (against.difference > 0 ? 'up' : 'down') : ''
  const glyph = { up: '▲', down: '▼', '': '' }[mark]
  const sign = mark === '' ? '' : html`<i class="${mark}">${glyph}</i> `
  const title = against
    ? html` title="${signed(against.difference)} against ${against.system}, ${pText(against.p)}"`
    : html``
  const mean = score.mean === best ? html`<b>${scoreText(score.mean)}</b>` : scoreText(score.mean)
  return html`<td${title}>${sign}${mean}<small>${intervalText(score.low, score.high)}</small></td>`
}

/** The main measure's paired differences of what was trained from all else; empty where nothing was tested. */
export function differenceTable(record: ComparisonRecord): Html {
  const { groups, measures, systems, scores } = record
  const measure = measures[0]!
  const trained = systems.filter(system => system.kind === 'trained')
  const pairs = (trained.length > 0 ? trained : systems).flatMap(({ name }) => {
    const mine = scores.filter(score => score.system === name && score.measure === measure)
    const others = new Set(mine.flatMap(score => score.against?.map(each => each.system) ?? []))
    return [...others].map(other => ({ name, other }))
  })
  if (pairs.length === 0) return html``
  const cell = (name: string, other: string, group: Group) => {
    const against = scoreOf(record, name, group.name, measure)?.against?.find(each => each.system === other)
    return against ? html`<td>${signed(against.difference)}<small>${pText(against.p)}</small></td>` : html`<td>–</td>`
  }
  return html`<table style="--columns:${groups.length}">
<caption>Differences in ${measureTitle(measure)}, the same queries compared</caption>
${headRow(['System', ...groups.map(groupTitle)])}
<tbody>
${pairs.map(
  ({ name, other }) =>
    html`<tr><th scope="row">${name} <small>against ${other}</small></th>${groups.map(group => cell(name, other, group))}</tr>
`,
)}</tbody>
</table>`
}

/** One measure of every system on every test set, the best of each in bold. */
export function testTable(record: ComparisonRecord, measure: string): Html {
  const { groups, systems, tests } = record
  const columns = systems.length + 1
  const rows = (group: Group) =>
    group.tests.map(name => {
      const test = tests.find(each => each.name === name)
      const means = systems.map(system => testMean(record, system.name, name, measure))
      const best = Math.max(...means.filter(mean => mean !== undefined && Number.isFinite(mean)).map(Number))
      const size = test
        ? html` <small>${counted(test.queries, 'query', 'queries')}, ${grouped(test.documents)} documents</small>`
        : ''
      return html`<tr><th scope="row">${name}${size}</th>${means.map(mean =>
        mean === best ? html`<td><b>${scoreText(mean)}</b></td>` : html`<td>${scoreText(mean)}</td>`,
      )}</tr>
`
    })
  return html`<div class="wide-table"><table style="--columns:${systems.length}">
<caption>${measureTitle(measure)}, the best of each test set in bold</caption>
${headRow(['Test set', ...systems.map(system => system.name)])}
${groups.map(
  group => html`<tbody>
${groups.length > 1 ? groupHead(group, columns) : ''}${rows(group)}</tbody>
`,
)}</table></div>`
}

const testMean = ({ tables }: ComparisonRecord, system: string, test: string, measure: string) =>
  tables.find(each => each.system === system && each.test === test && each.measure === measure)?.mean
