// tdro: domain weights learned beside a proxy model, or again from the losses that such a run recorded.
import { Command, InvalidArgumentError, Option } from 'commander'
import { readRecordedLosses } from '../run/tdro/recorded.js'
import { type Replayed, replay } from '../run/tdro/replay.js'
import { writeWeightsFile } from '../run/tdro/weights-file.js'
import { checkWritable } from '../runtime/write.js'
import {
  needsCosines,
  needsReference,
  type WeightMode,
  type WeightSettings,
  weightModes,
} from '../train/tdro/weights.js'
import { usageError } from './errors.js'
import { openProgress, printJson, sayWaiting } from './options.js'
import { inputFile } from './paths.js'
import { type RunOptions, runFromCommand, withRecipe } from './run.js'

interface TdroOptions extends RunOptions {
  readonly replay?: string
  readonly mode?: WeightMode
  readonly update?: 'before' | 'after'
  readonly rate?: number
  readonly ema?: number
  readonly adjustment?: number
  readonly level?: number
  readonly temperature?: number
  readonly output?: string
}

const numberIn =
  (expected: string, good: (value: number) => boolean) =>
  (text: string): number => {
    const value = Number(text)
    if (text.trim() !== '' && Number.isFinite(value) && good(value)) return value
    throw new InvalidArgumentError(`Expected ${expected}.`)
  }

const positive = numberIn('a number above 0', value => value > 0)
const share = numberIn('a number above 0, 1 at most', value => value > 0 && value <= 1)

export const tdroCommand = (): Command =>
  withRecipe(
    new Command('tdro')
      .description('Weights of training sets: learned beside a proxy model, or again from recorded losses.')
      .option('--replay <file>', 'recorded losses, a JSON line a micro-batch; - for standard input')
      .addOption(new Option('--mode <name>', 'how losses move the weights (reference)').choices([...weightModes]))
      .addOption(
        new Option(
          '--update <when>',
          "whether the weights are updated before or after the proxy's loss (after)",
        ).choices(['before', 'after']),
      )
      .option('--rate <x>', "of the weights (the mode's own: 0.02, GroupDRO 0.01, CGD and COCO-DR 0.05)", positive)
      .option('--ema <x>', "a step's share of the running average of weights (0.1)", share)
      .option(
        '--adjustment <x>',
        'C/√n on top for small domains, in group_dro and cgd (0)',
        numberIn('a number', () => true),
      )
      .option('--level <x>', 'share of the examples that cvar gives all weight to (0.2)', share)
      .option('--temperature <x>', 'of mode temperature: sizes to the power of 1/x (2)', positive)
      .option('--output <file>', 'write the weights here, for train --weights'),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ wgpu-retrieve tdro builtin:tdro-small
  $ wgpu-retrieve tdro --replay runs/tdro-small/tdro/losses.jsonl --mode group_dro`,
    )
    .action(tdro)

const OF_REPLAY = ['adjustment', 'level', 'temperature', 'output'] as const

async function tdro(recipe: string | undefined, options: TdroOptions): Promise<void> {
  if (options.replay !== undefined) {
    if (recipe !== undefined) throw usageError(`--replay needs no recipe, found ${recipe}; leave one of them out`)
    return replayLosses(options.replay, options)
  }
  const alone = OF_REPLAY.find(name => options[name] !== undefined)
  if (alone) throw usageError(`--${alone} is an option of --replay; without it the recipe's [tdro] says all`)
  if (recipe === undefined && !options.set?.some(word => word.endsWith('.toml')))
    throw usageError('tdro needs a recipe with [tdro], such as builtin:tdro-small, or --replay and a file of losses')
  const keys = { mode: options.mode, update: options.update, weights_rate: options.rate, ema: options.ema }
  const set = Object.entries(keys).flatMap(([key, value]) =>
    value === undefined ? [] : [`tdro.${key}=${JSON.stringify(value)}`],
  )
  const result = await runFromCommand(
    recipe,
    { ...options, set: [...(options.set ?? []), ...set] },
    { weightsOnly: true },
  )
  const { tdro: learned, folder, report } = result
  if (!learned) throw usageError('the recipe has no [tdro]: it learns no weights')
  // What it says lies nowhere any more.
  if (options.dryRun) return
  const { domains, alpha, final, mean, ema } = learned.weights
  if (options.json) {
    const weights = Object.fromEntries(domains.map((name, g) => [name, alpha[g]!]))
    return printJson({ ...learned.proxy.summary, weights, folder, report, file: learned.file })
  }
  const shown = { domains, final: final ?? alpha, mean: mean ?? alpha, ema: ema ?? alpha }
  process.stdout.write(`${weightsText(shown)}\nweights: ${learned.file}\nreport: ${report}\n`)
}

async function replayLosses(asked: string, options: TdroOptions): Promise<void> {
  const { mode = 'reference', update, rate, ema, adjustment, level, temperature, output, json, quiet } = options
  const progress = openProgress(quiet)
  if (output) await checkWritable(output)
  const file = await inputFile(asked, 'losses.jsonl')
  sayWaiting(file, progress)
  const recorded = await readRecordedLosses(
    file,
    { reference: needsReference(mode), cosines: needsCosines(mode) },
    mode,
  )
  const settings: Omit<WeightSettings, 'count' | 'sizes'> = {
    mode,
    ...(rate !== undefined && { rate }),
    ...(ema !== undefined && { ema }),
    ...(adjustment !== undefined && { adjustment }),
    ...(level !== undefined && { level }),
    ...(temperature !== undefined && { temperature }),
  }
  const replayed = replay(recorded, settings, update)
  for (const line of replayed.warnings) progress.say(`warning: ${line}`)
  const { domains, final, mean, ema: average } = replayed
  if (output) {
    const examples = recorded.steps.flatMap(({ microBatches }) => microBatches.map(({ loss }) => loss.length))
    const largest = examples.reduce((a, b) => Math.max(a, b))
    await writeWeightsFile(output, {
      ...{ domains, alpha: final, final, mean, ema: average, mode },
      settings: { ...settings, update: replayed.update, steps: recorded.steps.length, micro_batch: largest },
    })
  }
  if (json) return printJson(replayed)
  process.stdout.write(weightsText(replayed))
}

/** A line a domain, the heaviest first. */
export function weightsText({
  domains,
  final,
  mean,
  ema,
}: Pick<Replayed, 'domains' | 'final' | 'mean' | 'ema'>): string {
  const width = Math.max(6, ...domains.map(name => name.length))
  const cell = (value: number) => value.toFixed(4).padStart(9)
  const order = domains.map((_, g) => g).sort((a, b) => final[b]! - final[a]!)
  const head = `${'domain'.padEnd(width)}${['final', 'mean', 'ema'].map(name => name.padStart(9)).join('')}`
  const lines = order.map(g => `${domains[g]!.padEnd(width)}${cell(final[g]!)}${cell(mean[g]!)}${cell(ema[g]!)}`)
  return `${[head, ...lines].join('\n')}\n`
}
