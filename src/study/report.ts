// A study as one page of HTML that opens without a network: tables, in-domain against out-of-domain with a point a cell, loss curves, costs, and what
// every number depends on.
import type { TopLevelSpec } from 'vega-lite'
import { counted } from '../data/counted.js'
import { basisPhrase, type RelativeBasis } from '../evaluate/relative.js'
import { pageOf, section } from '../run/report/document.js'
import { type Html, html } from '../run/report/html.js'
import { drawChart } from '../run/report/vega.js'
import { measureTitle } from '../run/report/words.js'
import { version } from '../version.js'
import { differenceText } from './differences.js'
import type { CellResult } from './result.js'
import { studySections } from './sections.js'
import { domainMean, labels, type StudyTable, seedGroups, variantOf } from './tables.js'
import { commonText, sampledText } from './texts.js'

export interface StudyReport {
  readonly name: string
  readonly question?: string | undefined
  readonly basis: RelativeBasis
  readonly cells: readonly CellResult[]
  /** Of each training set the test sets that are like it. */
  readonly alike?: Readonly<Record<string, readonly string[]>>
  /** Lines: cells that are impossible, failed or missing. */
  readonly missing: readonly string[]
  readonly notes: readonly string[]
}

export async function renderStudy(report: StudyReport): Promise<string> {
  const { name, question, cells, missing, notes, basis, alike } = report
  const [first, ...others] = studySections(cells, basis, alike)
  const tables = (given: typeof first) => (given ? section(given.title, html`${given.tables.map(tableHtml)}`) : '')
  const common = commonText(cells)
  const sampled = sampledText(cells)
  const measure = cells[0]?.measure ?? 'ndcg_at_10'
  const lead = html`<p class="lead">${counted(cells.length, 'training')}${common === '' ? '' : ` of ${common}`}. FT: full fine-tuning; in, out: in domain, out of domain. Figures are ${measureTitle(measure)} in percent, means over test sets, averaged over seeds${sampled === '' ? '' : `; searched are ${sampled}`}.
${basisPhrase(basis)}. ▲ higher, ▼ lower: p &lt; 0.05, paired randomisation test over queries.</p>
${notes.map(note => html`<p class="note">${note}</p>`)}`
  const main = html`${missing.length > 0 ? section('Not in it', html`<ul>${missing.map(line => html`<li>${line}</li>`)}</ul>`) : ''}
${tables(first)}
${cells.length > 0 ? section('In domain and out of domain', await scatter(cells)) : ''}
${others.slice(0, -1).map(tables)}
${cells.length > 0 ? section('Losses', await curves(cells)) : ''}
${tables(others.at(-1))}
${section('What every number depends on', fingerprints(cells))}`
  return pageOf({
    name,
    question,
    answer: differenceText(cells, basis),
    version,
    style: 'body{max-width:70rem}',
    lead,
    main,
  })
}

const tableHtml = ({
  title,
  head,
  rows,
}: StudyTable): Html => html`<div class="wide-table"><table style="--columns:${head.length - 1}">
<caption>${title}</caption>
<thead><tr>${head.map(name => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>
${rows.map(
  ([
    first = '',
    ...rest
  ]) => html`<tr><th scope="row">${first}</th>${rest.map(cell => html`<td>${marked(cell)}</td>`)}</tr>
`,
)}</tbody>
</table></div>
`

function marked(cell: string): Html | string {
  const mark = cell.at(-1)
  if (mark !== '▲' && mark !== '▼') return cell
  return html`${cell.slice(0, -1)}<i class="${mark === '▲' ? 'up' : 'down'}">${mark}</i>`
}

const COLOURS = ['--c0', '--c1', '--c2', '--c3', '--c4', '--c5'].map(name => `var(${name})`)
const size = { width: 640, height: 360, margins: { left: 56, right: 24, top: 12, bottom: 44 } }
/** The training set and the architecture, as far as cells differ by them. */
function kindsOf(cells: readonly CellResult[]): (cell: CellResult) => string {
  const label = labels(seedGroups(cells))
  return ({ axes }) => label({ ...axes, negatives: 'none', batch: 1 }, ['method'])
}

async function scatter(cells: readonly CellResult[]): Promise<Html> {
  const labelOf = kindsOf(cells)
  const values = cells.flatMap(cell => {
    const [inside, outside] = [domainMean(cell, 'in'), domainMean(cell, 'out')]
    if (inside === undefined || outside === undefined) return []
    const { method } = cell.axes
    return [{ x: 100 * inside, y: 100 * outside, kind: labelOf(cell), method: method === 'full' ? 'FT' : 'LoRA' }]
  })
  if (values.length === 0) return html`<p class="note">No cell was tested both in domain and out of domain.</p>`
  const kinds = [...new Set(values.map(({ kind }) => kind))]
  const axis = (field: string, title: string) => ({
    ...{ field, type: 'quantitative' as const, title },
    scale: { zero: false, nice: true },
    axis: { titleColor: 'var(--soft)', titleFontWeight: 'normal' as const },
  })
  const spec = {
    data: { values },
    mark: { type: 'point', filled: true, size: 80, opacity: 0.9 },
    encoding: {
      x: axis('x', 'in domain'),
      y: axis('y', 'out of domain'),
      color: { field: 'kind', type: 'nominal', scale: { domain: kinds, range: COLOURS }, legend: null },
      shape: {
        ...{ field: 'method', type: 'nominal', legend: null },
        scale: { domain: ['FT', 'LoRA'], range: ['square', 'circle'] },
      },
    },
  } as unknown as TopLevelSpec
  return html`<figure>${await drawChart(spec, size, 'In-domain against out-of-domain scores, a point a cell')}
<figcaption>Squares are full fine-tunings, circles LoRA. ${legend(kinds)}</figcaption></figure>`
}

/** Points on either side that a loss is averaged with. */
const REACH = 2

const smoothed = (losses: CellResult['losses']): { step: number; loss: number }[] =>
  losses.map(([step], i) => {
    const near = losses.slice(Math.max(0, i - REACH), i + REACH + 1)
    return { step, loss: near.reduce((sum, [, loss]) => sum + loss, 0) / near.length }
  })

/** A picture a training set and architecture: their losses have scales of their own. */
async function curves(cells: readonly CellResult[]): Promise<Html> {
  const labelOf = kindsOf(cells)
  const variant = ({ axes }: CellResult) => variantOf(axes).join(' · ') || 'in-batch negatives'
  const kinds = [...new Set(cells.map(labelOf))]
  const variants = [...new Set(cells.map(variant))]
  const colour = { field: 'variant', type: 'nominal', scale: { domain: variants, range: COLOURS }, legend: null }
  const dashes = { full: [1, 0], lora: [4, 3] }
  const small = { width: 400, height: 220, margins: { left: 48, right: 12, top: 8, bottom: 40 } }
  const figures: Html[] = []
  for (const kind of kinds) {
    const own = cells.filter(cell => labelOf(cell) === kind)
    const values = own.flatMap(cell =>
      smoothed(cell.losses).map(point => ({
        ...point,
        cell: cell.key,
        method: cell.axes.method,
        variant: variant(cell),
      })),
    )
    const axis = (field: string) => ({ field, type: 'quantitative', title: field, axis: { titleColor: 'var(--soft)' } })
    const spec = {
      data: { values },
      mark: { type: 'line', strokeWidth: 1.5, opacity: 0.85 },
      encoding: {
        ...{ x: axis('step'), y: axis('loss'), color: colour },
        strokeDash: {
          field: 'method',
          type: 'nominal',
          legend: null,
          scale: { domain: Object.keys(dashes), range: Object.values(dashes) },
        },
        detail: { field: 'cell', type: 'nominal' },
      },
    } as unknown as TopLevelSpec
    figures.push(html`<figure><figcaption><strong>${kind}</strong></figcaption>
${await drawChart(spec, small, `Losses of ${kind} over steps, a line a cell`)}</figure>`)
  }
  return html`<p class="note">A line a cell, each loss averaged with its neighbours. Whole lines are full fine-tunings, broken ones LoRA.</p>
${legend(variants)}
<div style="display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));column-gap:1.5rem">${figures}</div>`
}

const legend = (kinds: readonly string[]): Html =>
  html`<ul class="key">${kinds.map(
    (kind, i) =>
      html`<li><svg viewBox="0 0 22 8"><rect width="22" height="8" fill="${COLOURS[i % COLOURS.length]!}"/></svg>${kind}</li>`,
  )}</ul>`

function fingerprints(cells: readonly CellResult[]): Html {
  const rows = cells.map(({ key, tests, version: made }) => {
    const lines = tests.map(({ name, documents, corpus_sample: sample, truncated_queries: cut = 0, fingerprint }) => {
      const sampled = sample === undefined ? '' : ` (judged ones and ${sample} others)`
      const short = cut === 0 ? '' : `, ${counted(cut, 'query', 'queries')} cut`
      return html`<br>${name}, ${documents} documents${sampled}${short}: ${fingerprint}`
    })
    return html`<li><b>${key}</b> wgpu-retrieve ${made}${lines}</li>`
  })
  return html`<details><summary>Fingerprints of all cells</summary><ul>${rows}</ul></details>`
}
