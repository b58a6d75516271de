// How training went: loss, score on the dev split, learning rate and gradient norm of every trained system.
import type { TopLevelSpec } from 'vega-lite'
import { type Html, html } from './html.js'
import type { ComparisonRecord, Curve, CurveStep } from './record.js'
import { type Point, runningMean, thinned } from './series.js'
import { drawChart } from './vega.js'
import { counted, measureTitle } from './words.js'

const MOST_POINTS = 1200
const COLORS = ['var(--c0)', 'var(--c1)', 'var(--c2)', 'var(--c3)', 'var(--c4)', 'var(--c5)']
const DASHES = [
  [1, 0],
  [7, 3],
  [2, 2],
  [10, 3, 2, 3],
  [4, 4],
  [12, 4],
]

interface Series {
  readonly system: string
  readonly points: readonly Point[]
  /** How many values were not finite. */
  readonly left: number
}

interface Kind {
  readonly title: string
  readonly caption: string
  /** Raw values as faint points or as a faint line, with a running mean over them; or one line with a point at each value. */
  readonly drawn: 'points' | 'line' | 'plain' | 'marked'
  readonly height: number
  readonly fromZero: boolean
  readonly format: string
}

export async function trainingCharts({ curves }: ComparisonRecord): Promise<Html> {
  const systems = curves.map(curve => curve.system)
  const over = (value: (step: CurveStep) => number | undefined) => curves.map(curve => seriesOf(curve, value))
  const devMeasure = curves.find(curve => curve.devMeasure !== undefined)?.devMeasure
  const charts: [Kind, Series[]][] = [
    [
      {
        title: 'Loss',
        caption: 'each step, and its running mean',
        drawn: 'points',
        height: 190,
        fromZero: false,
        format: '.3~g',
      },
      over(step => step.loss),
    ],
    [
      {
        title: devMeasure === undefined ? 'Score on the dev split' : measureTitle(devMeasure),
        caption: devMeasure === undefined ? '' : 'on the dev split',
        drawn: 'marked',
        height: 190,
        fromZero: false,
        format: '.3~f',
      },
      over(step => step.devScore),
    ],
    [
      { title: 'Learning rate', caption: '', drawn: 'plain', height: 90, fromZero: true, format: '~e' },
      over(step => step.learningRate),
    ],
    [
      { title: 'Gradient norm', caption: '', drawn: 'line', height: 90, fromZero: true, format: '.3~g' },
      over(step => step.gradientNorm),
    ],
  ]
  const shown = charts.filter(([, series]) => series.some(({ points, left }) => points.length + left > 0))
  return html`${systems.length > 1 ? key(systems) : html`<p class="note">${systems[0]}</p>`}
<div class="pair">
${await Promise.all(shown.map(([kind, series]) => figure(kind, series, systems)))}
</div>`
}

function seriesOf({ system, steps }: Curve, value: (step: CurveStep) => number | undefined): Series {
  const given = steps.flatMap(step => {
    const y = value(step)
    return y === undefined ? [] : [{ x: step.step, y }]
  })
  const points = given.filter(({ y }) => Number.isFinite(y))
  return { system, points, left: given.length - points.length }
}

const colorOf = (i: number) => COLORS[i % COLORS.length]!
// A colour that comes a second time comes with another dash.
const dashOf = (i: number) => DASHES[(i + Math.floor(i / COLORS.length)) % DASHES.length]!

const key = (systems: readonly string[]) => html`<ul class="key">
${systems.map(
  (system, i) =>
    html`<li><svg viewBox="0 0 36 12" aria-hidden="true"><path d="M0 6H36" fill="none" stroke="${colorOf(i)}" stroke-width="2.5" stroke-dasharray="${dashOf(i).join(' ')}"/></svg>${system}</li>
`,
)}</ul>`

async function figure(kind: Kind, series: readonly Series[], systems: readonly string[]): Promise<Html> {
  const left = series.reduce((count, each) => count + each.left, 0)
  const skipped = left === 0 ? '' : `${counted(left, 'value')} not finite, left out`
  const drawn = series.some(each => each.points.length > 0)
  const ends = series.flatMap(({ system, points }) => {
    const [first, last] = [points[0], points.at(-1)]
    const text = (y: number) => String(Number(y.toPrecision(3)))
    return first && last
      ? [`${system} from ${text(first.y)} at step ${first.x} to ${text(last.y)} at step ${last.x}`]
      : []
  })
  const log = drawn && kind.drawn !== 'plain' && isSteep(series)
  const captions = [kind.caption, log ? 'logarithmic axis' : '', skipped].filter(Boolean).join('; ')
  const size = { width: 306, height: kind.height, margins: { left: 46, right: 12, top: 8, bottom: 26 } }
  const chart = drawn
    ? await drawChart(specification(kind, series, systems, log), size, `${kind.title} by step. ${ends.join('; ')}`)
    : html`<p>No finite values.</p>`
  return html`<figure>
<figcaption><strong>${kind.title}</strong>${captions ? html` <small>${captions}</small>` : ''}</figcaption>
${chart}
</figure>`
}

/** Whether a plain axis would press most of the values into a line. */
function isSteep(series: readonly Series[]): boolean {
  const values = series.flatMap(each => each.points.map(point => point.y)).sort((a, b) => a - b)
  return values[0]! > 0 && values.at(-1)! > 20 * values[Math.floor(values.length / 2)]!
}

function specification(kind: Kind, series: readonly Series[], systems: readonly string[], log: boolean): TopLevelSpec {
  const most = MOST_POINTS / series.length
  const smooth = (points: readonly Point[]) => (kind.drawn === 'points' || kind.drawn === 'line') && points.length >= 40
  const rows = (part: 'raw' | 'mean') =>
    series.flatMap(({ system, points }) => {
      if (part === 'mean')
        return smooth(points) ? thinned(runningMean(points), 200).map(row => ({ system, ...row })) : []
      return thinned(points, most).map(row => ({ system, ...row, alone: !smooth(points) }))
    })
  const x = {
    field: 'x',
    type: 'quantitative',
    scale: { nice: false, zero: false },
    axis: { title: null, tickCount: 4, tickMinStep: 1, format: ',d', grid: false, labelFlush: 12 },
  } as const
  const y = {
    field: 'y',
    type: 'quantitative',
    scale: log ? ({ type: 'log', nice: true } as const) : { zero: kind.fromZero, nice: 4 },
    axis: { title: null, tickCount: 4, format: kind.format },
  } as const
  const color = {
    field: 'system',
    type: 'nominal',
    scale: { domain: [...systems], range: systems.map((_, i) => colorOf(i)) },
    legend: null,
  } as const
  const strokeDash = {
    field: 'system',
    type: 'nominal',
    scale: { domain: [...systems], range: systems.map((_, i) => [...dashOf(i)]) },
    legend: null,
  } as const
  const lines = { x, y, color, strokeDash }
  const raw = { values: rows('raw') }
  const alone = [{ filter: 'datum.alone' }]
  return {
    layer: [
      kind.drawn === 'points'
        ? { data: raw, mark: { type: 'circle', size: 6, opacity: 0.3 }, encoding: { x, y, color } }
        : {
            data: raw,
            transform: [{ filter: '!datum.alone' }],
            mark: { type: 'line', strokeWidth: 1, opacity: 0.3 },
            encoding: { x, y, color },
          },
      { data: raw, transform: alone, mark: { type: 'line', strokeWidth: 2 }, encoding: lines },
      ...(kind.drawn === 'marked'
        ? [{ data: raw, mark: { type: 'circle', size: 28, opacity: 1 } as const, encoding: { x, y, color } }]
        : []),
      { data: { values: rows('mean') }, mark: { type: 'line', strokeWidth: 2 }, encoding: lines },
    ],
  }
}
