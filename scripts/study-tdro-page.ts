// npm run study:tdro:page: the tables of docs/tdro-controlled.md from the figures under bench/results/tdro-controlled/ (npm run study:tdro), each
// between two marks of its name; the prose around them stays.
//   --results <folder>   figures of another place     --page <file>   another page
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { comparedMeans, meanOf } from '../src/evaluate/relative.js'
import { writeFile } from '../src/runtime/write.js'

const root = new URL('..', import.meta.url).pathname
const { values } = parseArgs({ options: { results: { type: 'string' }, page: { type: 'string' } } })
const results = values.results ?? join(root, 'bench/results/tdro-controlled')
const page = values.page ?? join(root, 'docs/tdro-controlled.md')

interface Scored {
  readonly score: number
  /** In the order of the queries' ids. */
  readonly per_query: readonly number[]
}

interface Cell {
  readonly measure: string
  readonly tests: readonly {
    readonly name: string
    readonly queries: number
    readonly documents: number
    readonly before?: Scored
    readonly after: Scored
  }[]
}

/** What one row of the table of scores averages over its seeds. */
interface System {
  readonly label: string
  /** By seed, then by test, then by query. */
  readonly seeds: ReadonlyMap<number, readonly (readonly number[])[]>
}

const ALGORITHMS: Readonly<Record<string, string>> = {
  reference: 'tDRO',
  minus: 'tDRO, `minus`',
  group_dro: 'GroupDRO',
  cvar: 'CVaR',
  doremi: 'DoReMi',
  cgd: 'CGD',
  coco_dr: 'COCO-DR',
}

const read = (name: string): unknown => JSON.parse(readFileSync(join(results, name), 'utf8'))

function cellOf(name: string): Cell {
  const cell = read(name) as Partial<Cell>
  if (!cell.tests)
    throw new Error(
      `${join(results, name)} has no scores of single queries, which the tests of significance need; remove it and go on with npm run study:tdro (what ended is read, not done again)`,
    )
  return cell as Cell
}

const columns = (row: readonly string[]) => `| ${row.join(' | ')} |`
const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [columns(head), columns(head.map((_, i) => (i === 0 ? '---' : '--:'))), ...rows.map(columns)].join('\n')

/** The largest of each row bold. */
function weightsTable(): string {
  const { domains, weights } = read('weights.json') as {
    domains: readonly string[]
    weights: Readonly<Record<string, readonly number[]>>
  }
  const modes = Object.keys(weights)
  const shown = (alpha: readonly number[], g: number) => {
    const text = ((100 * alpha[g]!) / alpha.reduce((a, b) => a + b, 0)).toFixed(1)
    return alpha[g] === Math.max(...alpha) ? `**${text}**` : text
  }
  return table(
    ['weight, %', ...modes.map(mode => ALGORITHMS[mode] ?? mode)],
    domains.map((domain, g) => [domain, ...modes.map(mode => shown(weights[mode]!, g))]),
  )
}

function labelOf(key: string): string {
  const [, mode, transfer] = /^(.*)-(top-p|reweight)$/.exec(key) ?? []
  return mode ? `${ALGORITHMS[mode] ?? mode}, ${transfer}` : key
}

function readSystems(): { systems: System[]; before: System | undefined; first: Cell } {
  const found = new Map<string, Map<number, Cell>>()
  for (const file of readdirSync(results).sort()) {
    const [, key, seed] = /^(.*)-(\d+)\.json$/.exec(file) ?? []
    if (!key) continue
    if (!found.has(key)) found.set(key, new Map())
    found.get(key)!.set(Number(seed), cellOf(file))
  }
  const first = found.get('uniform')?.values().next().value
  if (!first) throw new Error(`${results} has no cell of uniform weights; begin with npm run study:tdro`)
  const order = ['uniform', ...Object.keys(ALGORITHMS).flatMap(mode => [`${mode}-top-p`, `${mode}-reweight`])]
  const systems = order.flatMap(key => {
    const cells = found.get(key)
    if (!cells) return []
    const seeds = new Map([...cells].map(([seed, { tests }]) => [seed, tests.map(({ after }) => after.per_query)]))
    return [{ label: labelOf(key), seeds }]
  })
  const untrained = first.tests.flatMap(({ before }) => (before ? [before.per_query] : []))
  const seeds = new Map([...systems[0]!.seeds.keys()].map(seed => [seed, untrained]))
  return { systems, before: untrained.length > 0 ? { label: 'before', seeds } : undefined, first }
}

/** Per test each query's mean over the seeds. */
function overSeeds({ seeds }: System, chosen: readonly number[]): number[][] {
  const rows = chosen.map(seed => seeds.get(seed)!)
  return rows[0]!.map((queries, t) => queries.map((_, q) => meanOf(rows.map(row => row[t]![q]!))))
}

const MARKS = { up: ' ▲', down: ' ▼', '': '' }

/** Against uniform over the seeds that both have; the best of a column bold. */
function scoresTable({ systems, before, first }: ReturnType<typeof readSystems>): string {
  const uniform = systems[0]!
  const rows = [...(before ? [before] : []), ...systems].map(system => {
    const shared = [...system.seeds.keys()].filter(seed => uniform.seeds.has(seed))
    if (shared.length === 0)
      throw new Error(`${system.label} has no seed that uniform has too; go on with npm run study:tdro`)
    const [now, old] = [overSeeds(system, shared), overSeeds(uniform, shared)]
    const single = now.map((queries, t) => comparedMeans([old[t]!], [queries]))
    return { system, seeds: shared.length, compared: [...single, comparedMeans(old, now)] }
  })
  const best = rows[0]!.compared.map((_, i) => Math.max(...rows.map(({ compared }) => compared[i]!.now)))
  const body = rows.map(({ system, seeds, compared }) => {
    const own = system === uniform
    const cells = compared.map(({ now, mark }, i) => {
      const text = (100 * now).toFixed(1)
      return (now === best[i] ? `**${text}**` : text) + (own ? '' : MARKS[mark])
    })
    const { difference, p } = compared.at(-1)!
    const sign = difference < 0 ? '−' : '+'
    const against = own ? ['', ''] : [`${sign}${(100 * Math.abs(difference)).toFixed(1)}`, p!.toFixed(3)]
    return [system.label, ...cells, ...against, system === before ? '' : String(seeds)]
  })
  const head = ['trained', ...first.tests.map(({ name }) => name), 'mean', 'against uniform', 'p', 'seeds']
  return table(head, body)
}

function testsTable({ tests }: Cell): string {
  return table(
    ['scored on', 'queries', 'documents'],
    tests.map(({ name, queries, documents }) => [name, String(queries), String(documents)]),
  )
}

/** Between `<!-- name -->` and `<!-- /name -->`. */
function withTable(text: string, name: string, made: string): string {
  const [from, to] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [start, end] = [text.indexOf(from), text.indexOf(to)]
  if (start < 0 || end < start) throw new Error(`${page}: expected the marks ${from} and ${to}, in this order`)
  return `${text.slice(0, start + from.length)}\n\n${made}\n\n${text.slice(end)}`
}

try {
  const read = readSystems()
  let text = readFileSync(page, 'utf8')
  for (const [name, made] of Object.entries({
    weights: weightsTable(),
    tests: testsTable(read.first),
    scores: scoresTable(read),
  }))
    text = withTable(text, name, made)
  await writeFile(page, text)
  console.log(`${page}: ${read.systems.length} fine-tunings`)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
