// search: the best documents of a collection for its queries, as a TREC run.
import { Command } from 'commander'
import { loadCollection } from '../data/collection.js'
import { writeRun } from '../data/trec.js'
import { evaluateCollection, tokenizeCollection } from '../run/evaluate.js'
import { openModel, placeModel } from '../run/model.js'
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

interface SearchOptions extends BackendOptions {
  readonly model: string
  readonly data: string
  readonly split: string
  readonly output: string
  readonly k: number
  readonly maxLength?: number
  readonly json?: boolean
  readonly quiet?: boolean
}

export const searchCommand = (): Command =>
  withOutput(
    withBackend(
      new Command('search')
        .description("The best documents for a collection's queries, exactly, as a TREC run.")
        .requiredOption('--model <folder>', 'a model folder or a PEFT adapter folder')
        .requiredOption('--data <folder>', 'a BEIR folder')
        .requiredOption('--output <file>', 'the TREC run')
        .option('--split <name>', 'whose queries are asked', 'test')
        .option('-k, --k <n>', 'documents a query', positiveInteger, 100)
        .option('--max-length <n>', "tokens a text is cut to (the model's)", positiveInteger),
    ),
  )
    .addHelpText('after', '\nExample:\n  $ wgpu-retrieve search --model my-model --data scifact --output scifact.trec')
    .action(searchCollection)

async function searchCollection(options: SearchOptions): Promise<void> {
  const progress = openProgress(options.quiet)
  const shown = phases(progress)
  const signal = interruptSignal('interrupted; nothing was written')
  const collection = await loadCollection(options.data, { split: options.split })
  const source = await openModel(options.model)
  const { backend } = await openChosenBackend(options, line => progress.say(line))
  const loaded = await placeModel(backend, source)
  const maxLength = options.maxLength ?? source.settings.maxLength
  const tokenized = tokenizeCollection(source.tokenizer!, source.settings, collection, maxLength)
  const settings = { k: options.k, protocol: 'trec', maxLength } as const
  const { run, seconds, queries, documents, tokens } = await evaluateCollection(
    backend,
    loaded.encoder,
    source.settings.similarity,
    tokenized,
    settings,
    {
      onProgress: each => shown.show({ name: `encoding ${collection.name}`, ...each }),
      signal,
    },
  )
  shown.end()
  await writeRun(options.output, run, { tag: 'wgpu-retrieve' })
  await source.close()
  backend.close()
  const result = { queries, documents, tokens, seconds, backend: backend.kind, output: options.output }
  if (options.json) printJson(result)
  else
    process.stdout.write(
      `${queries} queries × ${documents} documents, encoded in ${seconds.encode.toFixed(1)} s, searched in ${seconds.search.toFixed(2)} s → ${options.output}\n`,
    )
}
