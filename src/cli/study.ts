// A study from the command line: its cells' progress on stderr, its tables on stdout.
import type { LoadedStudy } from '../study/load.js'
import { runStudy } from '../study/run.js'
import { studyTables, tableText } from '../study/tables.js'
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

const withoutQueries = <T extends { readonly tests: readonly { readonly per_query: readonly number[] }[] }>(
  cell: T,
) => ({
  ...cell,
  tests: cell.tests.map(({ per_query: _, ...test }) => test),
})
