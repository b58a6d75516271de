// Rows of a benchmark as one page of HTML that opens without a network: rates as parts of what the machine can do at all, rivals beside ours, and
// every row as a table.
import type { TopLevelSpec } from 'vega-lite'
import { type Html, html } from '../run/report/html.js'
import { reportStyle } from '../run/report/style.js'
import { drawChart } from '../run/report/vega.js'
import { day } from '../run/report/words.js'
import type { BenchRow } from './row.js'
import { partText, rateText, timeText } from './row.js'

export interface BenchPage {
  readonly rows: readonly BenchRow[]
  readonly version: string
  /** When, as ISO 8601. */
  readonly date: string
  readonly command: string
}

/** Names and shapes are long: broken between words alone. */
const OWN_STYLE =
  'body{max-width:64rem}@media (min-width:38rem){.wide-table table{font-size:.85rem}.wide-table tbody th{min-width:15rem;overflow-wrap:normal}}'

/** A whole HTML document. */
export async function renderBench({ rows, version, date, command }: BenchPage): Promise<string> {
  const [first] = rows
  const limits = rows.filter(isLimit)
  const parts = rows.filter(row => row.of_limit !== undefined)
  const beside = rows.filter(row => row.ratio !== undefined)
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>wgpu-retrieve bench: ${first?.adapter ?? 'no rows'}</title>
<style>${{ html: `${reportStyle}${OWN_STYLE}` }}</style>
</head>
<body>
<header>
<h1>${first?.adapter ?? 'No rows'}</h1>
<p class="lead">wgpu-retrieve ${version} (${first?.commit ?? ''}) on ${backendsOf(rows)}, ${day(date)}</p>
${limits.map(row => html`<p><b>${rateText(row)}</b> ${row.name.replace('limit: ', '')} (${row.shape}): what this machine can do at all, measured in this run</p>`)}
</header>
<main>
${parts.length > 0 ? section('Kernels, in % of the limit', html`${limitNote}${await partsChart(parts)}`) : ''}
${beside.length > 0 ? section('Beside others, × their speed', await ratiosChart(beside)) : ''}
${section('All rows', table(rows))}
${section(
  'Repeat it',
  html`<pre>${command}</pre>
<p class="note">A result is a file of rows: <code>wgpu-retrieve bench --json &gt; my-card.json</code>. Those in bench/results/ of the repository
are compared with <code>wgpu-retrieve bench --compare a.json b.json</code>; a pull request with yours is welcome.</p>`,
)}
</main>
</body>
</html>
`
  return page.html
}

const limitNote = html`<p class="note">A kernel needs arithmetic and memory. Its bar is the part of the limit that it comes nearer to: of the multiply-adds
this machine does in registers, or of the bytes it copies. The line is 100 %; above it are caches that hold what a kernel reads, and factors narrower than
32 bits.</p>`

export const isLimit = (row: BenchRow): boolean => row.name.startsWith('limit: ')

/** Tokenizing and sampling have none. */
const backendsOf = (rows: readonly BenchRow[]): string =>
  [...new Set(rows.map(row => row.backend))].filter(backend => backend !== 'none').join(', ') || 'the host alone'

const section = (title: string, content: Html) => html`<section>
<h2>${title}</h2>
${content}
</section>`

interface Bar {
  readonly label: string
  readonly value: number
  readonly text: string
}

/** In the limit's own unit. */
const rateOfLimit = (row: BenchRow): string =>
  rateText(row.limit === 'copy' && row.gbps !== undefined ? { gbps: row.gbps } : row)

const partsChart = (rows: readonly BenchRow[]): Promise<Html> => {
  const bars = rows.map(row => {
    const value = 100 * row.of_limit!
    return { label: `${row.name} ${row.shape}`, value, text: `${partText(row)}, ${rateOfLimit(row)}` }
  })
  return barChart(bars, 100, 'Rate of each kernel in per cent of the limit measured in the same run')
}

const ratiosChart = (rows: readonly BenchRow[]): Promise<Html> => {
  const bars = rows.map(row => ({
    label: `${row.name} ${row.shape}: ${row.peer}`,
    value: row.ratio!,
    text: `× ${row.ratio!.toFixed(2)}`,
  }))
  return barChart(bars, 1, 'Our speed divided by the rival’s')
}

const [ROW, LEFT, RIGHT, WIDTH] = [24, 370, 230, 240]

/** Horizontal bars, and a line at `mark`. */
function barChart(bars: readonly Bar[], mark: number, label: string): Promise<Html> {
  const y = { field: 'label', type: 'nominal' as const, sort: null, axis: { title: null, labelLimit: 0 } }
  const most = Math.max(mark, ...bars.map(bar => bar.value))
  const x = {
    field: 'value',
    type: 'quantitative' as const,
    scale: { domain: [0, most] },
    axis: { title: null, tickCount: 5 },
  }
  const text = { field: 'text', type: 'nominal' as const }
  const words = { type: 'text' as const, align: 'left' as const, dx: 6 }
  const spec: TopLevelSpec = {
    data: { values: [...bars] },
    layer: [
      { mark: { type: 'bar', height: 13, color: 'var(--c0)' }, encoding: { x, y } },
      {
        data: { values: [{ mark }] },
        mark: { type: 'rule', color: 'var(--soft)' },
        encoding: { x: { field: 'mark', type: 'quantitative' } },
      },
      // On the line: the page's colour around the letters keeps them readable.
      { mark: { ...words, stroke: 'var(--page)', strokeWidth: 4 }, encoding: { x, y, text } },
      { mark: words, encoding: { x, y, text } },
    ],
  }
  const margins = { left: LEFT, right: RIGHT, top: 6, bottom: 24 }
  return drawChart(spec, { width: WIDTH, height: ROW * bars.length, margins }, `${label}. ${spoken(bars)}`)
}

const spoken = (bars: readonly Bar[]): string => bars.map(({ label, text }) => `${label}: ${text}`).join('; ')

function table(rows: readonly BenchRow[]): Html {
  const beside = rows.some(({ peer }) => peer)
  const line = (
    row: BenchRow,
  ) => html`<tr><th scope="row">${row.name} ${row.shape}</th><td>${row.variant}</td><td>${timeText(row)}</td><td>${rateOfLimit(row)}</td><td>${row.of_limit === undefined ? '' : partText(row)}</td>${beside ? html`<td>${row.ratio === undefined ? '' : `× ${row.ratio.toFixed(2)} ${row.peer}`}</td>` : ''}<td>${row.verified ? row.max_error.toExponential(1) : 'not verified'}</td></tr>
`
  return html`<div class="wide-table"><table>
<thead><tr><th scope="col">what</th><th scope="col">variant</th><th scope="col">time</th><th scope="col">rate</th><th scope="col">of limit</th>${beside ? html`<th scope="col">beside</th>` : ''}<th scope="col">error</th></tr></thead>
<tbody>
${rows.map(line)}</tbody>
</table></div>`
}
