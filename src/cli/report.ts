// report: one report over runs and studies that are there already.
import { Command, Option } from 'commander'
import { counted } from '../data/counted.js'
import type { RelativeBasis } from '../evaluate/relative.js'
import { exists, join, readJson } from '../runtime/files.js'
import { checkWritable, writeFile } from '../runtime/write.js'
import { renderStudy } from '../study/report.js'
import { type CellResult, readCell } from '../study/result.js'
import { studyCsv, studyTables, tableText } from '../study/tables.js'
import { usageError } from './errors.js'
import { openProgress, printJson, withOutput } from './options.js'

interface ReportOptions {
  readonly output: string
  readonly basis: RelativeBasis
  readonly json?: boolean
  readonly quiet?: boolean
}

export const reportCommand = (): Command =>
  withOutput(
    new Command('report')
      .description(
        'One report over trainings: LoRA against full fine-tuning, negatives, batches, in domain and out of it.',
      )
      .argument(
        '<folders...>',
        'folders of runs and of studies; what is neither, or did not end, is left out and named',
      )
      .option('--output <file>', 'the page; a .csv of its figures lies beside it', 'report.html')
      .addOption(new Option('--basis <value>', 'what REL. DIFF (%) divides by').choices(['old', 'new']).default('old')),
  )
    .addHelpText('after', '\nExample:\n  $ wgpu-retrieve report runs/* --output runs.html')
    .action(report)

async function report(folders: string[], { output, basis, json, quiet }: ReportOptions): Promise<void> {
  if (!output.endsWith('.html')) throw usageError(`--output ${output}: expected a name that ends in .html`)
  await checkWritable(output)
  const progress = openProgress(quiet)
  const cells: CellResult[] = []
  const missing: string[] = []
  for (const folder of folders)
    try {
      cells.push(...(await cellsOf(folder)))
    } catch (error) {
      missing.push((error as Error).message)
      progress.say(`warning: ${(error as Error).message}`)
    }
  if (cells.length === 0) throw new Error(`none of ${counted(folders.length, 'folder')} holds a training that ended`)
  await writeFile(output, await renderStudy({ name: 'Trainings compared', basis, cells, missing, notes: [] }))
  const csv = output.replace(/\.html$/, '.csv')
  await writeFile(csv, studyCsv(cells))
  if (json) return printJson({ output, csv, cells: cells.map(({ key }) => key), missing })
  process.stdout.write(`${studyTables(cells, basis).map(tableText).join('\n\n')}\n\nreport: ${output}\n`)
}

/** Those of a study, or the run itself. */
async function cellsOf(folder: string): Promise<CellResult[]> {
  const results = join(folder, 'results.json')
  if (await exists(results)) return ((await readJson(results)) as { cells: CellResult[] }).cells
  return [await readCell(folder)]
}
