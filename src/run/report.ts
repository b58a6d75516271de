// A run as one page of HTML that opens without a network: what was asked, what came out, how training went, and how to repeat it.
import { type Html, html } from './html.js'
import { lineChart } from './report-chart.js'
import { reportStyle } from './report-style.js'

export interface ReportRecord {
  readonly name: string
  /** What the run is to find out. */
  readonly question?: string
  /** Repeats the run. */
  readonly command: string
  /** Of wgpu-retrieve. */
  readonly version: string
  readonly backend: string
  /** The adapter, or why there is none. */
  readonly adapter: string
  /** ISO 8601. */
  readonly started: string
  /** By phase: total, training, … */
  readonly seconds: Readonly<Record<string, number>>
  /** `parameters`: how many were trained; 0 or absent where none were. */
  readonly model: { readonly name: string; readonly parameters?: number } & Readonly<Record<string, string | number>>
  /** The completed recipe as TOML. */
  readonly recipe: string
  readonly tests: readonly ReportTest[]
  /** In the order of the steps, from 0. */
  readonly losses: readonly ReportLoss[]
  /** In training; 0 where nothing was trained. */
  readonly tokensPerSecond: number
  readonly warnings: readonly string[]
}

/** Scores by measure (`ndcg_at_10`), before and after training. */
export interface ReportTest {
  readonly name: string
  readonly split: string
  readonly queries: number
  readonly documents: number
  readonly before?: Readonly<Record<string, number>>
  readonly after?: Readonly<Record<string, number>>
}

export interface ReportLoss {
  readonly step: number
  readonly loss: number
  readonly learningRate: number
  readonly gradientNorm: number
}

// Nothing is fetched, whatever a name in the data says.
const POLICY = "default-src 'none'; style-src 'unsafe-inline'"

/** A whole HTML document. */
export function renderReport(record: ReportRecord): string {
  const { name, question, tests, losses, warnings } = record
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="wgpu-retrieve ${record.version}">
<title>${name}</title>
<style>${{ html: reportStyle }}</style>
</head>
<body>
<header>
<h1>${name}</h1>
${question ? html`<p class="question">${question}</p>` : ''}
<p class="lead">${lead(record)}</p>
</header>
<main>
${tests.length > 0 ? scores(tests) : ''}
${warnings.length > 0 ? section('Warnings', html`<ul>${warnings.map(line => html`<li>${line}</li>`)}</ul>`) : ''}
${losses.length > 0 ? section('Training', curves(losses)) : ''}
${section('Machine', machine(record))}
${section('Repeat it', html`<pre>${record.command}</pre>`)}
${section('Settings', html`<pre>${record.recipe.trim()}</pre>`)}
</main>
</body>
</html>
`
  return page.html
}

const section = (title: string, content: Html) => html`<section>
<h2>${title}</h2>
${content}
</section>`

/** What was run on what, in a sentence. */
function lead({ model, tests, losses, seconds, started }: ReportRecord): Html {
  const compared = tests.some(test => test.before && test.after)
  const trained = losses.length > 0 ? `trained for ${counted(losses.length, 'step')}` : ''
  const names = tests.map(test => test.name)
  const scored = names.length > 0 ? `scored on ${listed(names)}${compared ? ' before and after' : ''}` : ''
  const done = [trained, scored].filter(Boolean).join(' and ')
  const time = seconds.total === undefined ? '' : `, in ${duration(seconds.total)}`
  return html`${model.name}${done ? `, ${done}` : ''}. <time>${day(started)}</time>${time}.`
}

const listed = (names: readonly string[]) =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`

const grouped = (value: number) => value.toLocaleString('en-US')
const counted = (value: number, one: string, many = `${one}s`) => `${grouped(value)} ${value === 1 ? one : many}`

function day(iso: string): string {
  const date = new Date(iso)
  return Number.isNaN(date.getTime()) ? iso : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const minutes = Math.round(seconds / 60)
  if (seconds < 600) return `${Math.floor(Math.round(seconds) / 60)} min ${Math.round(seconds) % 60} s`
  return minutes < 60 ? `${minutes} min` : `${grouped(Math.floor(minutes / 60))} h ${minutes % 60} min`
}

/** `ndcg_at_10` as people write it: nDCG@10. */
export function measureTitle(name: string): string {
  const [kind = '', cut] = name.split('_at_')
  const titles: Record<string, string> = {
    ndcg: 'nDCG',
    map: 'MAP',
    mrr: 'MRR',
    r_precision: 'R-precision',
    bpref: 'bpref',
  }
  const title = titles[kind] ?? kind.charAt(0).toUpperCase() + kind.slice(1)
  return cut === undefined ? title : `${title}@${cut}`
}

/** Every measure of a test, in the order they were given. */
const measuresOf = ({ before, after }: ReportTest) => [
  ...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]),
]

function scores(tests: readonly ReportTest[]): Html {
  const measures = tests.flatMap(measuresOf)
  const main = measures.includes('ndcg_at_10') ? 'ndcg_at_10' : measures[0]
  const compared = tests.some(test => test.before && test.after)
  return html`<section>
${
  main === undefined
    ? ''
    : html`<h2>${measureTitle(main)}${compared ? html` <small><i class="before"></i>before <i></i>after training</small>` : ''}</h2>
${tests.map(test => headline(test, main))}`
}
</section>
<section>
<h2>All measures</h2>
${tests.map(table)}
${compared ? html`<p class="note">Changes in percent are relative to the score before training.</p>` : ''}
</section>`
}

/** A test's main measure as a number and as bars of the full score. */
function headline(test: ReportTest, measure: string): Html {
  const [before, after] = [test.before?.[measure], test.after?.[measure]]
  const bar = (score: number | undefined, kind: string) =>
    score === undefined
      ? ''
      : html`<div class="bar ${kind}"><i style="width:${(100 * Math.min(1, Math.max(0, score))).toFixed(1)}%"></i></div>`
  const numbers = [before, after].flatMap(score => (score === undefined ? [] : [score.toFixed(3)])).join(' → ')
  return html`<div class="score">
<header><span>${test.name}</span><span><b>${numbers}</b> ${change(before, after).relative}</span></header>
${bar(before, 'before')}${bar(after, 'after')}
</div>`
}

function table(test: ReportTest): Html {
  const { name, split, queries, documents, before, after } = test
  const both = before !== undefined && after !== undefined
  const cell = (score: number | undefined) => html`<td>${score === undefined ? '–' : score.toFixed(4)}</td>`
  const rows = measuresOf(test).map(measure => {
    const { absolute, relative } = change(before?.[measure], after?.[measure])
    return html`<tr><th scope="row">${measureTitle(measure)}</th>${before ? cell(before[measure]) : ''}${after ? cell(after[measure]) : ''}${both ? html`<td>${absolute} ${relative}</td>` : ''}</tr>
`
  })
  const heads = [before && (after ? 'before' : 'score'), after && 'after', both && 'change'].filter(
    head => typeof head === 'string',
  )
  return html`<table>
<caption><strong>${name}</strong>, split ${split}: ${counted(queries, 'query', 'queries')}, ${counted(documents, 'document')}</caption>
<thead><tr><th></th>${heads.map(head => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>
${rows}</tbody>
</table>`
}

/** A real minus, and no sign before a change that rounds to nothing. */
const signed = (value: number, digits: number) => {
  const text = Math.abs(value).toFixed(digits)
  return Number(text) === 0 ? text : `${value < 0 ? '−' : '+'}${text}`
}

function change(
  before: number | undefined,
  after: number | undefined,
): { absolute: Html | string; relative: Html | string } {
  if (before === undefined || after === undefined) return { absolute: '', relative: '' }
  const difference = after - before
  const absolute = signed(difference, 4)
  const direction = absolute.startsWith('+') ? 'up' : absolute.startsWith('−') ? 'down' : ''
  const percent = before === 0 ? '' : `${signed((100 * difference) / before, 1)} %`
  return {
    absolute: html`<span class="${direction}">${absolute}</span>`,
    relative: html`<small class="${direction}">${percent}</small>`,
  }
}

function curves(losses: readonly ReportLoss[]): Html {
  const over = (value: (each: ReportLoss) => number) => losses.map(each => ({ x: each.step, y: value(each) }))
  const settings = { xLabel: 'step' }
  return html`${lineChart({ ...settings, title: 'Loss', points: over(each => each.loss), smooth: true })}
<div class="pair">
${lineChart({ ...settings, title: 'Learning rate', points: over(each => each.learningRate), fromZero: true })}
${lineChart({ ...settings, title: 'Gradient norm', points: over(each => each.gradientNorm), fromZero: true, smooth: true })}
</div>`
}

function machine({ version, backend, adapter, started, seconds, model, tokensPerSecond }: ReportRecord): Html {
  const { name, parameters, ...others } = model
  const rows: [string, string][] = [
    ['model', name],
    ...(parameters ? [['trained parameters', grouped(parameters)] as [string, string]] : []),
    ...Object.entries(others).map(([key, value]): [string, string] => [words(key), String(value)]),
    ['backend', backend],
    ['device', adapter],
    ['started', day(started)],
    ...Object.entries(seconds).map(([key, value]): [string, string] => [`time, ${words(key)}`, duration(value)]),
    ...(tokensPerSecond > 0
      ? [['training speed', `${grouped(Math.round(tokensPerSecond))} tokens/s`] as [string, string]]
      : []),
    ['wgpu-retrieve', version],
  ]
  return html`<dl>
${rows.map(
  ([key, value]) => html`<dt>${key}</dt><dd>${value}</dd>
`,
)}</dl>`
}

const words = (key: string) => key.replaceAll('_', ' ')
