// A study's figures as tables, in the form of Lee et al. 2023 (arXiv:2311.09765): LoRA against full fine-tuning, negatives against none, larger batches
// against B, out of domain and in domain, each with REL. DIFF (%) and a mark where a paired test over queries finds the difference. Seeds are averaged.
import { type ComparedMeans, comparedMeans, meanOf, type RelativeBasis, relativeText } from '../evaluate/relative.js'
import type { Axes } from './grid.js'
import type { CellResult, CellTest } from './result.js'

export interface StudyTable {
  readonly title: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** Cells that differ by their seeds alone, as one. */
export interface SeedGroup {
  readonly axes: Omit<Axes, 'seed'>
  readonly cells: readonly CellResult[]
}

export const AXES = ['model', 'set', 'architecture', 'method', 'negatives', 'batch'] as const

const idOf = (axes: Omit<Axes, 'seed'>, without: readonly string[] = []): string =>
  AXES.filter(axis => !without.includes(axis))
    .map(axis => axes[axis])
    .join(' · ')

const METHODS = { full: 'FT', lora: 'LoRA' } as const

/** What is said of a cell's negatives and batch: nothing of those that all begin with. */
export const variantOf = ({ negatives, batch }: Pick<Axes, 'negatives' | 'batch'>): string[] => [
  ...(negatives === 'none' ? [] : [`${negatives} negatives`]),
  ...(batch === 1 ? [] : [`${batch}B`]),
]

/** What names each of these groups in tables: that by which they differ. */
export function labels(groups: readonly SeedGroup[]): (axes: SeedGroup['axes'], without?: readonly string[]) => string {
  const differ = (axis: (typeof AXES)[number]) => new Set(groups.map(({ axes }) => axes[axis])).size > 1
  const named = (['model', 'set', 'architecture'] as const).filter(differ)
  const methods = differ('method')
  return (axes, without = []) => {
    const method = methods && !without.includes('method') ? [METHODS[axes.method]] : []
    const name = (axis: (typeof named)[number]) => (axis === 'architecture' ? axes[axis].replace('_', ' ') : axes[axis])
    const parts = [...named.map(name), ...method, ...variantOf(axes)]
    return parts.length > 0 ? parts.join(' · ') : name('architecture')
  }
}

export function seedGroups(cells: readonly CellResult[]): SeedGroup[] {
  const groups = new Map<string, SeedGroup>()
  for (const cell of cells) {
    const { seed: _, ...axes } = cell.axes
    const id = idOf(axes)
    groups.set(id, { axes, cells: [...(groups.get(id)?.cells ?? []), cell] })
  }
  return [...groups.values()]
}

/** Of a domain each test's values of queries, averaged over the seeds. Tests that not all cells have are left out. */
export function queryValues({ cells }: SeedGroup, tests: readonly CellTest[]): number[][] {
  return tests.map(({ name }) => {
    const rows = cells.map(cell => cell.tests.find(test => test.name === name)!.per_query)
    return rows[0]!.map((_, i) => meanOf(rows.map(row => row[i]!)))
  })
}

/** The tests of a domain that all of these cells have, with as many queries. */
export function commonTests(groups: readonly SeedGroup[], domain: 'in' | 'out'): CellTest[] {
  const cells = groups.flatMap(group => group.cells)
  const [first] = cells
  return (first?.tests ?? []).filter(
    test =>
      test.domain === domain &&
      cells.every(cell =>
        cell.tests.some(
          each => each.name === test.name && each.domain === domain && each.per_query.length === test.per_query.length,
        ),
      ),
  )
}

/** Those of both that share a seed, where any do: another seed is another training. */
function sameSeeds(old: SeedGroup, now: SeedGroup): readonly [SeedGroup, SeedGroup] {
  const seeds = ({ cells }: SeedGroup) => new Set(cells.map(cell => cell.axes.seed))
  const [a, b] = [seeds(old), seeds(now)]
  const shared = [...a].filter(seed => b.has(seed))
  if (shared.length === 0) return [old, now]
  const only = (group: SeedGroup) => ({ ...group, cells: group.cells.filter(({ axes }) => shared.includes(axes.seed)) })
  return [only(old), only(now)]
}

/** Compared over the tests of a domain; undefined where they have none in common. */
export function compareGroups(
  older: SeedGroup,
  newer: SeedGroup,
  domain: 'in' | 'out',
  basis: RelativeBasis,
  keep: (test: string) => boolean = () => true,
): ComparedMeans | undefined {
  const [old, now] = sameSeeds(older, newer)
  const tests = commonTests([old, now], domain).filter(({ name }) => keep(name))
  return tests.length === 0 ? undefined : comparedMeans(queryValues(old, tests), queryValues(now, tests), { basis })
}

const MARKS = { up: ' ▲', down: ' ▼', '': '' }
const points = (value: number | undefined): string => (value === undefined ? '–' : (100 * value).toFixed(1))
export const pText = (p: number | undefined): string =>
  p === undefined ? '' : p < 0.001 ? 'p<0.001' : `p=${p.toFixed(3)}`

/** Old, new, REL. DIFF with its mark, and p. */
function compareCells(compared: ComparedMeans | undefined): string[] {
  if (!compared) return ['–', '–', '–', '']
  const { old, now, relative, mark, p } = compared
  return [points(old), points(now), relativeText(relative) + MARKS[mark], pText(p)]
}

export interface Pair {
  readonly label: string
  readonly old: SeedGroup
  readonly now: SeedGroup
}

function pairTable(
  title: string,
  what: string,
  names: readonly [string, string],
  pairs: readonly Pair[],
  basis: RelativeBasis,
): StudyTable {
  const heads = (domain: string) => [`${names[0]} ${domain}`, `${names[1]} ${domain}`, 'REL. DIFF', 'test']
  return {
    title,
    head: [what, ...heads('out'), ...heads('in')],
    rows: pairs.map(({ label, old, now }) => [
      label,
      ...compareCells(compareGroups(old, now, 'out', basis)),
      ...compareCells(compareGroups(old, now, 'in', basis)),
    ]),
  }
}

/** Pairs of groups that differ by one axis: its value `from` and another one. */
export function pairsBy(groups: readonly SeedGroup[], axis: (typeof AXES)[number], from: string | number): Pair[] {
  const label = labels(groups)
  return groups.flatMap(old => {
    if (old.axes[axis] !== from) return []
    const alike = (other: SeedGroup) => other !== old && idOf(other.axes, [axis]) === idOf(old.axes, [axis])
    return groups.filter(alike).map(now => ({ label: label(now.axes, axis === 'method' ? [axis] : []), old, now }))
  })
}

export const methodTable = (groups: readonly SeedGroup[], basis: RelativeBasis): StudyTable =>
  pairTable('LoRA against full fine-tuning (FT)', 'trained', ['FT', 'LoRA'], pairsBy(groups, 'method', 'full'), basis)

export const negativesTable = (groups: readonly SeedGroup[], basis: RelativeBasis): StudyTable =>
  pairTable('Hard negatives against none', 'trained', ['none', 'with'], pairsBy(groups, 'negatives', 'none'), basis)

export function batchTable(groups: readonly SeedGroup[], basis: RelativeBasis): StudyTable {
  const title = 'Larger batches (more in-batch negatives) against B'
  return pairTable(title, 'trained', ['B', 'larger'], pairsBy(groups, 'batch', 1), basis)
}

/** The effect of hard negatives on test sets that are like the training set and on others. */
export function likenessTable(
  groups: readonly SeedGroup[],
  alike: Readonly<Record<string, readonly string[]>>,
  basis: RelativeBasis,
): StudyTable {
  const rows = pairsBy(groups, 'negatives', 'none').map(({ label, old, now }) => {
    const near = alike[old.axes.set] ?? []
    const cell = (keep: (test: string) => boolean) => {
      const compared = compareGroups(old, now, 'out', basis, keep)
      return compared ? relativeText(compared.relative) + MARKS[compared.mark] : '–'
    }
    return [label, cell(test => near.includes(test)), cell(test => !near.includes(test)), near.join(', ') || 'none']
  })
  return {
    title: 'Hard negatives against none, out of domain, by the likeness of the test set to the training set',
    head: ['trained', 'alike', 'different', 'alike are'],
    rows,
  }
}

/** The main measure of every group on every test set. */
export function testTable(groups: readonly SeedGroup[]): StudyTable {
  const label = labels(groups)
  const names = [...new Set(groups.flatMap(({ cells }) => cells[0]!.tests.map(({ name }) => name)))]
  return {
    title: 'Every test set; those of the training set’s domain in brackets',
    head: ['trained', ...names, 'seeds'],
    rows: groups.map(group => [
      label(group.axes),
      ...names.map(name => {
        const found = group.cells.flatMap(cell => cell.tests.filter(test => test.name === name))
        if (found.length === 0) return '–'
        const mean = points(meanOf(found.map(({ per_query: values }) => meanOf(values))))
        return found[0]!.domain === 'in' ? `[${mean}]` : mean
      }),
      String(group.cells.length),
    ]),
  }
}

const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)

/** What each cell took; where its learning rate was searched for, that beside it, since seeds share it. */
export function costTable(cells: readonly CellResult[]): StudyTable {
  const searched = cells.some(({ seconds }) => seconds.search !== undefined)
  return {
    title: 'What each cell cost',
    head: [
      ...['cell', 'parameters trained', 'peak MiB', 'steps', 'learning rate', 'training s', 'all s'],
      ...(searched ? ["rate's search s, once for all seeds"] : []),
    ],
    rows: cells.map(({ key, parameters, peak_bytes, steps, learning_rate, seconds }) => [
      ...[key, parameters.toLocaleString('en-US'), megabytes(peak_bytes), String(steps), String(learning_rate)],
      ...[seconds.training.toFixed(0), seconds.total.toFixed(0)],
      ...(searched ? [seconds.search?.toFixed(0) ?? '–'] : []),
    ]),
  }
}

/** For each full fine-tuning the largest LoRA batch whose peak is no more: what is saved goes into the batch. */
export function roomTable(groups: readonly SeedGroup[]): StudyTable {
  const label = labels(groups)
  const peak = ({ cells }: SeedGroup) => Math.max(...cells.map(cell => cell.peak_bytes))
  const rows = groups
    .filter(({ axes }) => axes.method === 'full')
    .flatMap(full => {
      const others = groups.filter(
        ({ axes }) =>
          axes.method === 'lora' && idOf(axes, ['method', 'batch']) === idOf(full.axes, ['method', 'batch']),
      )
      const fitting = others.filter(lora => peak(lora) <= peak(full)).sort((a, b) => b.axes.batch - a.axes.batch)[0]
      if (others.length === 0) return []
      const same = others.find(({ axes }) => axes.batch === full.axes.batch)
      return [
        [
          label(full.axes, ['method']),
          megabytes(peak(full)),
          same ? megabytes(peak(same)) : '–',
          fitting ? `${fitting.axes.batch}B (${megabytes(peak(fitting))})` : 'none of those trained',
        ],
      ]
    })
  return {
    title: 'Memory: what LoRA saves, in MiB, and the largest of its batches that takes no more than FT',
    head: ['trained', 'FT', 'LoRA, the same batch', 'LoRA, largest batch'],
    rows,
  }
}

/** The means of a cell over the tests of a domain; undefined where it has none. */
export function domainMean({ tests }: CellResult, domain: 'in' | 'out'): number | undefined {
  const own = tests.filter(test => test.domain === domain)
  return own.length === 0 ? undefined : meanOf(own.map(({ per_query: values }) => meanOf(values)))
}
