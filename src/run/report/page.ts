// A comparison as one page of HTML that opens without a network: what was asked, what came out, and how to repeat it.
import { trainingCharts } from './chart-curves.js'
import { scoreChart } from './chart-scores.js'
import { weightCharts } from './chart-weights.js'
import { pageOf, section } from './document.js'
import { exampleList } from './examples.js'
import { type Html, html } from './html.js'
import { markOf } from './marks.js'
import type { ComparisonRecord, System } from './record.js'
import { answer, lead } from './summary.js'
import { differenceTable, scoreTable, testTable } from './tables.js'
import { day, duration, grouped, measureMeaning, measureTitle, megabytes, words } from './words.js'

/** A whole HTML document. */
export async function renderComparison(record: ComparisonRecord): Promise<string> {
  const { name, question, notes, measures, curves, examples, warnings } = record
  const words = answer(record)
  const scored = measures.length > 0 && record.scores.length > 0
  const main = html`${warnings.length > 0 ? section('Warnings', html`<ul>${warnings.map(line => html`<li>${line}</li>`)}</ul>`) : ''}
${scored ? section('Result', html`${await scoreChart(record)}${systemList(record)}`) : ''}
${scored ? section('All measures', html`${scoreTable(record)}${differenceTable(record)}`) : ''}
${record.tables.length > 0 && record.tests.length > 1 ? section('By test set', testTables(record)) : ''}
${record.weights ? section('Training sets', await weightCharts(record.weights)) : ''}
${curves.some(curve => curve.steps.length > 0) ? section('Training', await trainingCharts(record)) : ''}
${examples.length > 0 ? section('Queries', exampleList(record)) : ''}
${section('Machine', machine(record))}
${section('Repeat it', html`<pre>${record.command}</pre>`)}
${section('Settings', settings(record))}
${scored ? section('Measures', meanings(measures)) : ''}`
  return pageOf({
    ...{ name, question, answer: words, version: record.version, main },
    lead: html`<p class="lead">${lead(record)}</p>
${notes.length > 0 ? html`<div class="notes">${notes.map(note => html`<p>${note}</p>`)}</div>` : ''}`,
  })
}

const settings = ({ recipe }: ComparisonRecord) =>
  html`<details><summary>The completed recipe</summary><pre>${recipe.trim()}</pre></details>`

const rows = (entries: readonly (readonly [string, string])[]) => html`<dl>
${entries.map(
  ([key, value]) => html`<dt>${key}</dt><dd>${value}</dd>
`,
)}</dl>`

const systemList = ({ systems }: ComparisonRecord) => html`<dl class="systems">
${systems.map(
  system => html`<dt>${markOf(system.kind)}${system.name}</dt><dd>${systemText(system)}</dd>
`,
)}</dl>`

function systemText({ description, parameters, seconds, tokensPerSecond, peakBytes }: System): string {
  const facts = [
    parameters ? `${grouped(parameters)} parameters trained` : '',
    seconds === undefined ? '' : duration(seconds),
    tokensPerSecond ? `${grouped(Math.round(tokensPerSecond))} tokens/s` : '',
    peakBytes ? megabytes(peakBytes) : '',
  ].filter(Boolean)
  return [description, facts.join(', ')].filter(Boolean).join(' · ')
}

function testTables(record: ComparisonRecord): Html {
  const [main, ...others] = record.measures
  if (main === undefined) return html``
  const rest = others.filter(measure => record.tables.some(each => each.measure === measure))
  return html`${testTable(record, main)}${
    rest.length > 0
      ? html`<details><summary>The other measures</summary>${rest.map(measure => testTable(record, measure))}</details>`
      : ''
  }`
}

function machine({ version, machine, model, started, seconds }: ComparisonRecord): Html {
  return rows([
    ...Object.entries(machine),
    ...Object.entries(model).map(
      ([key, value]) =>
        [key === 'name' ? 'model' : words(key), typeof value === 'number' ? grouped(value) : value] as const,
    ),
    ['started', day(started)],
    ...Object.entries(seconds).map(([key, value]) => [`time, ${words(key)}`, duration(value)] as const),
    ['wgpu-retrieve', version],
  ])
}

const meanings = (measures: readonly string[]) =>
  rows(
    measures.flatMap(measure => {
      const meaning = measureMeaning(measure)
      return meaning === undefined ? [] : [[measureTitle(measure), meaning] as const]
    }),
  )
