// report: one report over runs and studies that are there already.
import { Command, Option } from 'commander'
import { counted } from '../data/counted.js'
import type { RelativeBasis } from '../evaluate/relative.js'
import { exists, join, readJson, readText } from '../runtime/files.js'
import { checkWritable, writeFile } from '../runtime/write.js'
import { intoPage, studyMarkdown } from '../study/markdown.js'
import { renderStudy } from '../study/report.js'
import { type CellResult, readCell, resultsJson } from '../study/result.js'
import { studyTables } from '../study/sections.js'
import { studyCsv, tableText } from '../study/texts.js'
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
        'folders of runs and of studies, or results.json of a study; what is neither, or did not end, is left out and named',
      )
      .option(
        '--output <file>',
        'the page; its figures lie beside it in .csv and .json; .md: tables, put between the marks of a page that is there',
        'report.html',
      )
      .addOption(new Option('--basis <value>', 'what REL. DIFF (%) divides by').choices(['old', 'new']).default('old')),
  )
    .addHelpText('after', '\nExample:\n  $ wgpu-retrieve report runs/* --output runs.html')
    .action(report)

interface Found {
  readonly cells: readonly CellResult[]
  readonly alike?: Readonly<Record<string, readonly string[]>>
  readonly missing?: readonly string[]
}

async function report(folders: string[], { output, basis, json, quiet }: ReportOptions): Promise<void> {
  if (!/\.(html|md)$/.test(output)) throw usageError(`--output ${output}: expected a name that ends in .html or .md`)
  await checkWritable(output)
  const progress = openProgress(quiet)
  const cells: CellResult[] = []
  const missing: string[] = []
  let alike: Found['alike']
  for (const folder of folders)
    try {
      const found = await cellsOf(folder)
      cells.push(...found.cells)
      missing.push(...(found.missing ?? []))
      if (found.alike) alike = { ...alike, ...found.alike }
    } catch (error) {
      missing.push((error as Error).message)
      progress.say(`warning: ${(error as Error).message}`)
    }
  if (cells.length === 0) throw new Error(`none of ${counted(folders.length, 'folder')} holds a training that ended`)
  const record = { name: 'Trainings compared', basis, cells, missing, notes: [], ...(alike && { alike }) }
  const page = output.endsWith('.html')
  const [csv, figures] = ['csv', 'json'].map(ending => output.replace(/html$/, ending)) as [string, string]
  if (!page) {
    const present = (await exists(output)) ? await readText(output) : undefined
    await writeFile(output, intoPage(present, record.name, studyMarkdown(record)))
  } else {
    await writeFile(output, await renderStudy(record))
    await writeFile(csv, studyCsv(cells))
    await writeFile(figures, resultsJson(record))
  }
  const beside = page ? { csv, figures } : {}
  if (json) return printJson({ output, ...beside, cells: cells.map(({ key }) => key), missing })
  process.stdout.write(`${studyTables(cells, basis, alike).map(tableText).join('\n\n')}\n\nreport: ${output}\n`)
}

/** Those of a study, by its folder or its file, or the run itself. */
async function cellsOf(path: string): Promise<Found> {
  const results = path.endsWith('.json') ? path : join(path, 'results.json')
  if (path.endsWith('.json') || (await exists(results))) return (await readJson(results)) as Found
  return { cells: [await readCell(path)] }
}
