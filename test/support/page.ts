// Reading a page of HTML back, as far as tests need it.
import * as assert from 'uvu/assert'

/** The text of a page without its tags and style. */
export const textOf = (page: string) =>
  decoded(
    page
      .replace(/<style>[\s\S]*?<\/style>/, '')
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' '),
  )

const decoded = (text: string) =>
  text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')

/** Every element that is opened is closed, in order; the names of all. */
export function elementsOf(page: string): string[] {
  const names: string[] = []
  const open: string[] = []
  for (const [, close, name = '', empty] of page.matchAll(/<(\/?)([a-zA-Z][a-zA-Z0-9]*)[^>]*?(\/?)>/g)) {
    if (close) assert.is(open.pop(), name, `</${name}>`)
    else {
      names.push(name)
      if (!empty && name !== 'meta') open.push(name)
    }
  }
  assert.equal(open, [])
  return names
}

/** The rows of every table: the text of each cell. */
export const tablesOf = (page: string) =>
  [...page.matchAll(/<table[\s\S]*?<\/table>/g)].map(([table]) =>
    [...table.matchAll(/<tr>([\s\S]*?)<\/tr>/g)].map(([, row = '']) =>
      [...row.matchAll(/<t[hd][^>]*>([\s\S]*?)<\/t[hd]>/g)].map(([, cell = '']) => textOf(cell).trim()),
    ),
  )

/** The figure whose caption begins with `title`. */
export const figureOf = (page: string, title: string) =>
  page.match(/<figure>[\s\S]*?<\/figure>/g)?.find(figure => figure.includes(`<figcaption><strong>${title}</strong>`)) ??
  ''
