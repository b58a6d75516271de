// The main measure of every system: a mark with its interval, a row each, the groups below each other on one axis.
import type { TopLevelSpec } from 'vega-lite'
import type { PositionFieldDef } from 'vega-lite/types_unstable/channeldef.js'
import { type Html, html } from './html.js'
import { MARKS } from './marks.js'
import type { ComparisonRecord, System } from './record.js'
import { scoreOf } from './summary.js'
import { groupTitle } from './tables.js'
import { drawChart } from './vega.js'
import { cutTo, intervalText, measureTitle, scoreText, sum } from './words.js'

interface Row {
  /** Of the row's upper edge, in rows from the top. */
  readonly y: number
  readonly heading?: string
  readonly name?: string
  readonly kind?: System['kind']
  readonly mean?: number
  readonly low?: number
  readonly high?: number
  readonly value?: string
  readonly interval?: string
}

/** In pixels. */
interface Layout {
  /** Of the plot. */
  readonly width: number
  readonly rowHeight: number
  readonly left: number
  readonly right: number
  /** Whether name and value stand above the mark instead of beside it. */
  readonly above: boolean
  /** Room for a name; the label and the tables have all of a longer one. */
  readonly name: number
}

const FULL_WIDTH = 800
const INTERVAL = 92
const VALUE = 56
const NARROW: Layout = { width: 324, rowHeight: 48, left: 8, right: 8, above: true, name: 176 }

/** Names at the left, as wide as the longest. */
function wideLayout(rows: readonly Row[]): Layout {
  const name = Math.min(290, Math.max(70, ...rows.map(row => widthOf(row.name ?? ''))))
  const left = name + 20
  const right = VALUE + (hasIntervals(rows) ? INTERVAL : 0)
  return { width: FULL_WIDTH - left - right, rowHeight: 28, left, right, above: false, name }
}

/** About, in pixels: without a canvas nothing measures text. Chinese letters are twice as wide as Latin ones. */
const widthOf = (text: string) => sum([...text].map(letter => (letter.codePointAt(0)! > 0x2e7f ? 13.5 : 7)))

/** Cut where it is wider than `room`. */
function fitted(text: string, room: number): string {
  let cut = text
  for (let most = [...text].length - 1; widthOf(cut) > room && most > 0; most--) cut = cutTo(text, most)
  return cut
}

const hasIntervals = (rows: readonly Row[]) => rows.some(row => row.interval)

export async function scoreChart(record: ComparisonRecord): Promise<Html> {
  const measure = record.measures[0]
  if (measure === undefined) return html``
  const rows = chartRows(record, measure)
  if (!rows.some(row => row.mean !== undefined)) return html``
  const label = `${measureTitle(measure)} of each system. ${rows
    .map(({ heading, name, value, interval }) => heading ?? `${name} ${value}${interval ? ` (${interval})` : ''};`)
    .join(' ')}`
  const draw = (layout: Layout) => {
    const { width, rowHeight, left, right } = layout
    const size = { width, height: rows.length * rowHeight, margins: { left, right, top: 4, bottom: 24 } }
    return drawChart(specification(rows, layout), size, label)
  }
  const [wide, narrow] = await Promise.all([draw(wideLayout(rows)), draw(NARROW)])
  return html`<figure>
<figcaption><strong>${measureTitle(measure)}</strong>${hasIntervals(rows) ? ' with 95 % intervals' : ''}</figcaption>
<div class="wide">${wide}</div>
<div class="narrow">${narrow}</div>
</figure>`
}

/** A heading for each group where there are several, then its systems. */
function chartRows(record: ComparisonRecord, measure: string): Row[] {
  const rows: Row[] = []
  for (const group of record.groups) {
    if (record.groups.length > 1) rows.push({ y: rows.length, heading: groupTitle(group) })
    for (const { name, kind } of record.systems) {
      const score = scoreOf(record, name, group.name, measure)
      if (!score || !Number.isFinite(score.mean)) continue
      const interval = intervalText(score.low, score.high)
      rows.push({
        ...{ y: rows.length, name, kind, mean: score.mean, value: scoreText(score.mean) },
        ...(interval && { low: score.low, high: score.high, interval }),
      })
    }
  }
  return rows
}

function specification(rows: readonly Row[], layout: Layout): TopLevelSpec {
  const { above } = layout
  const [low, high] = [rows.map(row => row.low ?? row.mean ?? 0), rows.map(row => row.high ?? row.mean ?? 0)]
  const domain = [Math.min(0, ...low), Math.max(0.05, ...high)]
  const x = (field: string): PositionFieldDef<string> => ({
    field,
    type: 'quantitative',
    scale: { domain, nice: true },
    axis: { title: null, tickCount: above ? 4 : 6, format: '.2~f', labelFlush: false },
  })
  const y = vertical(rows.length)
  const byKind = (look: 'shape' | 'fill' | 'color') => ({
    field: 'kind',
    type: 'nominal' as const,
    scale: { domain: Object.keys(MARKS), range: Object.values(MARKS).map(each => each[look]) },
    legend: null,
  })
  const looks = { color: byKind('color'), shape: byKind('shape'), fill: byKind('fill') }
  const place = moved(above ? 0.66 : 0.5)
  return {
    data: {
      values: rows.map(row => ({ ...row, name: row.name === undefined ? null : fitted(row.name, layout.name) })),
    },
    layer: [
      {
        transform: [{ filter: 'isValid(datum.low)' }, place],
        mark: { type: 'rule', strokeWidth: 3, opacity: 0.55 },
        encoding: { x: x('low'), x2: { field: 'high' }, y, color: looks.color },
      },
      {
        transform: [{ filter: 'isValid(datum.mean)' }, place],
        mark: { type: 'point', size: 80, strokeWidth: 2, opacity: 1 },
        encoding: { x: x('mean'), y, ...looks },
      },
      ...texts(rows, layout),
    ],
  }
}

/** Rows are numbered from the top. */
const vertical = (count: number): PositionFieldDef<string> => ({
  field: 'y',
  type: 'quantitative',
  scale: { domain: [count, 0], nice: false, zero: false },
  axis: null,
})

const moved = (place: number) => ({ calculate: `datum.y + ${place}`, as: 'y' })

function texts(rows: readonly Row[], { above, width, left, right }: Layout) {
  const [start, end] = above ? [0, width] : [-left, width + right]
  const layer = (field: 'heading' | 'name' | 'value' | 'interval', x: number, look: object, place: number) => ({
    transform: [{ filter: `isValid(datum.${field})` }, moved(place)],
    mark: { type: 'text' as const, align: x === start ? ('left' as const) : ('right' as const), ...look },
    encoding: { text: { field, type: 'nominal' as const }, x: { value: x }, y: vertical(rows.length) },
  })
  const bold = { fontWeight: 600 }
  const beside = above ? 0.32 : 0.5
  return [
    layer('heading', start, bold, 0.58),
    layer('name', start, {}, beside),
    layer('value', end - (hasIntervals(rows) ? INTERVAL : 0), bold, beside),
    layer('interval', end, { fill: 'var(--soft)', fontSize: 12 }, beside),
  ]
}
