// Numbers, times and names of measures as people write them.

export const grouped = (value: number) => value.toLocaleString('en-US')

export const counted = (value: number, one: string, many = `${one}s`) => `${grouped(value)} ${value === 1 ? one : many}`

export const listed = (names: readonly string[]) =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`

export const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

/** By characters, not by halves of them. */
export function cutTo(text: string, most: number): string {
  const characters = [...text]
  return characters.length <= most
    ? text
    : `${characters
        .slice(0, most - 1)
        .join('')
        .trimEnd()}…`
}

/** A key of a record: peak_bytes, peak bytes. */
export const words = (key: string) => key.replaceAll('_', ' ')

export const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)

/** A score; what is not a number is a dash. */
export const scoreText = (value: number | undefined, digits = 3) =>
  value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(digits)

/** Absent where there is nothing between: a single query. */
export function intervalText(low: number, high: number, digits = 3): string {
  if (!Number.isFinite(low) || !Number.isFinite(high) || low === high) return ''
  return `${low.toFixed(digits)}–${high.toFixed(digits)}`
}

/** A real minus, and no sign before what rounds to nothing. */
export function signed(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return '–'
  const text = Math.abs(value).toFixed(digits)
  return Number(text) === 0 ? text : `${value < 0 ? '−' : '+'}${text}`
}

export const pText = (p: number) => (p < 0.001 ? 'p < 0.001' : `p = ${p.toFixed(3)}`)

export function day(iso: string): string {
  const date = new Date(iso)
  return Number.isNaN(date.getTime()) ? iso : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

/** With spaces that no line is broken at. */
export function duration(seconds: number): string {
  const text = (parts: string) => parts.replaceAll(' ', '\u00a0')
  if (seconds < 60) return text(`${seconds.toFixed(1)} s`)
  const minutes = Math.round(seconds / 60)
  if (seconds < 600) return text(`${Math.floor(Math.round(seconds) / 60)} min ${Math.round(seconds) % 60} s`)
  return text(minutes < 60 ? `${minutes} min` : `${grouped(Math.floor(minutes / 60))} h ${minutes % 60} min`)
}

export const megabytes = (bytes: number) => `${grouped(Math.round(bytes / 1e6))} MB`

const TITLES: Readonly<Record<string, string>> = {
  ndcg: 'nDCG',
  map: 'MAP',
  mrr: 'MRR',
  r_precision: 'R-precision',
  bpref: 'bpref',
}

/** `ndcg_at_10` as people write it: nDCG@10. */
export function measureTitle(name: string): string {
  const [kind = '', cut] = name.split('_at_')
  const title = Object.hasOwn(TITLES, kind) ? TITLES[kind]! : capital(kind)
  return cut === undefined ? title : `${title}@${cut}`
}

const MEANINGS: Readonly<Record<string, (among: string) => string>> = {
  ndcg: among => `how near ${among} to the best order: a relevant document counts less the further down it stands`,
  mrr: among => `1 divided by the rank of the first relevant document ${among}; 0 where there is none`,
  recall: among => `the share of the relevant documents that are ${among}`,
  precision: among => `the share of relevant documents ${among}`,
  success: among => `1 where a relevant document is ${among}, else 0`,
  map: among => `the mean of the precisions at the rank of every relevant document ${among}`,
  r_precision: () => 'the share of relevant documents among the first R, where R documents are relevant',
  bpref: () => 'how rarely a document judged irrelevant stands above a relevant one; unjudged documents do not count',
}

/** In one line; a mean over queries in each case. */
export function measureMeaning(name: string): string | undefined {
  const [kind = '', cut] = name.split('_at_')
  if (!Object.hasOwn(MEANINGS, kind)) return undefined
  if (kind === 'ndcg') return MEANINGS.ndcg!(cut ? `the first ${cut} results come` : 'the ranking comes')
  return MEANINGS[kind]!(cut ? `among the first ${cut} results` : 'in the ranking')
}
