// tDRO in a run (paper, Figure 1): a reference model, its losses on the stream of batches, and a proxy trained on that stream while the weights of
// the sets are learned. Everything lies below tdro/ in the run's folder; a run that stopped goes on where it was.
import { hashLines } from '../../data/fingerprint.js'
import type { Recipe, TdroSettings } from '../../recipe/schema.js'
import { exists, join, makeFolder, openLog, readLines } from '../../runtime/files.js'
import { writeFile } from '../../runtime/write.js'
import type { StepRecord } from '../../train/loop.js'
import type { MicroBatch } from '../../train/tdro/measure.js'
import { createTdroWeighting, type TdroRecord } from '../../train/tdro/weighting.js'
import { needsReference, type WeightSettings } from '../../train/tdro/weights.js'
import { orderOf } from '../batches.js'
import { type TokenizedPairs, tokenizePairs } from '../mixture.js'
import type { SetCard } from '../mixture-card.js'
import { openModel, placeModel } from '../model.js'
import type { RecipeData } from '../sources.js'
import { loopSettings } from '../train.js'
import { runTraining, type TrainingContext, type TrainingOutcome } from '../trainings.js'
import { type PaddedRate, paddedRate } from './padding.js'
import { type ReferenceLosses, referenceLosses } from './reference-losses.js'
import { collapseWarning } from './replay.js'
import { proxyRecipe, uniformRecipe } from './settings.js'
import { type WeightsFile, writeWeightsFile } from './weights-file.js'

export interface TdroOutcome {
  readonly weights: WeightsFile
  /** Where those lie. */
  readonly file: string
  /** What each step's log says of the sets. */
  readonly records: readonly TdroRecord[]
  /** Absent where a reference model was given or there is none. */
  readonly reference?: TrainingOutcome
  readonly proxy: TrainingOutcome
  readonly padding: PaddedRate
  /** (sets) */
  readonly cards: readonly SetCard[]
}

export interface TdroContext extends Omit<TrainingContext, 'weighting' | 'tests' | 'dev'> {
  readonly data: RecipeData
  /** A folder of a model that was trained on all sets alike. */
  readonly trained?: string | undefined
}

/** `context.pairs`: as the proxy sees them. */
export async function learnWeights(recipe: Recipe, context: TdroContext): Promise<TdroOutcome> {
  const { source, folder, hooks, pairs, warn } = context
  const settings = recipe.tdro!
  const within = join(folder.path, 'tdro')
  await makeFolder(within)
  const proxy = proxyRecipe(recipe)
  const stream = loopSettings(proxy.train!, pairs.examples.length, recipe.seed, orderOf(proxy.train!, pairs))
  const plain = { ...context, tests: [], dev: [] }

  const needed = needsReference(settings.mode)
  const own = context.trained ?? settings.reference
  const trained = needed && own === undefined ? await trainReference(recipe, plain) : undefined
  const path = own ?? trained?.path
  const known = needed ? await lossesOf(path!, join(within, 'reference.jsonl'), recipe, stream, context) : undefined
  hooks.signal?.throwIfAborted()

  const padding = paddedRate(pairs, stream)
  hooks.say?.(
    `padding: none here; texts padded to the longest of their micro-batch would be ${(100 * padding.rate).toFixed(1)} % padding`,
  )
  const weightSettings = weightSettingsOf(settings, pairs)
  const recorder = lossRecorder(join(within, 'losses.jsonl'), pairs)
  const weighting = createTdroWeighting(
    {
      ...{ ...weightSettings, domains: pairs.sets, update: settings.update, cosines: settings.cosines },
      ...(known && { reference: async (step: number) => known.losses[step]! }),
    },
    { record: recorder.record, warn, collapsed: collapseWarning },
  )
  const fingerprint = await hashLines([
    JSON.stringify({ ...weightSettings, update: settings.update, cosines: settings.cosines }),
    known?.hash ?? '',
  ])
  try {
    const outcome = await runTraining(
      { key: 'proxy', label: 'proxy', recipe: proxy, within: 'tdro/proxy' },
      { ...plain, weighting: { weighting, fingerprint, start: recorder.start } },
    )
    const records = outcome.steps.map(recordOf)
    const hashes = { data: pairs.hash, model: source.hash, ...(known && { reference: known.model }) }
    const weights = weightsFile(records, recipe, pairs, hashes)
    const file = join(folder.path, 'weights.json')
    await writeWeightsFile(file, weights)
    hooks.say?.(`weights: ${file}`)
    return {
      weights,
      file,
      records,
      proxy: outcome,
      padding,
      cards: pairs.cards,
      ...(trained && { reference: trained.outcome }),
    }
  } finally {
    await recorder.close()
  }
}

async function trainReference(recipe: Recipe, context: TrainingContext & TdroContext) {
  const uniform = uniformRecipe(recipe)
  const { train } = uniform
  const { query_max_length: queryMaxLength } = train!
  const pairs = await tokenizePairs(context.data.train, context.source, train!.max_length, {
    ...mixtureOptions(context.data, recipe.seed),
    ...(queryMaxLength !== undefined && { queryMaxLength }),
  })
  const training = { key: 'reference', label: 'reference', recipe: uniform, within: 'tdro/reference' }
  const outcome = await runTraining(training, { ...context, pairs })
  return { outcome, path: join(context.folder.path, 'tdro/reference/model') }
}

export const mixtureOptions = (
  { sentenceQueries, titleSeparator, sample: size, nearDuplicates, minedNegatives, minedBy, devShare }: RecipeData,
  seed: number,
) => ({
  sentenceQueries,
  ...(titleSeparator !== undefined && { titleSeparator }),
  ...(size !== undefined && { sample: { size, seed } }),
  ...(devShare !== undefined && { held: { share: devShare, seed } }),
  ...(nearDuplicates && { nearDuplicates }),
  ...(minedNegatives !== undefined && { minedNegatives }),
  ...(minedBy && { minedBy }),
})

/** The losses of the model in a folder, on texts as its own tokenizer has them. */
async function lossesOf(
  path: string,
  file: string,
  recipe: Recipe,
  settings: ReturnType<typeof loopSettings>,
  { backend, data, hooks }: TdroContext,
): Promise<{ losses: ReferenceLosses[]; hash: string; model: string }> {
  const { max_length, query_max_length, temperature } = recipe.tdro!
  const source = await openModel(path)
  try {
    const lengths = query_max_length === undefined ? {} : { queryMaxLength: query_max_length }
    const pairs = await tokenizePairs(data.train, source, max_length, {
      ...mixtureOptions(data, recipe.seed),
      ...lengths,
    })
    const { order, ...numbers } = settings
    const described = { ...numbers, order: order?.kind, temperature, settings: source.settings }
    const hash = await hashLines([source.hash, pairs.hash, backend.numerics, JSON.stringify(described)])
    const normalize = recipe.train!.similarity === 'cosine'
    const { encoder, release } = await placeModel(backend, source, undefined, { normalize })
    try {
      const stream = { backend, encoder, pairs, settings, temperature, fingerprint: hash }
      return { losses: await referenceLosses(file, stream, hooks), hash, model: source.hash }
    } finally {
      release()
    }
  } finally {
    await source.close()
  }
}

function weightSettingsOf({ mode, weights_rate, ema }: TdroSettings, { sets, setOf }: TokenizedPairs): WeightSettings {
  const sizes = sets.map((_, set) => setOf.reduce((count, each) => count + (each === set ? 1 : 0), 0))
  return { mode, count: sets.length, sizes, ema, ...(weights_rate !== undefined && { rate: weights_rate }) }
}

/** Micro-batches as `tdro --replay` reads them. A resumed run drops those that it will do again. */
function lossRecorder(path: string, { sets, setOf }: TokenizedPairs) {
  let log: Awaited<ReturnType<typeof openLog>> | undefined
  return {
    async start(first: number): Promise<void> {
      const sizes = sets.map((_, set) => setOf.reduce((count, each) => count + (each === set ? 1 : 0), 0))
      const lines = [JSON.stringify({ domains: sets, sizes })]
      if (first > 0 && (await exists(path)))
        for await (const line of readLines(path)) {
          const step = /^\{"step":(\d+),/.exec(line)?.[1]
          if (step !== undefined && Number(step) < first && line.endsWith('}')) lines.push(line)
        }
      await writeFile(path, `${lines.join('\n')}\n`)
      log = await openLog(path)
    },
    async record(
      step: number,
      { domains, loss, reference }: MicroBatch,
      cosines?: readonly (readonly number[])[],
    ): Promise<void> {
      const known = { ...(reference && { reference: Array.from(reference) }), ...(cosines && { cosines }) }
      await log!.append(JSON.stringify({ step, domains: Array.from(domains), loss: Array.from(loss), ...known }))
    },
    close: async () => log?.close(),
  }
}

const recordOf = ({ weighting }: StepRecord): TdroRecord => weighting as unknown as TdroRecord

/** From the log, which a resumed run has whole. */
function weightsFile(
  records: readonly TdroRecord[],
  { tdro, seed }: Recipe,
  { sets }: TokenizedPairs,
  hashes: Readonly<Record<string, string>>,
): WeightsFile {
  const { mode, weights: kept, ema: share, micro_batch, batch_size, update, temperature, weights_rate } = tdro!
  const last = records.at(-1)!.alpha
  const mean = sets.map((_, g) => records.reduce((sum, { alpha }) => sum + alpha[g]!, 0) / records.length)
  const ema = records.reduce<readonly number[]>(
    (average, { alpha }) => average.map((each, g) => (1 - share) * each + share * alpha[g]!),
    sets.map(() => 1 / sets.length),
  )
  const final = mode === 'doremi' ? mean : [...last]
  return {
    domains: sets,
    alpha: { final, mean, ema }[kept],
    ...{ final, mean, ema, mode, hashes },
    settings: {
      ...{ update, kept, micro_batch, batch_size, steps: records.length, temperature, seed },
      ...(weights_rate !== undefined && { weights_rate }),
    },
  }
}
