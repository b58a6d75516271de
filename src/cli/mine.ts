// mine: hard negatives for training pairs, written in the training form.
import { Command, InvalidArgumentError, Option } from 'commander'
import { holdsCorpus, loadDocuments } from '../data/collection.js'
import { counted } from '../data/counted.js'
import { loadPairs } from '../data/pairs.js'
import { trainingLines, type WrittenForm, writtenForms } from '../data/training-writing.js'
import { type MineCounts, type MiningSearch, minePairs, searchByEncoder, searchByWords } from '../run/mine.js'
import { openNamedModel } from '../run/named-model.js'
import { placeFrozen, rankingOf } from '../run/placed.js'
import { isFolder } from '../runtime/files.js'
import { checkWritable, writeFile } from '../runtime/write.js'
import { sayTruncated, textLength } from './collection.js'
import { usageError } from './errors.js'
import {
  type BackendOptions,
  depth,
  fetching,
  interruptSignal,
  openChosenBackend,
  openProgress,
  phases,
  positiveInteger,
  printJson,
  seed,
  withBackend,
  withOutput,
} from './options.js'
import { checkModelFolder, dataFolder, inputFile } from './paths.js'
import type { Progress } from './progress.js'

interface MineCommandOptions extends BackendOptions {
  readonly model: string
  readonly data: string
  readonly input?: string
  readonly split: string
  readonly output: string
  readonly count: number
  readonly depth: number
  readonly ranks?: { readonly first: number; readonly last: number }
  readonly behindPositive?: boolean
  readonly margin?: number
  readonly share?: number
  readonly choose: 'top' | 'random'
  readonly keep?: boolean
  readonly scores?: boolean
  readonly form: WrittenForm
  readonly seed: number
  readonly maxLength?: number
  readonly json?: boolean
  readonly quiet?: boolean
}

const numberOf = (text: string): number => {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value)) return value
  throw new InvalidArgumentError('Expected a number.')
}

function ranksOf(text: string): { first: number; last: number } {
  const [, first, last] = /^(\d+)-(\d+)$/.exec(text) ?? []
  if (first && last && Number(first) >= 1 && Number(last) >= Number(first))
    return { first: Number(first), last: Number(last) }
  throw new InvalidArgumentError('Expected two ranks, the first from 1, as in 10-100.')
}

export const mineCommand = (): Command =>
  withOutput(
    withBackend(
      new Command('mine')
        .description('Hard negatives for training pairs: what a model ranks high that is no positive.')
        .requiredOption('--model <folder>', 'bm25, or a model folder or PEFT adapter folder')
        .requiredOption(
          '--data <folder>',
          'a BEIR folder with training pairs, or one in the package: builtin:primer/law',
        )
        .requiredOption(
          '--output <file>',
          'the training pairs with their negatives (JSON Lines), - for standard output',
        )
        .option('--input <file>', "training pairs to mine for (the folder's own)")
        .option('--split <name>', 'whose pairs are mined for', 'train')
        .option('--count <n>', 'negatives a query', positiveInteger, 7)
        .option('--depth <n>', 'documents looked at for each query', depth, 200)
        .option('--ranks <a-b>', 'only these ranks, positives not counted, such as 10-100', ranksOf)
        .option('--behind-positive', 'count ranks from behind the positive that was found last')
        .option('--margin <x>', 'only what scores at least so much less than the positive', numberOf)
        .option('--share <x>', "only what scores at most this share of the positive's score, such as 0.95", numberOf)
        .addOption(
          new Option('--choose <how>', 'the highest of what is left, or drawn from it')
            .choices(['top', 'random'])
            .default('top'),
        )
        .option('--keep', 'the negatives that are there stay in front')
        .option('--scores', "with the model's scores, for losses that follow a teacher")
        .addOption(new Option('--form <name>', 'of the lines').choices([...writtenForms]).default('flag_embedding'))
        .option('--seed <n>', 'of --choose random', seed, 42)
        .option('--max-length <n>', "tokens a text is cut to (the model's)", positiveInteger),
    ),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ wgpu-retrieve mine --model bm25 --data builtin:primer/law --output law.jsonl
  $ wgpu-retrieve mine --model runs/primer/model --data builtin:primer/law --share 0.95 \\
      --ranks 5-100 --choose random --form tevatron --output - | head -3`,
    )
    .action(mine)

async function mine(options: MineCommandOptions): Promise<void> {
  const { output, json, form } = options
  if (output === '-' && json) throw usageError('--output - and --json would both write to standard output')
  if (options.scores && form !== 'flag_embedding')
    throw usageError(`--scores has no place in --form ${form}; leave one of them out`)
  const last = options.ranks?.last
  if (last !== undefined && last > options.depth)
    throw usageError(`--ranks ends at ${last}, but --depth looks at ${options.depth}; give --depth ${last} or more`)
  await checkWritable(output)
  const progress = openProgress(options.quiet)
  const signal = interruptSignal('interrupted; nothing was written', progress)
  const data = await dataFolderOrFile(options.data)
  const read = await loadPairs(options.input ? await inputFile(options.input, 'train.jsonl') : data, {
    split: options.split,
  })
  for (const line of read.warnings) progress.say(`warning: ${line}`)
  const documents = (await isFolder(data)) && (await holdsCorpus(data)) ? (await loadDocuments(data)).texts : []
  if (documents.length === 0) progress.say('there is no corpus.jsonl: negatives are mined among the texts of the pairs')
  const { pairs, counts } = await withSearch(options, progress, signal, search =>
    minePairs(read.pairs, documents, search, options),
  )
  const lines = trainingLines(pairs, form)
  if (output === '-') for (const line of lines) process.stdout.write(line)
  else await writeFile(output, [...lines].join(''))
  if (json) return printJson({ ...counts, model: options.model, output })
  for (const line of summary(counts, options.count)) progress.say(line)
  if (output !== '-')
    process.stdout.write(
      `${counted(counts.negatives, 'negative')} for ${counted(counts.pairs, 'training pair')} → ${output}\n`,
    )
}

const dataFolderOrFile = async (path: string): Promise<string> =>
  /\.jsonl(\.gz)?$|\.tsv$/.test(path) ? inputFile(path, 'train.jsonl') : dataFolder(path)

function summary({ positives, filtered, short, without }: MineCounts, count: number): string[] {
  return [
    `${counted(positives, 'positive')} among what was found: excluded`,
    ...(filtered > 0 ? [`${counted(filtered, 'candidate')} left out by margin or ranks`] : []),
    ...(short > 0
      ? [`warning: ${counted(short, 'pair')} with fewer than ${count} negatives, ${without} with none`]
      : []),
  ]
}

/** With BM25, or a model in a backend for as long as `use` takes. */
async function withSearch<T>(
  options: MineCommandOptions,
  progress: Progress,
  signal: AbortSignal,
  use: (search: MiningSearch) => Promise<T>,
): Promise<T> {
  const { model, maxLength } = options
  if (model === 'bm25' && !(await isFolder(model))) {
    if (maxLength !== undefined)
      throw usageError('--max-length cuts texts to tokens of a model, but --model bm25 takes all words; leave it out')
    return use(searchByWords)
  }
  await checkModelFolder(model, ['bm25'])
  const shown = phases(progress)
  const source = await openNamedModel(model, fetching(progress, signal))
  try {
    const length = textLength(maxLength, source)
    const { backend } = await openChosenBackend(options, line => progress.say(line))
    try {
      const placed = await placeFrozen(backend, source)
      const search = searchByEncoder(backend, source, rankingOf(placed, source), {
        maxLength: length,
        signal,
        onTruncated: texts => sayTruncated(texts, length, progress),
        onProgress: each => shown.show({ name: 'encoding', unit: 'tokens', ...each }),
      })
      const result = await use(search)
      shown.end()
      return result
    } finally {
      backend.close()
    }
  } finally {
    await source.close()
  }
}
