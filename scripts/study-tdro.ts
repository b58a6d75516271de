// npm run study:tdro: recipes/tdro-controlled.toml through all of its cells, one after another: the mixture made, weights learned once, the other algorithms'
// weights from the recorded losses, a fine-tuning for each and each seed. A cell whose figures lie under bench/results/tdro-controlled/ is not done again.
//   --only <text>   cells with this in their names; --set key=value   further keys of the recipe, for a trial (kept beside, not under bench/results/)
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadPairs } from '../src/data/pairs.js'
import { startSampling } from '../src/data/sampling.js'
import { drawsOf } from '../src/data/sampling-draws.js'
import { loadRecipe } from '../src/recipe/load.js'
import type { Recipe } from '../src/recipe/schema.js'
import type { TestScores, TrainingSummary } from '../src/run/record.js'
import { runExperiment } from '../src/run/run.js'
import { readRecordedLosses } from '../src/run/tdro/recorded.js'
import { replay } from '../src/run/tdro/replay.js'
import { readWeightsFile, writeWeightsFile } from '../src/run/tdro/weights-file.js'
import { writeFile } from '../src/runtime/write.js'
import type { WeightMode } from '../src/train/tdro/weights.js'

const root = new URL('..', import.meta.url).pathname
const { values } = parseArgs({ options: { only: { type: 'string' }, set: { type: 'string', multiple: true } } })
const trial = values.set ?? []
const runs = join(root, trial.length > 0 ? 'runs/tdro-controlled-trial' : 'runs/tdro-controlled')
const results = trial.length > 0 ? join(runs, 'results') : join(root, 'bench/results/tdro-controlled')
const sets = join(root, 'runs/tdro-controlled-sets')

const PAIRS = 400
const SEEDS = [1, 2]
/** Weights by other algorithms, from the losses that the tDRO run recorded. */
const REPLAYED: readonly WeightMode[] = ['minus', 'group_dro', 'cvar', 'doremi', 'cgd', 'coco_dr']

/** The first pairs of a collection beside the checkout, or with each query's positives those of another one. */
async function writeSet(name: string, from: string, shuffled = false): Promise<void> {
  const path = join(sets, `${name}.jsonl`)
  if (existsSync(path)) return
  const { pairs } = await loadPairs(join(root, '../shared/data', from))
  const chosen = pairs.slice(0, PAIRS)
  const order = chosen.map((_, i) => i)
  const draw = drawsOf(startSampling(7))
  if (shuffled)
    for (let i = order.length - 1; i > 0; i--) {
      const j = draw.drawInteger(i + 1)
      ;[order[i], order[j]] = [order[j]!, order[i]!]
    }
  const rows = chosen.map(({ query }, i) => ({ query, pos: chosen[order[i]!]!.positives.slice(0, 1), neg: [] }))
  mkdirSync(sets, { recursive: true })
  await writeFile(path, rows.map(row => `${JSON.stringify(row)}\n`).join(''))
}

const recipeOf = (name: string, more: readonly string[]) =>
  loadRecipe(join(root, 'recipes/tdro-controlled.toml'), [
    ...[`name=${JSON.stringify(name)}`, `out=${JSON.stringify(runs)}`],
    ...more,
    ...trial,
  ])

/** A folder of a run that ended: what is not done is run, what was begun goes on. */
async function ended(name: string, recipe: Recipe, weightsOnly = false): Promise<string> {
  const folder = join(runs, name)
  if (existsSync(join(folder, 'metrics.json'))) return folder
  const say = (line: string) => console.error(`${name}: ${line}`)
  return (await runExperiment(recipe, { resume: existsSync(join(folder, 'recipe.toml')), weightsOnly, say })).folder
}

const kept = (cell: string) => join(results, `${cell}.json`)
const keep = (cell: string, figures: object) => writeFile(kept(cell), `${JSON.stringify(figures)}\n`)

async function weightsCell(): Promise<void> {
  if (existsSync(kept('weights'))) return
  const folder = await ended('weights', await recipeOf('weights', []), true)
  const { domains, alpha } = await readWeightsFile(join(folder, 'weights.json'))
  const byMode: Record<string, readonly number[]> = { reference: alpha }
  for (const mode of REPLAYED) {
    const needs = { reference: true, cosines: mode === 'cgd' || mode === 'coco_dr' }
    const { final } = replay(await readRecordedLosses(join(folder, 'tdro/losses.jsonl'), needs, mode), { mode })
    byMode[mode] = final
  }
  await keep('weights', { domains, weights: byMode })
}

interface Cell {
  readonly name: string
  readonly more: readonly string[]
}

async function cells(): Promise<Cell[]> {
  const { domains, weights } = JSON.parse(readFileSync(kept('weights'), 'utf8')) as {
    domains: string[]
    weights: Record<string, number[]>
  }
  const made: Cell[] = []
  for (const seed of SEEDS) {
    // The model as it was is scored once.
    made.push({ name: `uniform-${seed}`, more: [`seed=${seed}`, `eval.before=${seed === SEEDS[0]}`] })
    for (const [mode, alpha] of Object.entries(weights)) {
      const file = join(results, `weights-${mode}.json`)
      await writeWeightsFile(file, { domains, alpha, mode })
      const transfers = mode === 'reference' ? ['top-p', 'reweight'] : ['reweight']
      for (const transfer of transfers)
        made.push({
          name: `${mode}-${transfer}-${seed}`,
          more: [
            `seed=${seed}`,
            'eval.before=false',
            `train.weights_file=${JSON.stringify(file)}`,
            `train.transfer="${transfer}"`,
          ],
        })
    }
  }
  return made
}

/** Of every test the scores after training, and each query's, in the order of their ids: what a paired test needs. Those before it where they were made. */
async function trainCell({ name, more }: Cell): Promise<void> {
  if (existsSync(kept(name))) return
  // The weights are there already: no second tDRO run.
  const { tdro: _, ...recipe } = await recipeOf(name, more)
  const { tests, per_query, training } = readMetrics(await ended(name, recipe))
  const measure = recipe.eval.measures[0]!
  const found = (system: 'before' | 'after', test: string, scores: Readonly<Record<string, number>>) => {
    const queries = per_query[system]![test]!
    const ids = Object.keys(queries).sort()
    return { score: scores[measure]!, per_query: ids.map(id => Number(queries[id]![measure]!.toPrecision(6))) }
  }
  await keep(name, {
    measure,
    steps: training.steps,
    seconds: training.seconds,
    tests: tests.map(({ name: test, queries, documents, fingerprint, before, after }) => ({
      ...{ name: test, queries, documents, fingerprint, after: found('after', test, after!) },
      ...(before && { before: found('before', test, before) }),
    })),
  })
}

interface Metrics {
  readonly tests: readonly TestScores[]
  readonly training: TrainingSummary
  readonly per_query: Readonly<Record<string, Record<string, Record<string, Record<string, number>>>>>
}

const readMetrics = (folder: string) => JSON.parse(readFileSync(join(folder, 'metrics.json'), 'utf8')) as Metrics

mkdirSync(results, { recursive: true })
await writeSet('scifact', 'scifact')
await writeSet('medquad', 'medquad')
await writeSet('nl2bash', 'nl2bash')
await writeSet('conala-shuffled', 'conala', true)
await writeSet('pubmedqa', 'pubmedqa')
await writeSet('pubmedqa-again', 'pubmedqa')
await weightsCell()
const all = await cells()
for (const cell of all) if (values.only === undefined || cell.name.includes(values.only)) await trainCell(cell)
console.log(`${all.filter(({ name }) => existsSync(kept(name))).length} of ${all.length} cells are done: ${results}`)
