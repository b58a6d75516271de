// A line over training steps as inline SVG. Only the plot is stretched to the page's width; labels are HTML, so that they keep
// their size on a phone and on paper.
import { type Html, html } from './html.js'

export interface Point {
  readonly x: number
  readonly y: number
}

export interface ChartSettings {
  readonly title: string
  /** In x and y order; points that are not finite are left out. */
  readonly points: readonly Point[]
  /** Draws the points faintly and their running mean over them. */
  readonly smooth?: boolean
  /** Whether the vertical axis starts at 0. */
  readonly fromZero?: boolean
  readonly xLabel: string
}

const MOST_POINTS = 1000

export function lineChart({ title, points, smooth = false, fromZero = false, xLabel }: ChartSettings): Html {
  const finite = points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))
  const [first, last] = [finite[0], finite.at(-1)]
  if (!first || !last) return html`<figure><figcaption>${title}</figcaption><p>No finite values.</p></figure>`
  const values = finite.map(point => point.y)
  const ys = ticks(fromZero ? Math.min(0, least(values)) : least(values), most(values), 4)
  const xs = ticks(first.x, last.x, 5).filter(x => Number.isInteger(x) && x >= first.x && x <= last.x)
  const [bottom, top] = [ys[0]!, ys.at(-1)!]
  const across = (x: number) => (last.x === first.x ? 50 : (100 * (x - first.x)) / (last.x - first.x))
  const down = (y: number) => 100 - (100 * (y - bottom)) / (top - bottom)
  const path = (line: readonly Point[]) =>
    thinned(line)
      .map(({ x, y }) => `${across(x).toFixed(2)},${down(y).toFixed(2)}`)
      .join(' ')
  const smoothed = smooth && finite.length >= 40
  const summary = `${title}: ${tickText(first.y, first.y / 100)} at ${xLabel} ${first.x}, ${tickText(last.y, last.y / 100)} at ${xLabel} ${last.x}`
  return html`<figure class="chart">
<figcaption>${title}${smoothed ? html` <small>each ${xLabel}, and its running mean</small>` : ''}</figcaption>
<div class="plot">
<div class="y" aria-hidden="true">${ys.map(y => html`<span style="top:${down(y).toFixed(2)}%">${tickText(y, ys[1]! - bottom)}</span>`)}</div>
<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="${summary}">
${ys.map(y => html`<path class="grid" d="M0 ${down(y).toFixed(2)}H100"/>`)}
<polyline class="${smoothed ? 'faint' : 'line'}" points="${path(finite.length === 1 ? [first, { ...first, x: first.x + 1 }] : finite)}"/>
${smoothed ? html`<polyline class="line" points="${path(runningMean(finite))}"/>` : ''}
</svg>
<div class="x" aria-hidden="true">${xs.map(x => html`<span style="left:${across(x).toFixed(2)}%">${x.toLocaleString('en-US')}</span>`)}</div>
</div>
</figure>`
}

// Not spread into Math.min, whose arguments are limited in number.
const least = (values: readonly number[]) => values.reduce((a, b) => Math.min(a, b))
const most = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b))

/** About `count` round numbers that enclose `low` to `high`; at least two. */
export function ticks(low: number, high: number, count: number): number[] {
  const spread = high - low || Math.abs(high) || 1
  const rough = spread / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5, 10].find(factor => factor * power >= rough * 0.999) ?? 10)
  const start = Math.floor(low / step + 1e-9)
  const end = Math.max(start + 1, Math.ceil(high / step - 1e-9))
  // A step below 1 is used as its inverse, a whole number: 3 · 0.1 would not be 0.3.
  const inverse = Math.round(1 / step)
  return Array.from({ length: end - start + 1 }, (_, i) => (step < 1 ? (start + i) / inverse : (start + i) * step))
}

/** As many digits as the distance between two ticks needs. */
function tickText(value: number, step: number): string {
  if (value === 0) return '0'
  const digits = Math.max(0, -Math.floor(Math.log10(Math.abs(step) || 1)))
  if (digits <= 3)
    return value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits })
  return String(Number(value.toPrecision(3))).includes('e') || Math.abs(value) < 0.001
    ? Number(value.toPrecision(3)).toExponential()
    : String(Number(value.toPrecision(3)))
}

/** Over about a twentieth of the points around each, as many before as after it, so that a falling line is not seen late. */
function runningMean(points: readonly Point[]): Point[] {
  const sums = [0]
  for (const { y } of points) sums.push(sums.at(-1)! + y)
  return points.map(({ x }, i) => {
    const reach = Math.min(Math.ceil(points.length / 40), i, points.length - 1 - i)
    return { x, y: (sums[i + reach + 1]! - sums[i - reach]!) / (2 * reach + 1) }
  })
}

/** At most about MOST_POINTS: of each run of neighbours the lowest and the highest, so that no spike is lost. */
function thinned(points: readonly Point[]): readonly Point[] {
  if (points.length <= MOST_POINTS) return points
  const size = Math.ceil((2 * points.length) / MOST_POINTS)
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const run = points.slice(i * size, (i + 1) * size)
    const low = run.reduce((a, b) => (b.y < a.y ? b : a))
    const high = run.reduce((a, b) => (b.y > a.y ? b : a))
    return low.x < high.x ? [low, high] : [high, low]
  }).flat()
}
