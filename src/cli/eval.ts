// eval: a model scored on a collection, or a TREC run scored against judgements.
import { Command, Option } from 'commander'
import { counted } from '../data/counted.js'
import { hashCollection } from '../data/fingerprint.js'
import { readQrels } from '../data/qrels.js'
import { readRun, writeRun } from '../data/trec.js'
import { allMeasures, defaultMeasures, type Measure, measuresWithin, parseMeasure } from '../evaluate/measures.js'
import { evaluateRun } from '../evaluate/metrics.js'
import { checkWritable } from '../runtime/write.js'
import { type Bm25Options, refuseBm25Options, searchCollection, withBm25 } from './collection.js'
import { usageError } from './errors.js'
import { scoreRunByAnswers } from './eval-answers.js'
import { type LateOptions, tokensText, withLate } from './late.js'
import {
  type BackendOptions,
  depth,
  dimensionsOption,
  openProgress,
  type PrecisionOption,
  positiveInteger,
  precisionOption,
  printJson,
  refusePrecision,
  withBackend,
  withOutput,
} from './options.js'
import { inputFile } from './paths.js'

interface EvalOptions extends BackendOptions, Bm25Options, LateOptions, PrecisionOption {
  readonly model?: string
  readonly data?: string
  readonly split: string
  readonly qrels?: string
  readonly run?: string
  readonly answers?: string
  readonly language?: string
  readonly k: number
  readonly maxLength?: number
  readonly dimensions?: number
  readonly titleSeparator?: string
  readonly protocol: 'beir' | 'trec'
  readonly measures?: string
  readonly complete?: boolean
  readonly output?: string
  readonly perQuery?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

export const evalCommand = (): Command =>
  withOutput(
    withBackend(
      withLate(
        withBm25(
          new Command('eval')
            .description("Scores a model on a collection, or a TREC run against judgements, with trec_eval's measures.")
            .option('--model <folder>', 'a model folder, a PEFT adapter folder, or bm25')
            .option('--data <folder>', 'a BEIR folder, or one in the package: builtin:primer/law')
            .option('--split <name>', 'qrels/<name>.tsv', 'test')
            .option('--qrels <file>', 'judgements: TREC qrels or a BEIR tsv')
            .option('--run <file>', 'a TREC run to score against --qrels')
            .option(
              '--answers <file>',
              'answers of open-domain questions: --run is scored by which of --data hold one (MKQA)',
            )
            .option('--language <code>', "of --answers that are by language, such as MKQA's")
            .option('-k, --k <n>', 'documents retrieved for a query', depth, 100)
            .option('--max-length <n>', "tokens a text is cut to (the model's)", positiveInteger)
            .addOption(dimensionsOption())
            .addOption(precisionOption())
            .option('--title-separator <text>', "between a document's title and its text, such as [SEP] (a space)")
            .addOption(
              new Option('--protocol <name>', "beir drops a document with the query's own id; trec does not")
                .choices(['beir', 'trec'])
                .default('beir'),
            )
            .option('--measures <names>', 'comma-separated, for example ndcg_at_10,recall_at_100')
            .option('--complete', 'average over all judged queries, those without results counting 0 (trec_eval -c)')
            .option('--output <file>', 'write the TREC run here'),
        ),
      ),
    ),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ wgpu-retrieve eval --model runs/primer/model --data builtin:primer/law
  $ wgpu-retrieve eval --model bm25 --data builtin:primer/law --stemmer english --output law.trec
  $ wgpu-retrieve eval --qrels builtin:primer/law/qrels/test.tsv --run law.trec --json

Open-domain answers, as MKQA counts them:
    wgpu-retrieve eval --answers mkqa.jsonl --language de --run german.trec --data wikipedia`,
    )
    .action((options: EvalOptions) => {
      if (options.answers) return scoreRunByAnswers({ ...options, answers: options.answers })
      if (options.language) throw usageError('--language is for --answers, the file of answers')
      if (options.qrels || options.run) return scoreRun(options)
      return scoreModel(options)
    })

/** The measures asked for, checked before anything is computed. `k`: how many results there will be. */
function measuresOf(names: string | undefined, fallback: readonly string[], k: number): readonly string[] {
  if (names === undefined) return fallback
  return names.split(',').map(each => {
    const name = each.trim()
    const { cut } = measure(name)
    if (cut !== Number.POSITIVE_INFINITY && cut > k)
      throw usageError(`--measures: ${name} looks at ${cut} documents, but -k retrieves ${k}; set -k ${cut} or more`)
    return name
  })
}

function measure(name: string): Measure {
  try {
    return parseMeasure(name)
  } catch (error) {
    throw usageError(`--measures: ${(error as Error).message}`)
  }
}

async function scoreRun(options: EvalOptions): Promise<void> {
  const { qrels, run, model, data, measures, complete, json, quiet } = options
  if (!qrels || !run) throw usageError('eval needs --qrels and --run together, or --model and --data')
  if (model || data)
    throw usageError('eval scores either a run (--qrels, --run) or a model (--model, --data); give one pair')
  refuseBm25Options(options, '--qrels and --run score a run')
  refusePrecision(options, '--qrels and --run score a run')
  const names = measuresOf(measures, allMeasures, Number.POSITIVE_INFINITY)
  const progress = openProgress(quiet)
  const judgements = await inputFile(qrels, `qrels/${options.split}.tsv`)
  const judged = await readQrels(judgements)
  for (const line of judged.warnings) progress.say(`warning: ${line}`)
  const { scores, perQuery, counts } = evaluateRun(
    judged.qrels,
    await readRun(await inputFile(run, 'run.trec')),
    names,
    {
      complete: complete ?? false,
    },
  )
  if (json) return printJson({ scores, per_query: perQuery, queries: counts.queries })
  printScores(
    measures ? scores : Object.fromEntries(defaultMeasures.map(name => [name, scores[name]!])),
    counted(counts.queries, 'query', 'queries'),
  )
}

async function scoreModel(options: EvalOptions): Promise<void> {
  const { model, data, split, k, protocol, output, quiet } = options
  if (!model || !data)
    throw usageError(`eval needs ${model ? '--data' : data ? '--model' : '--model and --data'}, or --qrels and --run`)
  if (output === '-')
    throw usageError('--output - would mix the run with the scores; search writes a run to standard output')
  const measures = measuresOf(options.measures, measuresWithin(k), k)
  if (output) await checkWritable(output)
  const { scored, collection, fingerprint, backend } = await searchCollection({
    ...{ model, data, split, k, protocol, measures, quiet },
    maxLength: options.maxLength,
    dimensions: options.dimensions,
    precision: options.precision,
    late: options,
    titleSeparator: options.titleSeparator,
    backend: options,
    bm25: options,
  })
  if (output) await writeRun(output, scored.run, { tag: 'wgpu-retrieve' })
  const print = fingerprint(await hashCollection(collection))
  const { scores, queries, documents, tokens, seconds } = scored
  const rate = seconds.encode > 0 ? tokens / seconds.encode : 0
  if (options.json)
    return printJson({
      scores,
      queries,
      documents,
      tokens,
      truncated: { queries: scored.truncatedQueries, documents: scored.truncated - scored.truncatedQueries },
      ...(scored.tokenBytes !== undefined && { token_bytes: scored.tokenBytes }),
      seconds,
      tokens_per_second: rate,
      backend: backend.kind,
      fingerprint: print,
    })
  const what = `${counted(queries, 'query', 'queries')}, ${counted(documents, 'document')}`
  printScores(scores, `${what}, ${Math.round(rate)} tokens/s on ${backend.description}${tokensText(scored)}`)
  process.stdout.write(`${print}\n`)
}

function printScores(scores: Readonly<Record<string, number>>, title: string): void {
  const lines = Object.entries(scores).map(([name, value]) => `${name.padEnd(16)} ${value.toFixed(4)}`)
  process.stdout.write(`${[title, ...lines].join('\n')}\n`)
}
