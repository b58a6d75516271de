// tDRO in a run: from training sets to weights and trainings that use them; interrupted and resumed it ends in the same files.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { completeRecipe } from '../../../src/recipe/complete.js'
import type { RunHooks } from '../../../src/run/hooks.js'
import { runExperiment } from '../../../src/run/run.js'
import { readRecordedLosses } from '../../../src/run/tdro/recorded.js'
import { replay } from '../../../src/run/tdro/replay.js'
import { weightsOfSets } from '../../../src/run/tdro/settings.js'
import { readWeightsFile } from '../../../src/run/tdro/weights-file.js'
import { jsonLines } from '../../support/shared.js'
import { failure, folderWith, temporaryFolder } from '../../support/temporary.js'

const words = 'red blue green cat dog bird fish runs jumps sleeps swims flies high low fast slow'.split(' ')

/** Made-up pairs: a query of two words and a document that has them. */
function setFolder(seed: number, count: number): string {
  const word = (i: number) => words[(i * 7 + seed * 3) % words.length]!
  const rows = Array.from({ length: count }, (_, i) => ({
    query: `${word(i)} ${word(i + 1)} ${seed} ${i}`,
    pos: [`the ${word(i)} and the ${word(i + 1)} in ${seed} at ${i}`],
    neg: [`no ${word(i + 2)} at all ${i}`, `some ${word(i + 3)} in ${i}`],
  }))
  return folderWith({ 'train.jsonl': rows.map(row => `${JSON.stringify(row)}\n`).join('') })
}

const sets = [
  { path: setFolder(1, 12), name: 'alpha', prompt: ['find it', 'look for it'] },
  { path: setFolder(2, 9), name: 'beta', symmetric: true, prompt: 'same kind' },
  { path: setFolder(3, 7), name: 'gamma' },
]

const recipeOf = (more: object = {}, name = 'mixture') =>
  completeRecipe({
    ...{ name, out: temporaryFolder(), backend: 'wasm', seed: 3 },
    model: { max_length: 24, random: { hidden: 16, layers: 1, heads: 2, max_positions: 24, vocabulary: 200 } },
    data: { train: sets, near_duplicates: {} },
    train: {
      ...{ method: 'full', steps: 4, batch_size: 4, sets: 'homogeneous', learning_rate: 0.01 },
      negatives: { hard: 1, mask_duplicates: true },
    },
    tdro: {
      steps: 6,
      batch_size: 8,
      micro_batch: 4,
      hard_negatives: 2,
      temperature: 0.1,
      learning_rate: 0.01,
      warmup_steps: 1,
      checkpoint_every: 1,
    },
    ...more,
  })

const textOf = (...path: string[]) => readFileSync(join(...path), 'utf8')
const withoutTimes = (path: string) => jsonLines<Record<string, unknown>>(path).map(line => ({ ...line, seconds: 0 }))

test('weights alone: reference, its losses, the proxy; the recorded losses give the weights again', async () => {
  const said: string[] = []
  const recipe = recipeOf()
  const { folder, tdro } = await runExperiment(recipe, { weightsOnly: true, say: line => void said.push(line) })
  assert.match(
    said.slice(0, 5).join('\n'),
    /^set +pairs +tokens +negatives\nalpha +12 .*\nbeta +9 .*\ngamma +7 .*\nall +28 /,
  )
  assert.match(said.join('\n'), /padding: none here; .* would be \d+\.\d % padding/)
  const weights = await readWeightsFile(join(folder, 'weights.json'))
  assert.equal(weights.domains, ['alpha', 'beta', 'gamma'])
  assert.ok(Math.abs(weights.alpha.reduce((a, b) => a + b) - 1) < 1e-12)
  const recorded = await readRecordedLosses(
    join(folder, 'tdro/losses.jsonl'),
    { reference: true, cosines: false },
    'reference',
  )
  assert.equal(recorded.sizes, [12, 9, 7])
  assert.equal(
    recorded.steps.map(({ microBatches }) => microBatches.length),
    [2, 2, 2, 2, 2, 2],
  )
  const again = replay(recorded, { mode: 'reference' })
  again.final.forEach((weight, g) => void assert.ok(Math.abs(weight - weights.alpha[g]!) < 1e-12))
  assert.ok(Math.max(...weights.alpha) - Math.min(...weights.alpha) > 1e-4, 'control: they have moved')
  const log = jsonLines<{ weighting: { alpha: number[]; loss: number[]; reference: number[]; gradient: number[] } }>(
    join(folder, 'tdro/proxy/log.jsonl'),
  )
  assert.is(log.length, 6)
  for (const { weighting } of log)
    for (const key of ['alpha', 'loss', 'reference', 'gradient'] as const) assert.is(weighting[key].length, 3)
  assert.equal(log.at(-1)!.weighting.alpha, tdro!.records.at(-1)!.alpha)
  const page = textOf(folder, 'report.html')
  assert.match(page, /<h2>Training sets<\/h2>/)
  for (const part of ['Weights of the training sets', 'over the steps', 'losses', 'Ratio'])
    assert.ok(page.includes(part), part)
})

test('weights by the cosines of gradients; recorded beside the losses, they give the weights again', async () => {
  const of = (more: object) => completeRecipe({ ...recipeOf(), tdro: { ...recipeOf().tdro, ...more } })
  for (const mode of ['cgd', 'coco_dr'] as const) {
    const { folder, tdro } = await runExperiment(of({ mode, weights_rate: 5 }), { weightsOnly: true })
    const recorded = await readRecordedLosses(
      join(folder, 'tdro/losses.jsonl'),
      { reference: false, cosines: true },
      mode,
    )
    const again = replay(recorded, { mode, rate: 5 })
    again.final.forEach((weight, g) => void assert.ok(Math.abs(weight - tdro!.weights.alpha[g]!) < 1e-12))
    assert.ok(Math.max(...again.final) - Math.min(...again.final) > 1e-3, 'control: they have moved')
  }
  const { folder } = await runExperiment(of({ cosines: true }), { weightsOnly: true })
  const rules = { reference: true, cosines: true }
  const recorded = await readRecordedLosses(join(folder, 'tdro/losses.jsonl'), rules, 'cgd')
  assert.ok(recorded.steps[0]!.cosines!.every((row, g) => Math.abs(row[g]! - 1) < 1e-5))
  assert.throws(() => of({ mode: 'cgd', update: 'before' }), /tdro\.update: must be "after" with mode cgd/)
})

test('stopped again and again, in every part: the same files in the end', async () => {
  const whole = await runExperiment(recipeOf(), { weightsOnly: true })
  const recipe = recipeOf()
  let stops = 0
  for (let resume = false; ; resume = true) {
    const controller = new AbortController()
    let begun = ''
    const hooks: RunHooks = {
      ...{ weightsOnly: true, resume, signal: controller.signal },
      // After two steps of whatever part is on.
      progress: ({ name, first = 0, done }) => {
        if (name !== begun) begun = name
        if (done >= first + 2) controller.abort(Object.assign(new Error('stopped'), { name: 'AbortError' }))
      },
    }
    try {
      await runExperiment(recipe, hooks)
      break
    } catch (error) {
      assert.is((error as Error).name, 'AbortError', String(error))
      stops++
      assert.ok(stops < 12)
    }
  }
  assert.ok(stops >= 3, `${stops} stops`)
  const folder = join(recipe.out!, 'mixture')
  for (const file of ['tdro/losses.jsonl', 'tdro/reference.jsonl'])
    assert.is(textOf(folder, file), textOf(whole.folder, file), file)
  assert.equal(JSON.parse(textOf(folder, 'weights.json')), JSON.parse(textOf(whole.folder, 'weights.json')))
  assert.equal(
    withoutTimes(join(folder, 'tdro/proxy/log.jsonl')),
    withoutTimes(join(whole.folder, 'tdro/proxy/log.jsonl')),
  )
  assert.equal(
    readFileSync(join(folder, 'tdro/proxy/model/model.safetensors')),
    readFileSync(join(whole.folder, 'tdro/proxy/model/model.safetensors')),
  )
})

test('a run goes on to trainings: the first is the reference, others draw sets by the weights', async () => {
  const said: string[] = []
  const variants = [
    { name: 'top', train: { transfer: 'top-p', transfer_share: 0.7 } },
    { name: 'reweight', train: { transfer: 'reweight' } },
    { name: 'losses', train: { transfer: 'loss-reweight' } },
  ]
  const recipe = recipeOf({ variants }, 'all')
  const { folder, trainings, tdro } = await runExperiment(recipe, { say: line => void said.push(line) })
  assert.is(tdro!.reference, undefined, 'the first training is not done twice')
  assert.equal(
    trainings.map(({ training }) => training.key),
    ['after', 'top', 'reweight', 'losses'],
  )
  const left = said.find(line => line.startsWith('top: '))!
  assert.match(left, /^top: top-p, 2 of 3 sets \(without (alpha|beta|gamma)\)$/)
  const drawn = jsonLines<{ drawn: number[] }>(join(folder, 'variants/top/log.jsonl')).map(line => line.drawn)
  const index = ['alpha', 'beta', 'gamma'].indexOf(/without (\w+)/.exec(left)![1]!)
  assert.ok(
    drawn.every(counts => counts[index] === 0),
    JSON.stringify(drawn),
  )
  assert.match(textOf(folder, 'metrics.json'), /"padded_token_rate"/)
})

test('weights from a file; weights of other sets are refused before anything is trained', async () => {
  const file = join(folderWith({ 'w.json': JSON.stringify({ alpha: 0, beta: 1, gamma: 3 }) }), 'w.json')
  const { train, tdro: _, ...rest } = recipeOf({}, 'file')
  const recipe = { ...rest, train: { ...train!, weights_file: file, transfer: 'reweight' as const } }
  const { folder } = await runExperiment(recipe, { trainOnly: true })
  const drawn = jsonLines<{ drawn: number[] }>(join(folder, 'log.jsonl')).map(line => line.drawn)
  assert.ok(drawn.every(([alpha]) => alpha === 0))
  assert.equal(weightsOfSets(['a', 'b'], { domains: ['b', 'a'], alpha: [0.25, 0.75] }), [0.75, 0.25])
  const other = join(folderWith({ 'w.json': JSON.stringify({ alpha: 1, delta: 1 }) }), 'w.json')
  const message = await failure(runExperiment({ ...recipe, train: { ...recipe.train, weights_file: other } }))
  assert.match(
    message,
    /w\.json: the weights are for delta, which data\.train does not have, and there is no weight for beta, gamma/,
  )
})

test('a loss that is not finite in one domain is named', async () => {
  const recipe = recipeOf({}, 'broken')
  const broken = { ...recipe, tdro: { ...recipe.tdro!, mode: 'direct' as const, learning_rate: 1e30, warmup_steps: 0 } }
  assert.match(
    await failure(runExperiment(broken, { weightsOnly: true })),
    /step \d: (a loss of the domain \w+ is|the (loss|gradient norm) is) (NaN|-?Infinity)/,
  )
})

test.run()
