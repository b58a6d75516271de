// What the page says and lists.
import type { Hit, Pair } from '../index.js'
import type { BenchLine, Place } from './messages.js'

export const at = <T extends Element = HTMLElement>(id: string): T => document.getElementById(id) as unknown as T
export const value = (id: string): string => at<HTMLInputElement>(id).value

function write(id: string, text: string, bad: boolean, live: 'polite' | 'off'): void {
  const place = at(id)
  place.setAttribute('aria-live', live)
  place.textContent = text
  place.classList.toggle('bad', bad)
}

/** Read out by screen readers. */
export const say = (id: string, text: string, bad = false): void => write(id, text, bad, 'polite')
/** What is on the way: many times a second, so that only who looks gets it. */
export const tell = (id: string, text: string): void => write(id, text, false, 'off')

function button(text: string, name: string, act: () => void): HTMLButtonElement {
  const made = document.createElement('button')
  made.type = 'button'
  made.textContent = text
  made.setAttribute('aria-label', name)
  made.onclick = act
  return made
}

function span(text: string, className = ''): HTMLSpanElement {
  const made = document.createElement('span')
  made.textContent = text
  if (className) made.className = className
  return made
}

function listItem(...parts: (Node | string)[]): HTMLLIElement {
  const item = document.createElement('li')
  item.append(...parts)
  return item
}

/** `use`: a text is said to answer the question. */
export function showHits(hits: readonly Hit[], use: (text: string) => void): void {
  const items = hits.map(({ text, score }) =>
    listItem(
      span(score.toFixed(3), 'score'),
      text,
      button('this answers it', `this answers it: ${text.slice(0, 80)}`, () => use(text)),
    ),
  )
  at('hits').replaceChildren(...items)
}

export function showPairs(pairs: readonly Pair[], remove: (i: number) => void): void {
  const items = pairs.map(({ query, positives }, i) =>
    listItem(
      span(`${query} → ${positives[0]}`),
      button('Remove', `Remove the pair ${query}`, () => remove(i)),
    ),
  )
  at('pairs').replaceChildren(...items)
}

function row(cells: readonly string[], numbers: readonly number[] = []): HTMLTableRowElement {
  const made = document.createElement('tr')
  for (const [i, text] of cells.entries()) {
    const cell = made.insertCell()
    cell.textContent = text
    if (numbers.includes(i)) cell.className = 'number'
  }
  return made
}

const bodyOf = (id: string): HTMLTableSectionElement => at(id).querySelector('tbody')!

export function showPlaces(places: readonly Place[]): void {
  const stand = ({ rank, first }: Place['before']) =>
    rank === 0 ? 'not among the texts' : rank === 1 ? 'first' : `place ${rank}; first is “${first.slice(0, 120)}”`
  bodyOf('places').replaceChildren(
    ...places.map(({ query, before, after }) => row([query, stand(before), stand(after)])),
  )
  at('places').hidden = places.length === 0
}

export const clearRows = (): void => bodyOf('rows').replaceChildren()

export function addRow({ name, shape, milliseconds, rate, verified }: BenchLine): void {
  at('rows').hidden = false
  bodyOf('rows').append(row([name, shape, `${milliseconds.toFixed(3)} ms`, rate, verified ? 'yes' : 'NO'], [2, 3]))
}
