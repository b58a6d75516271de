// eval --answers: a run scored by whether the first k passages hold an answer (MKQA's rules), without judgements.
import { readAnswers } from '../data/answers.js'
import { loadDocuments } from '../data/collection.js'
import { counted } from '../data/counted.js'
import { rankResults, readRun } from '../data/trec.js'
import { scoreAnswers } from '../evaluate/answers.js'
import { usageError } from './errors.js'
import { openProgress, printJson } from './options.js'
import { dataFolder, inputFile } from './paths.js'

export interface AnswerOptions {
  readonly answers: string
  readonly language?: string
  readonly run?: string
  readonly data?: string
  readonly qrels?: string
  readonly model?: string
  readonly measures?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Ranks that MKQA is scored at, and the first. */
const CUTS = [1, 10, 100]

export async function scoreRunByAnswers(options: AnswerOptions): Promise<void> {
  const { answers: asked, language, run: found, data, qrels, model, measures, json, quiet } = options
  if (!found || !data)
    throw usageError('--answers needs --run, what was found, and --data, whose documents are looked at')
  if (qrels || model || measures)
    throw usageError(`--answers scores a run by itself; leave --${qrels ? 'qrels' : model ? 'model' : 'measures'} out`)
  const progress = openProgress(quiet)
  const answers = await readAnswers(await inputFile(asked, 'answers.jsonl'), language)
  const run = await readRun(await inputFile(found, 'run.trec'))
  const { ids, texts } = await loadDocuments(await dataFolder(data))
  const rowOf = new Map(ids.map((id, i) => [id, i]))
  const ranked = new Map([...run].map(([query, results]) => [query, rankResults(results).map(({ id }) => id)]))
  const unknown = [...ranked.values()].flat().find(id => !rowOf.has(id))
  if (unknown !== undefined)
    throw new Error(
      `${found} has the document ${unknown}, which ${data} does not; give the collection that was searched`,
    )
  const without = [...answers.keys()].filter(id => !ranked.has(id)).length
  if (without > 0)
    progress.say(`warning: nothing was found for ${counted(without, 'question')}: they count as not answered`)
  const { accuracy, ranks, skipped } = scoreAnswers(answers, ranked, id => texts[rowOf.get(id)!]!, CUTS)
  const scores = Object.fromEntries([...accuracy].map(([k, value]) => [`accuracy_at_${k}`, value]))
  if (json) return printJson({ scores, queries: ranks.size, skipped, ranks: Object.fromEntries(ranks) })
  const lines = Object.entries(scores).map(([name, value]) => `${name.padEnd(16)} ${value.toFixed(4)}`)
  const what = `${counted(ranks.size, 'question')}, ${skipped} left out (no passage can answer them)`
  process.stdout.write(`${[what, ...lines].join('\n')}\n`)
}
