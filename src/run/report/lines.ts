// Lines over training steps as a Vega-Lite specification.
import type { TopLevelSpec } from 'vega-lite'
import type { PositionFieldDef } from 'vega-lite/types_unstable/channeldef.js'
import { type Point, runningMean, thinned } from './series.js'

export interface Series {
  readonly system: string
  /** Finite. */
  readonly points: readonly Point[]
  /** How many values were not finite. */
  readonly left: number
}

export interface LineKind {
  /** Raw values as faint points or a faint line, a running mean over them; or one line, with a point at each value. */
  readonly drawn: 'points' | 'line' | 'plain' | 'marked'
  /** Of the plot, in pixels. */
  readonly height: number
  readonly fromZero: boolean
  /** Of the numbers at the axis, as d3-format has it. */
  readonly format: string
}

const MOST_POINTS = 1200
const MOST_MEANS = 200
const FEWEST_TO_SMOOTH = 40

const COLORS = ['var(--c0)', 'var(--c1)', 'var(--c2)', 'var(--c3)', 'var(--c4)', 'var(--c5)']
const DASHES: readonly (readonly number[])[] = [
  [1, 0],
  [7, 3],
  [2, 2],
  [10, 3, 2, 3],
  [4, 4],
  [12, 4],
]

export const colorOf = (i: number) => COLORS[i % COLORS.length]!
// A colour that comes a second time comes with another dash.
export const dashOf = (i: number) => DASHES[(i + Math.floor(i / COLORS.length)) % DASHES.length]!

/** `log`: a logarithmic axis; every value must be positive. */
export function lineSpecification(kind: LineKind, series: readonly Series[], log: boolean): TopLevelSpec {
  const { raw, mean } = rowsOf(kind, series, log)
  const systems = series.map(each => each.system)
  const scaled = (range: (string | number[])[]) => ({
    field: 'system',
    type: 'nominal' as const,
    scale: { domain: systems, range },
    legend: null,
  })
  const faint = { ...axes(kind, series, log), color: scaled(systems.map((_, i) => colorOf(i))) }
  const line = { ...faint, strokeDash: scaled(systems.map((_, i) => [...dashOf(i)])) }
  const [width, size] = [2, raw.length > 600 ? 7 : 16]
  const alone = { filter: 'datum.alone' }
  const single = { filter: 'datum.single' }
  return {
    layer: [
      kind.drawn === 'points'
        ? { data: { values: raw }, mark: { type: 'circle', size, opacity: 0.35 }, encoding: faint }
        : {
            data: { values: raw },
            transform: [{ filter: '!datum.alone' }],
            mark: { type: 'line', strokeWidth: 1, opacity: 0.35 },
            encoding: faint,
          },
      {
        data: { values: raw },
        transform: [alone],
        mark: { type: 'line', strokeWidth: width },
        encoding: line,
      },
      // A line through a single point would not be seen.
      {
        data: { values: raw },
        transform: kind.drawn === 'marked' ? [] : [single],
        mark: { type: 'circle', size: 30, opacity: 1 },
        encoding: faint,
      },
      { data: { values: mean }, mark: { type: 'line', strokeWidth: width }, encoding: line },
    ],
  }
}

/** Smoothed on the axis it stands on: a spike on a logarithmic one moves the line as far as it is seen. */
function rowsOf({ drawn }: LineKind, series: readonly Series[], log: boolean) {
  const smoothed = ({ points }: Series) => (drawn === 'points' || drawn === 'line') && points.length >= FEWEST_TO_SMOOTH
  const [to, from] = log ? [Math.log, Math.exp] : [Number, Number]
  const onAxis = (points: readonly Point[]) => points.map(({ x, y }) => ({ x, y: to(y) }))
  return {
    raw: series.flatMap(each =>
      thinned(each.points, MOST_POINTS / series.length).map(row => ({
        ...{ ...row, system: each.system, alone: !smoothed(each), single: each.points.length === 1 },
      })),
    ),
    mean: series
      .filter(smoothed)
      .flatMap(({ system, points }) =>
        thinned(runningMean(onAxis(points)), MOST_MEANS).map(({ x, y }) => ({ system, x, y: from(y) })),
      ),
  }
}

function axes({ height, fromZero, format }: LineKind, series: readonly Series[], log: boolean) {
  const x: PositionFieldDef<string> = {
    field: 'x',
    type: 'quantitative',
    scale: { nice: false, zero: false },
    axis: { title: null, tickCount: 4, tickMinStep: 1, format: ',d', grid: false, labelFlush: false },
  }
  const v = 'datum.value'
  const labelExpr = `${v} === 0 ? '0' : ${v} >= 1000 ? format(${v}, ',d') : format(${v}, '${format}')`
  const y: PositionFieldDef<string> = {
    field: 'y',
    type: 'quantitative',
    scale: log ? { type: 'log', nice: true } : { zero: fromZero, nice: 4 },
    axis: { title: null, labelExpr, ...(log ? { values: powersOfTen(series) } : { tickCount: height > 100 ? 5 : 3 }) },
  }
  return { x, y }
}

function powersOfTen(series: readonly Series[]): number[] {
  const powers = series.flatMap(({ points }) => points.map(({ y }) => Math.log10(y)))
  // Not spread into Math.min, whose arguments are limited in number.
  const low = Math.floor(powers.reduce((a, b) => Math.min(a, b)))
  const high = Math.ceil(powers.reduce((a, b) => Math.max(a, b)))
  return Array.from({ length: high - low + 1 }, (_, i) => Number(`1e${low + i}`))
}
