// The trainings of a run in their order, with learned weights where they ask for them: from a file, or from the run's own tDRO stage, which takes the
// first training on all sets alike as its reference.
import type { Recipe } from '../../recipe/schema.js'
import { join } from '../../runtime/files.js'
import type { TokenizedPairs } from '../mixture.js'
import type { RunPairs } from '../pairs.js'
import type { RecipeData } from '../sources.js'
import { runTraining, type Training, type TrainingContext, type TrainingOutcome, trainingFolder } from '../trainings.js'
import { asksForWeights, weightsOfSets, withWeights } from './settings.js'
import { learnWeights, type TdroOutcome } from './stage.js'
import { readWeightsFile, type WeightsFile } from './weights-file.js'

export interface Trained {
  readonly outcomes: readonly TrainingOutcome[]
  readonly tdro?: TdroOutcome
}

type Files = ReadonlyMap<string, WeightsFile>

/** The files of weights that trainings name. Fails where one is not for these sets, before anything is trained. */
export async function readWeights(trainings: readonly Training[], pairs: RunPairs): Promise<Files> {
  const files = new Map<string, WeightsFile>()
  for (const training of trainings) {
    const path = training.recipe.train!.weights_file
    if (path === undefined || files.has(path)) continue
    const weights = await readWeightsFile(path)
    try {
      weightsOfSets(pairs.of.get(training)!.sets, weights)
    } catch (error) {
      throw new Error(`${path}: ${(error as Error).message}`, { cause: error })
    }
    files.set(path, weights)
  }
  return files
}

export async function trainAll(
  recipe: Recipe,
  trainings: readonly Training[],
  pairs: RunPairs,
  files: Files,
  data: RecipeData,
  context: Omit<TrainingContext, 'pairs' | 'weighting'>,
): Promise<Trained> {
  const outcomes: TrainingOutcome[] = []
  let tdro: TdroOutcome | undefined
  const learned = async () => {
    const alike = outcomes.find(({ training }) => isUniform(training.recipe))
    const trained = alike && join(trainingFolder(context.folder, alike.training).path, 'model')
    tdro ??= await learnWeights(recipe, { ...context, pairs: pairs.proxy!, data, trained })
    return tdro
  }
  for (const training of trainings) {
    const own = pairs.of.get(training)!
    if (!asksForWeights(training.recipe)) {
      outcomes.push(await runTraining(training, { ...context, pairs: own }))
      continue
    }
    const file = training.recipe.train!.weights_file
    const weights = file === undefined ? (await learned()).weights : files.get(file)!
    const { recipe: weighted, weighting, sampling } = withWeights(training.recipe, own.sets, weights)
    context.hooks.say?.(`${training.label}: ${samplingText(own, sampling, training.recipe.train!.transfer!)}`)
    const full = { ...context, pairs: own, ...(weighting && { weighting }) }
    outcomes.push(await runTraining({ ...training, recipe: weighted }, full))
  }
  // A file of weights stands in place of the run's own; `train` learns them only where a training asks for them.
  if (recipe.tdro && files.size === 0 && !context.hooks.trainOnly) await learned()
  return { outcomes, ...(tdro && { tdro }) }
}

/** Whether all sets are drawn alike, as the reference is to be trained. */
const isUniform = ({ train }: Recipe): boolean =>
  (train?.transfer ?? 'uniform') === 'uniform' && train?.weights === undefined && train?.sets !== 'together'

function samplingText({ sets }: TokenizedPairs, sampling: readonly number[], transfer: string): string {
  const left = sets.filter((_, g) => sampling[g] === 0)
  return `${transfer}, ${sets.length - left.length} of ${sets.length} sets${left.length > 0 ? ` (without ${left.join(', ')})` : ''}`
}
