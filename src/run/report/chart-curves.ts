// How training went: loss, score on the dev split, learning rate and gradient norm of every trained system.
import { type Html, html } from './html.js'
import { colorOf, dashOf, type LineKind, lineSpecification, type Series } from './lines.js'
import type { ComparisonRecord, Curve, CurveStep } from './record.js'
import { drawChart } from './vega.js'
import { counted, measureTitle } from './words.js'

interface Kind extends LineKind {
  readonly title: string
  readonly caption: string
}

/** Of the plot, in pixels. */
const [LOW, MIDDLE, TALL] = [90, 190, 262]

const LOSS: Kind = {
  ...{ title: 'Loss', caption: 'each step, and its running mean', drawn: 'points' },
  ...{ height: MIDDLE, fromZero: false, format: '.3~g' },
}
const LEARNING_RATE: Kind = {
  ...{ title: 'Learning rate', caption: '', drawn: 'plain' },
  ...{ height: LOW, fromZero: true, format: '~e' },
}
const GRADIENT_NORM: Kind = {
  ...{ title: 'Gradient norm', caption: '', drawn: 'line' },
  ...{ height: LOW, fromZero: true, format: '.3~g' },
}
const devScore = (measure: string | undefined): Kind => ({
  ...{ title: measure === undefined ? 'Score' : measureTitle(measure), caption: 'on the dev split', drawn: 'marked' },
  ...{ height: MIDDLE, fromZero: false, format: '.3~f' },
})

export async function trainingCharts({ curves }: ComparisonRecord): Promise<Html> {
  const systems = curves.map(curve => curve.system)
  const over = (value: (step: CurveStep) => number | undefined) => curves.map(curve => seriesOf(curve, value))
  const devMeasure = curves.find(curve => curve.devMeasure !== undefined)?.devMeasure
  const charts: [Kind, Series[]][] = [
    [LOSS, over(step => step.loss)],
    [devScore(devMeasure), over(step => step.devScore)],
    [LEARNING_RATE, over(step => step.learningRate)],
    [GRADIENT_NORM, over(step => step.gradientNorm)],
  ]
  const shown = charts.filter(([, series]) => series.some(({ points, left }) => points.length + left > 0))
  // Three stand as one beside two.
  const three = shown.length === 3
  const drawn = shown.map(([kind, series], i) => figure(kind, series, three && i === 0 ? TALL : kind.height))
  return html`${systems.length > 1 ? key(systems) : ''}
<div class="pair ${three ? 'three' : ''}">
${await Promise.all(drawn)}
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

const key = (systems: readonly string[]) => html`<ul class="key">
${systems.map(
  (system, i) =>
    html`<li><svg viewBox="0 0 36 12" aria-hidden="true">
<path d="M0 6H36" fill="none" stroke="${colorOf(i)}" stroke-width="2.5" stroke-dasharray="${dashOf(i).join(' ')}"/>
</svg>${system}</li>
`,
)}</ul>`

async function figure(kind: Kind, series: readonly Series[], height: number): Promise<Html> {
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
  const size = { width: 306, height, margins: { left: 46, right: 12, top: 8, bottom: 26 } }
  const chart = drawn
    ? await drawChart(
        lineSpecification({ ...kind, height }, series, log),
        size,
        `${kind.title} by step. ${ends.join('; ')}`,
      )
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
