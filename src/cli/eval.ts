// eval: a model scored on a collection, or a TREC run scored against judgements.
import { Command } from 'commander'
import { loadCollection } from '../data/collection.js'
import { hashCollection } from '../data/fingerprint.js'
import { readQrels } from '../data/qrels.js'
import { readRun, writeRun } from '../data/trec.js'
import { allMeasures, defaultMeasures, measuresWithin } from '../evaluate/measures.js'
import { evaluateRun } from '../evaluate/metrics.js'
import { evaluateCollection, fingerprint, tokenizeCollection } from '../run/evaluate.js'
import { openModel, placeModel, promptFor } from '../run/model.js'
import { usageError } from './errors.js'
import {
  type BackendOptions,
  interruptSignal,
  openChosenBackend,
  openProgress,
  phases,
  positiveInteger,
  printJson,
  withBackend,
  withOutput,
} from './options.js'

interface EvalOptions extends BackendOptions {
  readonly model?: string
  readonly data?: string
  readonly split: string
  readonly qrels?: string
  readonly run?: string
  readonly k: number
  readonly maxLength?: number
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
      new Command('eval')
        .description("Scores a model on a collection, or a TREC run against judgements, with trec_eval's measures.")
        .option('--model <folder>', 'a model folder or a PEFT adapter folder')
        .option('--data <folder>', 'a BEIR folder')
        .option('--split <name>', 'qrels/<name>.tsv', 'test')
        .option('--qrels <file>', 'judgements: TREC qrels or a BEIR tsv')
        .option('--run <file>', 'a TREC run to score against --qrels')
        .option('-k, --k <n>', 'documents retrieved for a query', positiveInteger, 100)
        .option('--max-length <n>', "tokens a text is cut to (the model's)", positiveInteger)
        .option('--protocol <name>', "beir drops a document with the query's own id; trec does not", 'beir')
        .option('--measures <names>', 'comma-separated, for example ndcg_at_10,recall_at_100')
        .option('--complete', 'average over all judged queries, those without results counting 0 (trec_eval -c)')
        .option('--output <file>', 'write the TREC run here'),
    ),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  $ wgpu-retrieve eval --model my-model --data scifact\n  $ wgpu-retrieve eval --qrels qrels/test.tsv --run run.trec --json',
    )
    .action((options: EvalOptions) => {
      if (options.qrels || options.run) return scoreRun(options)
      return scoreModel(options)
    })

const namesOf = (measures: string | undefined, fallback: readonly string[]): readonly string[] =>
  measures ? measures.split(',').map(name => name.trim()) : fallback

async function scoreRun({ qrels, run, model, data, measures, complete, json, quiet }: EvalOptions): Promise<void> {
  if (!qrels || !run) throw usageError('eval needs --qrels and --run together, or --model and --data')
  if (model || data)
    throw usageError('eval scores either a run (--qrels, --run) or a model (--model, --data); give one pair')
  const judged = await readQrels(qrels)
  const { scores, perQuery, counts } = evaluateRun(judged.qrels, await readRun(run), namesOf(measures, allMeasures), {
    complete: complete ?? false,
  })
  if (!quiet) for (const line of judged.warnings) process.stderr.write(`warning: ${line}\n`)
  if (json) return printJson({ scores, per_query: perQuery, queries: counts.queries })
  printScores(
    measures ? scores : Object.fromEntries(defaultMeasures.map(name => [name, scores[name]!])),
    `${counts.queries} queries`,
  )
}

async function scoreModel(options: EvalOptions): Promise<void> {
  const { model, data, split, k, protocol, quiet } = options
  if (!model || !data)
    throw usageError(`eval needs ${model ? '--data' : data ? '--model' : '--model and --data'}, or --qrels and --run`)
  if (protocol !== 'beir' && protocol !== 'trec') throw usageError(`--protocol is "${protocol}", expected beir or trec`)
  const progress = openProgress(quiet)
  const shown = phases(progress)
  const signal = interruptSignal('interrupted; nothing was written')
  const collection = await loadCollection(data, { split })
  for (const line of collection.warnings) progress.say(`warning: ${line}`)
  const source = await openModel(model)
  const { backend } = await openChosenBackend(options, line => progress.say(line))
  const loaded = await placeModel(backend, source)
  const { settings } = source
  const maxLength = options.maxLength ?? settings.maxLength
  const tokenized = tokenizeCollection(source.tokenizer!, settings, collection, maxLength)
  if (tokenized.truncated > 0)
    progress.say(`${tokenized.truncated} texts are longer than ${maxLength} tokens and were cut`)
  const measures = namesOf(options.measures, measuresWithin(k))
  const scored = await evaluateCollection(
    backend,
    loaded.encoder,
    settings.similarity,
    tokenized,
    { k, protocol, measures, maxLength },
    {
      onProgress: each => shown.show({ name: `encoding ${collection.name}`, ...each }),
      signal,
    },
  )
  shown.end()
  if (options.output) await writeRun(options.output, scored.run, { tag: 'wgpu-retrieve' })
  const print = fingerprint({
    protocol,
    k,
    maxLength,
    queryPrompt: promptFor(settings, 'query'),
    documentPrompt: promptFor(settings, 'document'),
    pooling: loaded.encoder.pooling,
    similarity: settings.similarity,
    modelHash: source.hash,
    dataHash: await hashCollection(collection),
  })
  const { scores, queries, documents, tokens, seconds } = scored
  const rate = seconds.encode > 0 ? tokens / seconds.encode : 0
  await source.close()
  backend.close()
  if (options.json)
    return printJson({
      scores,
      queries,
      documents,
      tokens,
      seconds,
      tokens_per_second: rate,
      backend: backend.kind,
      fingerprint: print,
    })
  printScores(
    scores,
    `${queries} queries, ${documents} documents, ${Math.round(rate)} tokens/s on ${backend.description}`,
  )
  process.stdout.write(`${print}\n`)
}

function printScores(scores: Readonly<Record<string, number>>, title: string): void {
  const lines = Object.entries(scores).map(([name, value]) => `${name.padEnd(16)} ${value.toFixed(4)}`)
  process.stdout.write(`${[title, ...lines].join('\n')}\n`)
}
