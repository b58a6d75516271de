// How kinds of systems look: told apart by shape and filling, not by colour alone.
import { type Html, html } from './html.js'
import type { System } from './record.js'

export const MARKS = {
  baseline: { shape: 'square', fill: 'var(--page)', color: 'var(--soft)' },
  untrained: { shape: 'circle', fill: 'var(--page)', color: 'var(--soft)' },
  trained: { shape: 'circle', fill: 'var(--accent)', color: 'var(--accent)' },
} as const

/** The mark by itself, for a list of the systems. */
export function markOf(kind: System['kind']): Html {
  const { shape, fill, color } = MARKS[kind]
  const look = html`fill="${fill}" stroke="${color}" stroke-width="2"`
  return html`<svg class="mark" viewBox="0 0 14 14" aria-hidden="true">${
    shape === 'square'
      ? html`<rect x="2.5" y="2.5" width="9" height="9" ${look}/>`
      : html`<circle cx="7" cy="7" r="5" ${look}/>`
  }</svg>`
}
