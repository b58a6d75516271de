// search: the best documents of a collection for its queries, as a TREC run.
import { Command } from 'commander'
import { counted } from '../data/counted.js'
import { writeRun } from '../data/trec.js'
import { checkWritable } from '../runtime/write.js'
import { type Bm25Options, searchCollection, withBm25 } from './collection.js'
import { usageError } from './errors.js'
import { type LateOptions, tokensText, withLate } from './late.js'
import {
  type BackendOptions,
  depth,
  dimensionsOption,
  type PrecisionOption,
  positiveInteger,
  precisionOption,
  printJson,
  withBackend,
  withOutput,
} from './options.js'

interface SearchOptions extends BackendOptions, Bm25Options, LateOptions, PrecisionOption {
  readonly model: string
  readonly data: string
  readonly split: string
  readonly output: string
  readonly k: number
  readonly maxLength?: number
  readonly dimensions?: number
  readonly titleSeparator?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

export const searchCommand = (): Command =>
  withOutput(
    withBackend(
      withLate(
        withBm25(
          new Command('search')
            .description("The best documents for a collection's queries, exactly, as a TREC run.")
            .requiredOption('--model <folder>', 'a model folder, a PEFT adapter folder, or bm25')
            .requiredOption('--data <folder>', 'a BEIR folder, or one in the package: builtin:primer/law')
            .requiredOption('--output <file>', 'the TREC run, - for standard output')
            .option('--split <name>', 'whose queries are asked', 'test')
            .option('-k, --k <n>', 'documents a query', depth, 100)
            .option('--max-length <n>', "tokens a text is cut to (the model's)", positiveInteger)
            .addOption(dimensionsOption())
            .addOption(precisionOption())
            .option('--title-separator <text>', "between a document's title and its text, such as [SEP] (a space)"),
        ),
      ),
    ),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ wgpu-retrieve search --model runs/primer/model --data builtin:primer/law --output law.trec
  $ wgpu-retrieve search --model bm25 --data builtin:primer/law --output - | head -3`,
    )
    .action(writeSearch)

async function writeSearch(options: SearchOptions): Promise<void> {
  const { output, json } = options
  if (output === '-' && json) throw usageError('--output - and --json would both write to standard output')
  await checkWritable(output)
  const { model, data, split, k, maxLength, dimensions, precision, quiet } = options
  const { scored, backend } = await searchCollection({
    ...{ model, data, split, k, maxLength, dimensions, precision, quiet },
    late: options,
    titleSeparator: options.titleSeparator,
    protocol: 'trec',
    backend: options,
    bm25: options,
  })
  const { run, queries, documents, tokens, seconds } = scored
  await writeRun(output, run, { tag: 'wgpu-retrieve' })
  const result = {
    ...{ queries, documents, tokens, seconds, backend: backend.kind, output },
    truncated: { queries: scored.truncatedQueries, documents: scored.truncated - scored.truncatedQueries },
    ...(scored.tokenBytes !== undefined && { token_bytes: scored.tokenBytes }),
  }
  if (json) return printJson(result)
  const what = `${counted(queries, 'query', 'queries')} × ${counted(documents, 'document')}`
  const times = `${backend.kind === 'bm25' ? 'indexed' : 'encoded'} in ${seconds.encode.toFixed(1)} s, searched in ${seconds.search.toFixed(1)} s${tokensText(scored)}`
  if (output !== '-') process.stdout.write(`${what}, ${times} → ${output}\n`)
}
