// The loss as a line that grows.
const NAMESPACE = 'http://www.w3.org/2000/svg'
const [HEIGHT, LEFT, BOTTOM] = [200, 46, 24]

function element(name: string, attributes: Readonly<Record<string, string | number>>, text = ''): SVGElement {
  const made = document.createElementNS(NAMESPACE, name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value))
  made.textContent = text
  return made
}

/** Draws `losses` of `steps` steps that there will be; the title says the same in words. */
export function drawLosses(svg: Element, losses: readonly number[], steps: number): void {
  // As wide as there is room for, so that its words are of one size with the page's.
  const width = svg.clientWidth || 640
  svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`)
  const highest = Math.max(...losses, 1e-6) * 1.05
  const x = (step: number) => LEFT + ((width - LEFT - 10) * step) / Math.max(1, steps - 1)
  const y = (loss: number) => 10 + (HEIGHT - BOTTOM - 10) * (1 - loss / highest)
  const title = element(
    'title',
    { id: 'loss-title' },
    `Loss ${losses[0]?.toFixed(3)} at first, ${losses.at(-1)?.toFixed(3)} after step ${losses.length} of ${steps}`,
  )
  const marks = [0, highest / 2, highest].flatMap(value => [
    element('line', { x1: LEFT, x2: width - 10, y1: y(value), y2: y(value) }),
    element('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, value.toFixed(2)),
  ])
  const ends = [
    element('text', { x: LEFT, y: HEIGHT - 6 }, 'step 1'),
    element('text', { x: width - 10, y: HEIGHT - 6, 'text-anchor': 'end' }, String(steps)),
  ]
  const points = losses.map((loss, step) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`).join(' ')
  svg.replaceChildren(title, ...marks, ...ends, element('polyline', { points }))
}
