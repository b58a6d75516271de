// npm run study:tdro: recipes/tdro-controlled.toml through all of its cells, one after another: the mixture made, weights learned once, the other algorithms'
// weights from the recorded losses, a fine-tuning for each and each seed. A cell whose figures lie under bench/results/tdro-controlled/ is not done again.
//   --only <text>   cells with this in their names; --set key=value   further keys of the recipe, for a trial (kept beside, not under bench/results/)
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadPairs } from '../src/data/pairs.js'
import { startSampling } from '../src/data/sampling.js'
import { drawsOf } from '../src/data/sampling-draws.js'
import { loadRecipe } from '../src/recipe/load.js'
import { runExperiment } from '../src/run/run.js'
import { readRecordedLosses } from '../src/run/tdro/recorded.js'
import { replay } from '../src/run/tdro/replay.js'
import { writeWeightsFile } from '../src/run/tdro/weights-file.js'
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
  writeFileSync(path, rows.map(row => `${JSON.stringify(row)}\n`).join(''))
}

const recipeOf = (name: string, more: readonly string[]) =>
  loadRecipe(join(root, 'recipes/tdro-controlled.toml'), [
    ...[`name=${JSON.stringify(name)}`, `out=${JSON.stringify(runs)}`],
    ...more,
    ...trial,
  ])

/** Runs what is not done, and goes on with what was begun. */
async function run(name: string, more: readonly string[], weightsOnly = false) {
  const begun = existsSync(join(runs, name))
  const say = (line: string) => console.error(`${name}: ${line}`)
  return runExperiment(await recipeOf(name, more), { resume: begun, weightsOnly, say })
}

const kept = (cell: string) => join(results, `${cell}.json`)
const keep = (cell: string, figures: object) => {
  mkdirSync(results, { recursive: true })
  writeFileSync(kept(cell), `${JSON.stringify(figures, null, 1)}\n`)
}

async function weightsCell(): Promise<void> {
  if (existsSync(kept('weights'))) return
  const { folder, tdro } = await run('weights', [], true)
  const byMode: Record<string, readonly number[]> = { reference: tdro!.weights.alpha }
  for (const mode of REPLAYED) {
    const needs = { reference: true, cosines: mode === 'cgd' || mode === 'coco_dr' }
    const { final } = replay(await readRecordedLosses(join(folder, 'tdro/losses.jsonl'), needs, mode), { mode })
    byMode[mode] = final
  }
  keep('weights', { domains: tdro!.weights.domains, weights: byMode })
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
    made.push({ name: `uniform-${seed}`, more: [`seed=${seed}`] })
    for (const [mode, alpha] of Object.entries(weights)) {
      const file = join(results, `weights-${mode}.json`)
      await writeWeightsFile(file, { domains, alpha, mode })
      const transfers = mode === 'reference' ? ['top-p', 'reweight'] : ['reweight']
      for (const transfer of transfers)
        made.push({
          name: `${mode}-${transfer}-${seed}`,
          more: [`seed=${seed}`, `train.weights_file=${JSON.stringify(file)}`, `train.transfer="${transfer}"`],
        })
    }
  }
  return made
}

async function trainCell({ name, more }: Cell): Promise<void> {
  if (existsSync(kept(name))) return
  // The weights are there already: no second tDRO run.
  const recipe = await recipeOf(name, more)
  const { tdro: _, ...alone } = recipe
  const { tests } = await runExperiment(alone, { resume: existsSync(join(runs, name)), say: console.error })
  const scores = Object.fromEntries(
    tests.map(test => [test.name, { before: test.systems.before!.scores, after: test.systems.after!.scores }]),
  )
  keep(name, { scores })
}

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
