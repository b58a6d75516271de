// The sentences at the top: what came out, in words from the numbers, and what was run on what.
import { type Html, html } from './html.js'
import type { Against, ComparisonRecord, Group, Score, System, TestSet } from './record.js'
import { capital, counted, day, duration, grouped, listed, measureTitle, sum } from './words.js'

/** Below this, a difference is marked. */
export const SIGNIFICANT = 0.05

export const scoreOf = ({ scores }: ComparisonRecord, system: string, group: string, measure: string) =>
  scores.find(each => each.system === system && each.group === group && each.measure === measure)

/** What training starts from: the system that the others are tested against. */
export const startingPoint = ({ systems }: ComparisonRecord): System | undefined =>
  systems.find(system => system.kind === 'untrained')

/** The paired test of a score against the starting point. */
export function againstStart(record: ComparisonRecord, score: Score | undefined): Against | undefined {
  const start = startingPoint(record)
  return start && score?.against?.find(each => each.system === start.name)
}

const MOST_OTHERS = 2

/** The trained system with the highest main measure in the first group. */
export function bestTrained(record: ComparisonRecord): System | undefined {
  const [measure, group] = [record.measures[0], record.groups[0]]
  if (measure === undefined || !group) return undefined
  const height = (system: System) => scoreOf(record, system.name, group.name, measure)?.mean ?? Number.NaN
  return record.systems
    .filter(system => system.kind === 'trained' && Number.isFinite(height(system)))
    .reduce<System | undefined>((best, each) => (best && height(best) >= height(each) ? best : each), undefined)
}

/** "Full fine-tuning lifts nDCG@10 from 0.21 to 0.64 on areas trained on; BM25 reaches 0.71."; absent without scores. */
export function answer(record: ComparisonRecord): string | undefined {
  const { measures, groups, systems } = record
  const measure = measures[0]
  if (measure === undefined || groups.length === 0) return undefined
  const best = bestTrained(record)
  const start = startingPoint(record)
  const told = new Set<string>()
  const clauses: string[] = []
  if (best && start) {
    const change = changes(record, best, start, measure)
    if (change !== '') {
      told.add(best.name).add(start.name)
      const only = systems.filter(system => system.kind === 'trained').length === 1
      clauses.push(`${only && best.name === 'after' ? 'Training' : best.name} ${change}`)
    }
  }
  // Of what else was trained, a few: the tables have all.
  const others = systems.filter(system => !told.has(system.name))
  const few = others.filter(({ kind }) => kind === 'trained').length <= MOST_OTHERS
  for (const system of others.filter(({ kind }) => few || kind !== 'trained')) {
    const means = groups.map(group => scoreOf(record, system.name, group.name, measure)?.mean)
    if (!means.some(mean => mean !== undefined && Number.isFinite(mean))) continue
    const reached = groups.flatMap((group, i) =>
      Number.isFinite(means[i])
        ? [`${means[i]!.toFixed(2)}${clauses.length > 0 ? '' : ` ${place(record, group)}`}`]
        : [],
    )
    clauses.push(`${system.name} reaches ${clauses.length > 0 ? '' : `${measureTitle(measure)} `}${listed(reached)}`)
  }
  if (clauses.length === 0) return undefined
  const sentence = clauses.join('; ')
  // A name as "full" begins a sentence with a capital; one as "e5-small" stays.
  return `${/^[a-z]+ /.test(sentence) ? capital(sentence) : sentence}.`
}

/** "lifts nDCG@10 from 0.21 to 0.64 on areas trained on and from 0.20 to 0.31 on areas never seen". */
function changes(record: ComparisonRecord, after: System, before: System, measure: string): string {
  let verb = ''
  let text = ''
  for (const group of record.groups) {
    const [end, begin] = [after, before].map(system => scoreOf(record, system.name, group.name, measure))
    if (!end || !begin || !Number.isFinite(end.mean) || !Number.isFinite(begin.mean)) continue
    const [from, to] = [begin.mean.toFixed(2), end.mean.toFixed(2)]
    const here = from === to ? 'leaves' : end.mean > begin.mean ? 'lifts' : 'lowers'
    const subject = text === '' ? measureTitle(measure) : 'it'
    const link = text === '' ? '' : here === verb ? ' and ' : ' but '
    const p = againstStart(record, end)?.p
    const chance =
      p !== undefined && p >= SIGNIFICANT && here !== 'leaves' ? ', a difference that chance may explain,' : ''
    const way = here === 'leaves' ? `at ${from}` : `from ${from} to ${to}`
    text += `${link}${here === verb ? '' : `${here} ${subject} `}${way} ${place(record, group)}${chance}`
    verb = here
  }
  return text.replace(/,$/, '')
}

/** Where there is one group, its title says less than the tests' names. */
function place({ groups, tests }: ComparisonRecord, group: Group): string {
  if (groups.length > 1) return /^(in|out|on|over|at) /i.test(group.title) ? group.title : `on ${group.title}`
  return group.tests.length === 1 ? `on ${group.tests[0]}` : `over ${counted(tests.length, 'test set')}`
}

/** What was run on what, and how long it took. */
export function lead({ model, systems, tests, weights, started, seconds }: ComparisonRecord): Html {
  const name = model.name === undefined ? '' : `${model.name}: `
  const learned = weights && `weights of ${counted(weights.sets.length, 'training set')}`
  const several = systems.length === 0 && learned ? learned : counted(systems.length, 'system')
  const compared = systems.length === 1 ? systems[0]!.name : several
  const queries = counted(sum(tests.map(test => test.queries)), 'query', 'queries')
  const sets = tests.length === 1 ? tests[0]!.name : counted(tests.length, 'test set')
  const scored = tests.length === 0 ? '' : ` on ${sets}, ${queries} over ${documentsOf(tests)}`
  const time = seconds.total === undefined ? '' : `, in ${duration(seconds.total)}`
  return html`${name}${compared}${scored}. <time>${day(started)}</time>${time}.`
}

/** Not summed: test sets may share their documents. */
function documentsOf(tests: readonly TestSet[]): string {
  const counts = tests.map(test => test.documents)
  const [least, most] = [Math.min(...counts), Math.max(...counts)]
  const range = least === most ? counted(most, 'document') : `${grouped(least)} to ${grouped(most)} documents`
  return tests.length === 1 ? range : `${range} each`
}
