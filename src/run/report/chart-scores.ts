// The main measure of every system: a mark with its interval, one row each, the groups below each other on one axis.
import type { TopLevelSpec } from 'vega-lite'
import type { PositionFieldDef } from 'vega-lite/types_unstable/channeldef.js'
import { type Html, html } from './html.js'
import type { ComparisonRecord, System } from './record.js'
import { scoreOf } from './summary.js'
import { drawChart } from './vega.js'
import { capital, intervalText, measureTitle, scoreText } from './words.js'

/** Told apart by shape and filling, not by colour alone. */
export const MARKS = {
  baseline: { shape: 'square', fill: 'var(--page)', color: 'var(--soft)', title: 'baseline' },
  untrained: { shape: 'circle', fill: 'var(--page)', color: 'var(--soft)', title: 'before training' },
  trained: { shape: 'circle', fill: 'var(--accent)', color: 'var(--accent)', title: 'after training' },
} as const

interface Row {
  readonly y: number
  readonly heading?: string
  readonly name?: string
  readonly kind?: System['kind']
  readonly mean?: number
  readonly low?: number
  readonly high?: number
  readonly value?: string
}

interface Layout {
  readonly width: number
  readonly rowHeight: number
  readonly left: number
  readonly right: number
  /** Whether name and value stand above the mark instead of beside it. */
  readonly above: boolean
}

const WIDE: Layout = { width: 430, rowHeight: 27, left: 210, right: 150, above: false }
const NARROW: Layout = { width: 324, rowHeight: 42, left: 8, right: 8, above: true }

export async function scoreChart(record: ComparisonRecord): Promise<Html> {
  const measure = record.measures[0]
  if (measure === undefined) return html``
  const rows = chartRows(record, measure)
  if (!rows.some(row => row.mean !== undefined)) return html``
  const label = `${measureTitle(measure)} of each system. ${rows
    .map(({ heading, name, value }) => (heading ? `${heading}:` : `${name} ${value};`))
    .join(' ')}`
  const [wide, narrow] = await Promise.all([draw(rows, measure, WIDE, label), draw(rows, measure, NARROW, label)])
  return html`<figure>
<figcaption><strong>${measureTitle(measure)}</strong> of each system, with its 95 % interval over queries</figcaption>
<div class="wide">${wide}</div>
<div class="narrow">${narrow}</div>
</figure>`
}

/** A heading for each group where there are several, then its systems. */
function chartRows(record: ComparisonRecord, measure: string): Row[] {
  const rows: Row[] = []
  for (const group of record.groups) {
    if (record.groups.length > 1) rows.push({ y: rows.length, heading: capital(group.title) })
    for (const { name, kind } of record.systems) {
      const score = scoreOf(record, name, group.name, measure)
      if (!score || !Number.isFinite(score.mean)) continue
      const interval = intervalText(score.low, score.high)
      rows.push({
        y: rows.length,
        name,
        kind,
        mean: score.mean,
        ...(interval && { low: score.low, high: score.high }),
        value: `${scoreText(score.mean)}${interval && `  ${interval}`}`,
      })
    }
  }
  return rows
}

function draw(rows: readonly Row[], measure: string, layout: Layout, label: string): Promise<Html> {
  const { width, rowHeight, left, right } = layout
  const height = rows.length * rowHeight
  const margins = { left, right, top: 4, bottom: 40 }
  return drawChart(specification(rows, measure, layout), { width, height, margins }, label)
}

function specification(rows: readonly Row[], measure: string, { width, left, right, above }: Layout): TopLevelSpec {
  const highest = Math.max(...rows.map(row => Math.max(row.mean ?? 0, row.high ?? 0)), 0.05)
  const lowest = Math.min(0, ...rows.map(row => Math.min(row.mean ?? 0, row.low ?? 0)))
  const domain = [lowest, Math.min(Math.max(1, highest), highest * 1.05)]
  const x = (field: string): PositionFieldDef<string> => ({
    field,
    type: 'quantitative',
    scale: { domain, nice: true },
    axis: { title: measureTitle(measure), tickCount: 5, orient: 'bottom' },
  })
  // Rows are numbered from the top; a mark stands in the middle of its row, or below its name.
  const y: PositionFieldDef<string> = {
    field: 'y',
    type: 'quantitative',
    scale: { domain: [rows.length, 0], nice: false, zero: false },
    axis: null,
  }
  const at = (place: number) => ({ calculate: `datum.y + ${place}`, as: 'y' }) as const
  const mark = at(above ? 0.72 : 0.5)
  const text = at(above ? 0.3 : 0.5)
  const byKind = (look: 'shape' | 'fill' | 'color') => ({
    field: 'kind',
    type: 'nominal' as const,
    scale: { domain: Object.keys(MARKS), range: Object.values(MARKS).map(each => each[look]) },
    legend: null,
  })
  const textLayer = (field: 'name' | 'heading' | 'value', align: 'left' | 'right', place: number, bold = false) => ({
    transform: [{ filter: `isValid(datum.${field})` }, field === 'heading' ? at(above ? 0.6 : 0.55) : text],
    mark: { type: 'text', align, fontWeight: bold ? 600 : 400, limit: above ? width * 0.6 : left - 14 } as const,
    encoding: { text: { field, type: 'nominal' } as const, x: { value: place }, y },
  })
  return {
    data: { values: rows.map(row => ({ ...row })) },
    layer: [
      {
        transform: [{ filter: 'isValid(datum.low)' }, mark],
        mark: { type: 'rule', strokeWidth: 3, opacity: 0.55 },
        encoding: { x: x('low'), x2: { field: 'high' }, y, color: byKind('color') },
      },
      {
        transform: [{ filter: 'isValid(datum.mean)' }, mark],
        mark: { type: 'point', size: 75, strokeWidth: 2, opacity: 1 },
        encoding: {
          x: x('mean'),
          y,
          color: byKind('color'),
          shape: byKind('shape'),
          fill: byKind('fill'),
        },
      },
      textLayer('heading', 'left', above ? 0 : -left, true),
      textLayer('name', 'left', above ? 0 : -left),
      textLayer('value', 'right', above ? width : width + right),
    ],
  }
}
