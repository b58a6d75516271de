// A study from the command line: its cells' progress on stderr, its tables on stdout.
import { counted } from '../data/counted.js'
import type { DryOptions } from '../run/dry/run.js'
import { dryStudy, type StudyDryRun } from '../study/dry.js'
import type { LoadedStudy } from '../study/load.js'
import { runStudy } from '../study/run.js'
import { studyTables } from '../study/sections.js'
import { tableText } from '../study/texts.js'
import { megabytes } from '../tensor/plan.js'
import { interruptSignal, openProgress, phases, printJson, programName } from './options.js'

interface StudyOptions {
  readonly keepGoing?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

export async function runStudyFromCommand(study: LoadedStudy, { keepGoing, json, quiet }: StudyOptions): Promise<void> {
  const progress = openProgress(quiet)
  const shown = phases(progress)
  const signal = interruptSignal('interrupted', progress)
  const { folder, report, cells, missing } = await runStudy(study, {
    say: line => progress.say(line),
    warn: line => progress.say(`warning: ${line}`),
    progress: shown.show,
    signal,
    keepGoing: keepGoing ?? false,
    command: `${programName()} run ${study.source}`,
  })
  shown.end()
  if (json)
    return printJson({ folder, report, missing, cells: cells.map(({ losses: _, ...cell }) => withoutQueries(cell)) })
  const tables = studyTables(cells, study.study.study.basis)
  process.stdout.write(`${tables.map(tableText).join('\n\n')}\n\nfolder: ${folder}\nreport: ${report}\n`)
}

/** Its cells and what they will take on stdout, then one of each kind gone through; nothing of the study is begun. */
export async function dryStudyFromCommand(
  study: LoadedStudy,
  dry: DryOptions,
  { keepGoing, json, quiet }: StudyOptions,
): Promise<void> {
  const progress = openProgress(quiet)
  const shown = phases(progress)
  const signal = interruptSignal('interrupted', progress)
  const result = await dryStudy(study, dry, {
    say: line => progress.say(line),
    warn: line => progress.say(`warning: ${line}`),
    progress: shown.show,
    signal,
    keepGoing: keepGoing ?? false,
    onPlan: plan => void (json || process.stdout.write(dryText(plan, dry))),
  })
  shown.end()
  if (json) printJson(result)
}

const duration = (seconds: number): string =>
  seconds < 90
    ? `${seconds.toFixed(1)} s`
    : seconds < 5400
      ? `${(seconds / 60).toFixed(0)} min`
      : `${(seconds / 3600).toFixed(1)} h`

/** A line a cell, and their sums. */
function dryText({ folder, cells }: Omit<StudyDryRun, 'tried'>, { rate }: DryOptions): string {
  const of = (state: string) => cells.filter(cell => cell.state === state)
  const table = tableText({
    title: `study: ${folder}`,
    head: ['cell', 'state', 'memory', 'time', ''],
    rows: cells.map(({ key, state, bytes, seconds, note }) => [
      ...[key, state, bytes === undefined ? '–' : megabytes(bytes), seconds === undefined ? '–' : duration(seconds)],
      note ?? '',
    ]),
  })
  const left = of('to do').reduce((sum, { seconds = 0 }) => sum + seconds, 0)
  const most = Math.max(0, ...cells.map(({ bytes = 0 }) => bytes))
  const [done, todo, wrong] = [of('done').length, of('to do').length, of('impossible').length]
  return `${table}
${counted(cells.length, 'cell')}: ${done} done, ${todo} to do, ${wrong} impossible; ${megabytes(most)} at most
at ${(rate / 1e12).toFixed(2)} TFLOP/s (--tflops) the trainings that are to do take ${duration(left)} at most
`
}

const withoutQueries = <T extends { readonly tests: readonly { readonly per_query: readonly number[] }[] }>(
  cell: T,
) => ({
  ...cell,
  tests: cell.tests.map(({ per_query: _, ...test }) => test),
})
