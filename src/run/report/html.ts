// HTML by a tagged template: whatever is put in is escaped, unless it is HTML made here.

export interface Html {
  readonly html: string
}

type Part = Html | string | number | undefined | readonly (Html | string)[]

/** What a text or an attribute in quotes may hold. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)

export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return { html: strings.reduce((made, text, i) => made + render(parts[i - 1]) + text) }
}

function render(part: Part): string {
  if (part === undefined) return ''
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part))
  return 'html' in part ? part.html : part.map(render).join('')
}
