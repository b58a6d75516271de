// A Vega-Lite specification as SVG that stands in a page: its colours are the page's CSS variables, its size gives way.
import type { TopLevelSpec } from 'vega-lite'
import { escapeHtml, type Html } from './html.js'

/** Room around the plot, in pixels: fixed, because without a canvas Vega can only guess how wide a text is. */
export interface Margins {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

const CONFIG = {
  font: 'inherit',
  aria: false,
  background: 'none',
  view: { stroke: null },
  text: { fontSize: 13, fill: 'var(--text)', baseline: 'middle' },
  axis: {
    labelColor: 'var(--soft)',
    labelFontSize: 12,
    gridColor: 'var(--line)',
    domainColor: 'var(--line)',
    ticks: false,
    domain: false,
    labelPadding: 6,
  },
} as const

/** `size` in pixels without the margins. The `label` is what a reader hears. */
export async function drawChart(
  spec: TopLevelSpec,
  size: { readonly width: number; readonly height: number; readonly margins: Margins },
  label: string,
): Promise<Html> {
  // Loaded when a report is written: the other commands start without them.
  const [{ parse, View }, { compile }] = await Promise.all([import('vega'), import('vega-lite')])
  const { width, height, margins } = size
  const { spec: program } = compile({
    ...spec,
    width,
    height,
    padding: { ...margins },
    autosize: { type: 'none', contains: 'content' },
    config: CONFIG,
  } as TopLevelSpec)
  const view = new View(parse(program), { renderer: 'none' })
  const svg = await view.toSVG()
  view.finalize()
  const [across, down] = [width + margins.left + margins.right, height + margins.top + margins.bottom]
  const look = `viewBox="0 0 ${across} ${down}" style="max-width:${Math.round(across * 1.15)}px"`
  const open = `<svg ${look} role="img" aria-label="${escapeHtml(label)}">`
  return { html: svg.replace(/^[\s\S]*?<svg[^>]*>/, open) }
}
