// Weights of training sets as tDRO learned them: a sorted bar for each set, the weights over steps, and the losses over steps.
import type { TopLevelSpec } from 'vega-lite'
import { type Html, html } from './html.js'
import { colorOf, dashOf, lineSpecification, type Series } from './lines.js'
import { drawChart } from './vega.js'
import { counted, cutTo, grouped } from './words.js'

/** What is shown of learned weights; lists have an entry a set. */
export interface WeightsRecord {
  readonly mode: string
  readonly sets: readonly string[]
  readonly pairs: readonly number[]
  readonly tokens: readonly number[]
  /** The weights that are used, and which of the three they are: final, mean, ema. */
  readonly alpha: readonly number[]
  readonly kept: string
  readonly steps: readonly WeightsStep[]
  /** How a step was put together, in words. */
  readonly facts: readonly string[]
}

export interface WeightsStep {
  readonly alpha: readonly number[]
  /** Of the proxy; null where the set was not in the step. */
  readonly loss: readonly (number | null)[]
  readonly reference?: readonly (number | null)[]
}

const ROW = 24
const MOST_OF_A_NAME = 28

export async function weightCharts(record: WeightsRecord): Promise<Html> {
  const { sets, steps, facts, alpha } = record
  const order = sets.map((_, g) => g).sort((a, b) => alpha[b]! - alpha[a]!)
  const series = (value: (step: WeightsStep, g: number) => number | null | undefined): Series[] =>
    sets.map((system, g) => {
      const points = steps.flatMap((step, x) => {
        const y = value(step, g)
        return typeof y === 'number' && Number.isFinite(y) ? [{ x, y }] : []
      })
      return { system, points, left: 0 }
    })
  const ratio = (step: WeightsStep, g: number) => {
    const [loss, reference] = [step.loss[g], step.reference?.[g]]
    return typeof loss === 'number' && reference ? loss / reference : null
  }
  const ratios = series(ratio)
  return html`<p class="note">${facts.join(' · ')}</p>
${await bars(record, order)}
${key(sets)}
<div class="pair">
${await lines(
  'Weights',
  'over the steps',
  series((step, g) => step.alpha[g]),
  'plain',
)}
${await lines(
  "The proxy's losses",
  'mean of each step',
  series((step, g) => step.loss[g]),
  'line',
)}
${ratios.some(({ points }) => points.length > 0) ? await lines('Ratio', "the proxy's loss divided by the reference's", ratios, 'line') : ''}
</div>`
}

async function bars({ sets, alpha, kept, pairs, tokens }: WeightsRecord, order: readonly number[]): Promise<Html> {
  const uniform = 1 / sets.length
  const rows = order.map((g, i) => ({
    ...{ y: i, name: cutTo(sets[g]!, MOST_OF_A_NAME), weight: alpha[g]!, value: alpha[g]!.toFixed(4) },
    about: `${counted(pairs[g]!, 'pair')}, ${grouped(tokens[g]!)} tokens`,
  }))
  const label = `Weights of the training sets. ${rows.map(({ name, value }) => `${name} ${value}`).join('; ')}`
  const size = { width: 440, height: rows.length * ROW, margins: { left: 200, right: 240, top: 4, bottom: 24 } }
  return html`<figure>
<figcaption><strong>Weights of the training sets</strong> <small>${kept === 'final' ? 'of the last step' : kept === 'mean' ? 'mean over the steps' : 'running average'}; the line is where all are alike</small></figcaption>
${await drawChart(barSpecification(rows, uniform), size, label)}
</figure>`
}

function barSpecification(rows: readonly { y: number; weight: number }[], uniform: number): TopLevelSpec {
  const most = Math.max(uniform, ...rows.map(({ weight }) => weight))
  const x = {
    field: 'weight',
    type: 'quantitative' as const,
    scale: { domain: [0, most], nice: true },
    axis: { title: null, tickCount: 5, format: '.2~f' },
  }
  const y = (field: string) => ({
    field,
    type: 'quantitative' as const,
    scale: { domain: [rows.length, 0], nice: false, zero: false },
    axis: null,
  })
  const text = (field: string, at: number, align: 'left' | 'right', look: object) => ({
    mark: { type: 'text' as const, align, ...look },
    encoding: { text: { field, type: 'nominal' as const }, x: { value: at }, y: y('middle') },
  })
  return {
    data: { values: rows.map(row => ({ ...row, top: row.y + 0.15, bottom: row.y + 0.85, middle: row.y + 0.5 })) },
    layer: [
      {
        mark: { type: 'rect', fill: 'var(--accent)', opacity: 0.75 },
        encoding: { x: { ...x, stack: null }, x2: { datum: 0 }, y: y('top'), y2: { field: 'bottom' } },
      },
      {
        data: { values: [{ weight: uniform }] },
        mark: { type: 'rule', strokeDash: [4, 3], stroke: 'var(--soft)' },
        encoding: { x },
      },
      text('name', -192, 'left', {}),
      text('value', 450, 'left', { fontWeight: 600 }),
      text('about', 672, 'right', { fill: 'var(--soft)', fontSize: 12 }),
    ],
  } as unknown as TopLevelSpec
}

const key = (sets: readonly string[]) => html`<ul class="key">
${sets.map(
  (set, i) =>
    html`<li><svg viewBox="0 0 36 12" aria-hidden="true">
<path d="M0 6H36" fill="none" stroke="${colorOf(i)}" stroke-width="2.5" stroke-dasharray="${dashOf(i).join(' ')}"/>
</svg>${set}</li>
`,
)}</ul>`

async function lines(
  title: string,
  caption: string,
  series: readonly Series[],
  drawn: 'plain' | 'line',
): Promise<Html> {
  const shown = series.filter(({ points }) => points.length > 0)
  const ends = shown.map(({ system, points }) => `${system} ${points.at(-1)!.y.toPrecision(3)}`).join('; ')
  const size = { width: 306, height: 220, margins: { left: 46, right: 12, top: 8, bottom: 26 } }
  // Losses and their ratios are above 0, weights may be far from it.
  const kind = { drawn, height: 220, fromZero: drawn === 'line', format: '.3~g' }
  // All of them, so that a set keeps its colour.
  const chart = await drawChart(lineSpecification(kind, series, false), size, `${title} by step. At the end: ${ends}`)
  return html`<figure>
<figcaption><strong>${title}</strong> <small>${caption}</small></figcaption>
${chart}
</figure>`
}
