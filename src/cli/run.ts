// run: a whole experiment. train: its training alone.
import { Command, InvalidArgumentError, Option } from 'commander'
import type { Profile } from '../backend/profile.js'
import { loadRecipe } from '../recipe/load.js'
import type { Recipe } from '../recipe/schema.js'
import { type DryOptions, dryRun } from '../run/dry/run.js'
import type { RunHooks } from '../run/hooks.js'
import { type TestScores, tdroMetrics } from '../run/record.js'
import { type RunResult, runExperiment } from '../run/run.js'
import { resolve } from '../runtime/files.js'
import { loadStudy } from '../study/load.js'
import { transfers } from '../train/tdro/transfer.js'
import { usageError } from './errors.js'
import {
  checkAdapter,
  interruptSignal,
  openProgress,
  outputColumns,
  phases,
  positiveInteger,
  printJson,
  programName,
  seed,
  withOutput,
  withProfile,
} from './options.js'
import { checkRecipePaths, recipeFile } from './paths.js'
import { dryStudyFromCommand, runStudyFromCommand } from './study.js'

export interface RunOptions {
  readonly set?: string[]
  readonly resume?: boolean
  readonly quick?: boolean
  readonly dryRun?: boolean
  readonly config?: string
  readonly tflops?: number
  readonly backend?: 'auto' | 'webgpu' | 'wasm'
  readonly adapter?: string
  readonly threads?: number
  readonly profile?: Profile
  readonly seed?: number
  readonly out?: string
  readonly name?: string
  readonly weights?: string
  readonly transfer?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

const positiveRate = (text: string): number => {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw new InvalidArgumentError('Expected a number above 0.')
}

export const withRecipe = (command: Command): Command =>
  withOutput(
    withProfile(command)
      .argument('[recipe]', 'a recipe file (TOML), or one in the package: builtin:primer (the default)')
      .option('--set <key=value...>', 'override keys of the recipe, for example train.steps=10')
      .addOption(
        new Option('--backend <backend>', "where to compute (the recipe's)").choices(['auto', 'webgpu', 'wasm']),
      )
      .option('--adapter <name>', "a part of the WebGPU adapter's name")
      .option('--threads <n>', 'threads of the wasm backend (default: the cores there are)', positiveInteger)
      .option('--seed <n>', "of shuffling, drawing and dropout (the recipe's)", seed)
      .option('--out <folder>', 'where the folder of the run is made (runs)')
      .option('--name <name>', "the run's name (the recipe's)")
      .option('--quick', "with the recipe's [quick] settings: less of everything, to see that it works")
      .option('--dry-run', 'plan it, and go through all of it with two steps on made data and a narrow model')
      .option('--config <file>', "with --dry-run: a config.json to plan for, where the recipe's model is not here")
      .option('--tflops <n>', 'with --dry-run: TFLOP/s that the plan counts with (1)', positiveRate)
      .option('--resume', 'go on from the last checkpoint of this run')
      .hook('preAction', (_, action) => checkAdapter(action.opts())),
  )

export const runCommand = (): Command =>
  withRecipe(
    new Command('run').description('A whole experiment: train, score before and after, write a report under runs/.'),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ wgpu-retrieve run
  $ wgpu-retrieve run builtin:primer --set train.steps=20 --name primer-20

A recipe with [[grid]] is a study: every cell is a run; the same command goes on where one lacks.`,
    )
    .option('--keep-going', 'of a study: leave impossible cells out, and go on after one that failed')
    .action(async (recipe: string | undefined, options: RunOptions & { readonly keepGoing?: boolean }) => {
      const { file, words } = await recipeWords(recipe, options)
      const study = await loadStudy(file, words, { quick: options.quick ?? false })
      if (study)
        return options.dryRun
          ? dryStudyFromCommand(study, dryOptions(options), options)
          : runStudyFromCommand(study, options)
      if (options.keepGoing) throw usageError(`--keep-going is for a study, but ${file} has no [[grid]]; leave it out`)
      return runRecipe(recipe, options, { trainOnly: false })
    })

export const trainCommand = (): Command =>
  withRecipe(
    new Command('train')
      .description("A recipe's training alone, without scoring its tests.")
      .option('--weights <file>', 'weights of its training sets, as tdro writes them: how often each is drawn')
      .addOption(new Option('--transfer <name>', 'what the weights are used for (reweight)').choices(transfers)),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ wgpu-retrieve train --set train.steps=20 --json
  $ wgpu-retrieve train builtin:tdro-small --weights runs/tdro-small/weights.json --transfer top-p`,
    )
    .action((recipe: string | undefined, options: RunOptions) => runRecipe(recipe, options, { trainOnly: true }))

/** The file, and what the command line puts over its keys. */
async function recipeWords(given: string | undefined, options: RunOptions): Promise<{ file: string; words: string[] }> {
  // --set takes what follows it, a recipe too: that one has no equals sign.
  const overrides = (options.set ?? []).filter(word => word.includes('='))
  const [stray, ...others] = (options.set ?? []).filter(word => !word.includes('='))
  if (others.length > 0 || (stray && (given || !stray.endsWith('.toml'))))
    throw usageError(`--set ${stray}: expected key=value`)
  const path = given ?? stray
  const file = await recipeFile(path ?? 'builtin:primer')
  const quoted = (value: string) => JSON.stringify(value)
  if (options.transfer && !options.weights) throw usageError('--transfer needs --weights, the file of weights')
  const weights = options.weights
    ? ['train.sets="homogeneous"', `train.weights_file=${quoted(resolve(options.weights))}`]
    : []
  const transfer = options.transfer ? [`train.transfer=${quoted(options.transfer)}`] : []
  const shortcuts = [
    ...(options.backend ? [`backend=${quoted(options.backend)}`] : []),
    ...(options.adapter ? [`adapter=${quoted(options.adapter)}`] : []),
    ...(options.threads !== undefined ? [`threads=${options.threads}`] : []),
    ...(options.seed !== undefined ? [`seed=${options.seed}`] : []),
    ...(options.out ? [`out=${quoted(options.out)}`] : []),
    ...(options.name ? [`name=${quoted(options.name)}`] : []),
  ]
  return { file, words: [...weights, ...transfer, ...overrides, ...shortcuts] }
}

async function openRecipe(given: string | undefined, options: RunOptions): Promise<Recipe> {
  const { file, words } = await recipeWords(given, options)
  const recipe = await loadRecipe(file, words, { quick: options.quick ?? false })
  return { ...recipe, out: recipe.out ?? 'runs' }
}

const dryOptions = ({ tflops = 1, config }: RunOptions): DryOptions => ({
  rate: tflops * 1e12,
  ...(config && { config }),
})

/** A recipe run, with its progress on stderr. */
export async function runFromCommand(
  path: string | undefined,
  options: RunOptions,
  part: Pick<RunHooks, 'trainOnly' | 'weightsOnly'>,
): Promise<RunResult> {
  const recipe = await openRecipe(path, options)
  if (!options.dryRun) await checkRecipePaths(recipe)
  const progress = openProgress(options.quiet)
  const shown = phases(progress)
  const repeat = commandToRepeat(process.argv.slice(2))
  const signal = interruptSignal('interrupted', progress)
  const hooks: RunHooks = {
    say: line => progress.say(line),
    warn: line => progress.say(`warning: ${line}`),
    progress: shown.show,
    signal,
    command: repeat,
    resume: options.resume ?? false,
    ...part,
    ...(options.profile && { profile: options.profile }),
  }
  const result = await (options.dryRun ? dryRun(recipe, dryOptions(options), hooks) : runExperiment(recipe, hooks))
  shown.end()
  return result
}

async function runRecipe(
  path: string | undefined,
  options: RunOptions,
  { trainOnly }: { trainOnly: boolean },
): Promise<void> {
  const result = await runFromCommand(path, options, { trainOnly })
  // What it says lies nowhere any more.
  if (options.dryRun) return
  const [own, ...variants] = result.trainings
  if (trainOnly && options.json) return printJson(own?.summary ?? {})
  if (options.json)
    return printJson({
      ...{ folder: result.folder, report: result.report, tests: result.tests, groups: result.groups },
      training: own?.summary,
      ...(result.tdro && { tdro: tdroMetrics(result.tdro) }),
      ...(variants.length > 0 && {
        variants: Object.fromEntries(variants.map(({ training, summary }) => [training.key, summary])),
      }),
    })
  process.stdout.write(trainOnly ? trainingText(result) : resultText(result))
}

/** The command as it was typed, for a shell, without what only concerns its output. */
function commandToRepeat(words: readonly string[]): string {
  const quote = (word: string) => (/^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)
  const said = words.filter(word => !['--resume', '--json', '--quiet'].includes(word))
  return [programName(), ...said.map(quote)].join(' ')
}

const score = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(4)).padStart(8)

/** A table a group of tests, a line a system; one test by itself with all its measures where there is room. Fits 40 columns. */
function resultText(result: RunResult): string {
  const { tests, folder, report } = result
  const [only, ...others] = tests
  const alone = only && others.length === 0 ? testLines(only, result) : []
  const fits = alone.length > 0 && Math.max(...alone.map(line => line.length)) <= outputColumns()
  const lines = fits ? alone : groupLines(result)
  return `${[...lines, `folder: ${folder}`, `report: ${report}`].join('\n')}\n`
}

function testLines({ name, queries, documents, systems }: TestScores, result: RunResult): string[] {
  const scores = result.systems.map(({ key }) => systems[key]!)
  const heads = result.systems.map(({ key, label }) => (key === 'before' ? 'before' : label).slice(0, 7).padStart(8))
  return [
    `${name}: ${queries} queries, ${documents} documents`,
    ...(heads.length > 1 ? [`${' '.repeat(18)}${heads.join('')}`] : []),
    ...Object.keys(scores[0] ?? {}).map(
      measure => `  ${measure.padEnd(16)}${scores.map(each => score(each[measure])).join('')}`,
    ),
    '',
  ]
}

function groupLines({ groups, systems }: RunResult): string[] {
  const measures = [...new Set(groups.map(({ measure }) => measure))]
  const names: Record<string, string> = { in: 'in domain', out: 'out of domain', all: 'all tests' }
  // On a narrow terminal the names of systems give way.
  const room = Math.max(8, outputColumns() - 2 - 8 * measures.length)
  const labels = systems.map(({ key, label }) => fit(key === 'before' ? 'before' : label, room))
  const width = Math.max(14, ...labels.map(label => label.length))
  return [...new Set(groups.map(({ group }) => group))].flatMap(group => [
    `${(names[group] ?? group).padEnd(width + 2)}${measures.map(measure => shortMeasure(measure).padStart(8)).join('')}`,
    ...systems.map(({ key }, i) => {
      const cells = measures.map(measure =>
        score(groups.find(each => each.system === key && each.group === group && each.measure === measure)?.mean),
      )
      return `  ${labels[i]!.padEnd(width)}${cells.join('')}`
    }),
    '',
  ])
}

const fit = (text: string, room: number) => (text.length <= room ? text : `${text.slice(0, room - 1)}…`)

/** ndcg_at_10 → nDCG@10 */
const shortMeasure = (name: string) =>
  name
    .replace('_at_', '@')
    .replace('ndcg', 'nDCG')
    .replace(/^(mrr|map)/, word => word.toUpperCase())
    .replace('recall', 'R')

function trainingText({ trainings, folder }: RunResult): string {
  if (trainings.length === 0) return `nothing was trained: the recipe has no [train]\nfolder: ${folder}\n`
  const lines = trainings.map(({ training: { label }, summary: { loss, steps, tokens_per_second: rate } }) => {
    const name = trainings.length > 1 ? `${label}: ` : ''
    return `${name}${steps} steps, loss ${loss[0]?.toFixed(4)} → ${loss.at(-1)?.toFixed(4)}, ${Math.round(rate)} tokens/s\n`
  })
  return `${lines.join('')}folder: ${folder}\n`
}
