// A study's figures as a page of Markdown: first LoRA against full fine-tuning in points with sign and significance, then all tables. Put between two marks
// of a page that says more, so that its figures are never written by hand.
import { basisPhrase, type RelativeBasis } from '../evaluate/relative.js'
import type { CellResult } from './result.js'
import { compareGroups, pairsBy, pText, type StudyTable, sampledText, seedGroups, studyTables } from './tables.js'

const START = '<!-- tables -->'
const END = '<!-- end of tables -->'

export interface MarkdownReport {
  readonly cells: readonly CellResult[]
  readonly basis: RelativeBasis
  /** Of each training set the test sets that are like it. */
  readonly alike?: Readonly<Record<string, readonly string[]>> | undefined
  /** Lines: cells that are impossible, failed or missing. */
  readonly missing: readonly string[]
}

export function studyMarkdown({ cells, basis, alike, missing }: MarkdownReport): string {
  const seeds = new Set(cells.map(({ axes }) => axes.seed)).size
  const made = [...new Set(cells.map(({ version }) => version))].join(', ')
  const sampled = sampledText(cells)
  const lead = [
    `${cells.length} cells (${seeds === 1 ? 'one seed' : `${seeds} seeds`}), wgpu-retrieve ${made}. Figures are ${cells[0]?.measure ?? 'scores'} in percent, means over test sets, averaged over seeds`,
    ...(sampled === '' ? [] : [`; searched are ${sampled}`]),
    `. ${basisPhrase(basis)}. ▲ higher, ▼ lower: p < 0.05, paired randomisation test over queries.`,
  ].join('')
  const tables = [differenceTable(cells, basis), ...studyTables(cells, basis, alike)].filter(
    ({ rows }) => rows.length > 0,
  )
  const absent = missing.length > 0 ? [`Not in it:\n\n${missing.map(line => `- ${line}\n`).join('')}`] : []
  return [lead, sentence(cells, basis), ...absent, ...tables.map(tableMarkdown)].join('\n\n')
}

const DOMAINS = ['out', 'in'] as const
const NAMES = { out: 'out of domain', in: 'in domain' }

const methodPairs = (cells: readonly CellResult[]) => pairsBy(seedGroups(cells), 'method', 'full')

/** LoRA − FT in points of the measure, a row a way of training. */
export function differenceTable(cells: readonly CellResult[], basis: RelativeBasis): StudyTable {
  const cell = (compared: ReturnType<typeof compareGroups>): string[] => {
    if (!compared) return ['–', '', '–']
    const { difference, p, mark } = compared
    const verdict = { up: 'LoRA higher ▲', down: 'LoRA lower ▼', '': 'no difference found' }[mark]
    return [signed(100 * difference), pText(p), verdict]
  }
  return {
    title: 'LoRA − FT, in points',
    head: ['trained', ...DOMAINS.flatMap(domain => [NAMES[domain], 'test', 'so'])],
    rows: methodPairs(cells).map(({ label, old, now }) => [
      label,
      ...DOMAINS.flatMap(domain => cell(compareGroups(old, now, domain, basis))),
    ]),
  }
}

/** In how many ways of training LoRA is above full fine-tuning, and below it. */
function sentence(cells: readonly CellResult[], basis: RelativeBasis): string {
  const pairs = methodPairs(cells)
  return DOMAINS.flatMap(domain => {
    const found = pairs.flatMap(({ old, now }) => compareGroups(old, now, domain, basis) ?? [])
    if (found.length === 0) return []
    const count = (test: (each: (typeof found)[number]) => boolean) => found.filter(test).length
    const mean = found.reduce((sum, { difference }) => sum + difference, 0) / found.length
    return [
      `${NAMES[domain]}, LoRA − FT is ${signed(100 * mean)} points in the mean of ${found.length} ways of training: above 0 in ` +
        `${count(({ difference }) => difference > 0)} (${count(({ mark }) => mark === 'up')} significant), below in ` +
        `${count(({ difference }) => difference < 0)} (${count(({ mark }) => mark === 'down')} significant).`,
    ]
  })
    .map(line => line[0]!.toUpperCase() + line.slice(1))
    .join(' ')
}

/** 1.24 → '+1.2'; there is no sign on a figure that rounds to 0. */
function signed(value: number): string {
  const text = Math.abs(value).toFixed(1)
  return `${Number(text) === 0 ? '' : value < 0 ? '−' : '+'}${text}`
}

/** The first column to the left, the others to the right. */
export function tableMarkdown({ title, head, rows }: StudyTable): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const rule = head.map((_, i) => (i === 0 ? '---' : '--:'))
  return [`**${title}**`, '', line(head), line(rule), ...rows.map(line)].join('\n')
}

/** What a page holds between its marks replaced; without marks (or a page) there is a page of the tables alone. */
export function intoPage(page: string | undefined, title: string, tables: string): string {
  const [from, to] = [page?.indexOf(START) ?? -1, page?.indexOf(END) ?? -1]
  const whole = `${START}\n\n${tables}\n\n${END}`
  if (page === undefined) return `# ${title}\n\n${whole}\n`
  if (from < 0 || to < from) throw new Error(`the page has no lines ${START} and ${END} to put tables between`)
  return page.slice(0, from) + whole + page.slice(to + END.length)
}
