// A study's figures as a page of Markdown: first LoRA against full fine-tuning in points with sign and significance, then all tables. Put between two marks
// of a page that says more, so that its figures are never written by hand.
import { basisPhrase, type RelativeBasis } from '../evaluate/relative.js'
import { differenceText } from './differences.js'
import type { CellResult } from './result.js'
import { studyTables } from './sections.js'
import type { StudyTable } from './tables.js'
import { commonText, sampledText } from './texts.js'

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
  const common = commonText(cells)
  const lead = [
    `${cells.length} cells (${seeds === 1 ? 'one seed' : `${seeds} seeds`}), wgpu-retrieve ${made}${common === '' ? '' : `, of ${common}`}. Figures are ${cells[0]?.measure ?? 'scores'} in percent, means over test sets, averaged over seeds`,
    ...(sampled === '' ? [] : [`; searched are ${sampled}`]),
    `. ${basisPhrase(basis)}. ▲ higher, ▼ lower: p < 0.05, paired randomisation test over queries.`,
  ].join('')
  const tables = studyTables(cells, basis, alike)
  const absent = missing.length > 0 ? [`Not in it:\n\n${missing.map(line => `- ${line}\n`).join('')}`] : []
  return [lead, differenceText(cells, basis), ...absent, ...tables.map(tableMarkdown)].join('\n\n')
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
