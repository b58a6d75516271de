// Runs in mixed precision, and over frozen weights in 8 and 4 bits: steps skipped are counted, too many in a row end a run with advice, and an adapter that
// computes wrongly is refused by its name.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { shaders } from '../../build/shaders.js'
import { createWebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { openModelFolder } from '../../src/model/folder.js'
import { completeRecipe } from '../../src/recipe/complete.js'
import { openModel } from '../../src/run/model.js'
import { trainingSummary } from '../../src/run/record.js'
import { runExperiment } from '../../src/run/run.js'
import type { Trained } from '../../src/run/train.js'
import type { StepRecord } from '../../src/train/loop.js'
import { webgpuBackend } from '../support/adapter.js'
import { attempt, refused, smallRecipe } from '../support/cli.js'
import { temporaryFolder } from '../support/temporary.js'

const present = await webgpuBackend()
const name = present?.adapterInfo.name ?? ''
const onF16 = present && (await hasF16()) ? test : test.skip

async function hasF16(): Promise<boolean> {
  try {
    const opened = await createWebGpuBackend({ adapter: name, mixed: true })
    opened.close()
    return true
  } catch (error) {
    if (!/no shader-f16/.test((error as Error).message)) throw error
    console.log(`skipped: ${(error as Error).message}`)
    return false
  }
}

const music = 'builtin:primer/music'
const random = { hidden: 16, layers: 1, heads: 2, max_positions: 48 }
type Table = Record<string, unknown>

const recipeOf = (out: string, train: Table, more: Table) =>
  completeRecipe({
    out,
    model: { random, max_length: 24 },
    data: { train: music, tests: [{ path: music, name: 'music' }] },
    train: { method: 'full', batch_size: 8, learning_rate: 1e-3, ...train },
    ...more,
  })

test('a summary counts the steps skipped; in f32 there are none to count', () => {
  const trained = { steps: 3, parameters: 1, tokens: 1, seconds: 1, peakBytes: 1, stoppedEarly: false }
  const record = (more: object) => ({ step: 0, loss: 1, ...more }) as StepRecord
  const summary = (...steps: StepRecord[]) => trainingSummary(trained as Trained, steps).skipped_steps
  assert.is(summary(record({ loss_scale: 8, skipped: true }), record({ loss_scale: 4 }), record({ loss_scale: 4 })), 1)
  assert.is(summary(record({ loss_scale: 4 })), 0)
  assert.is(summary(record({})), undefined)
})

onF16('too many skipped in a row end the command with advice', async () => {
  const { recipe, runs } = smallRecipe()
  // After the first update weights are beyond f16.
  const words = ['train.precision=mixed', 'train.learning_rate=1e30', 'train.steps=60']
  const ended = await attempt('train', recipe, '--backend', 'webgpu', '--adapter', name, '--set', ...words)
  refused(ended, 1, /error: step \d+: 24 steps in a row had gradients that are not finite.*precision = "f32"/)
  const log = readFileSync(join(runs, 'small', 'log.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
  const skipped = log.map(line => (JSON.parse(line) as StepRecord).skipped ?? false)
  assert.ok(skipped.length >= 23 && skipped.slice(-23).every(Boolean) && !skipped[0], log.join('\n'))
})

onF16('steps skipped are counted in the log, the record and for people, and training goes on', async () => {
  const { recipe, runs } = smallRecipe()
  // So low that gradients of a loss scaled by 65,536 are beyond f16 at first.
  const words = ['train.precision=mixed', 'train.temperature=0.001', 'train.steps=12']
  const ended = await attempt('train', recipe, '--backend', 'webgpu', '--adapter', name, '--set', ...words)
  assert.is(ended.code, 0, ended.stderr)
  const lines = readFileSync(join(runs, 'small', 'log.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
  const steps = lines.map(line => JSON.parse(line) as StepRecord)
  const skipped = steps.filter(step => step.skipped).length
  assert.ok(skipped > 0 && skipped < 12 && !steps.at(-1)!.skipped, lines.join('\n'))
  assert.ok(steps.at(-1)!.loss_scale! < 2 ** 16, lines.at(-1))
  assert.match(ended.stderr, `${skipped} of 12 steps skipped: gradients beyond f16; the loss is scaled by less since`)
  const saved = JSON.parse(readFileSync(join(runs, 'small', 'training.json'), 'utf8'))
  assert.is(saved.skipped_steps, skipped)
})

onF16('an adapter that computes wrongly is refused by name, in f32 and with f16 factors', async () => {
  const texts: Record<string, string> = shaders
  const { recipe } = smallRecipe()
  const broken = async (file: string, from: string, to: string, precision: string) => {
    const right = texts[file]!
    texts[file] = right.replace(from, to)
    assert.is.not(texts[file], right)
    try {
      const words = ['--backend', 'webgpu', '--adapter', name, '--set', `train.precision=${precision}`]
      return await attempt('train', recipe, ...words)
    } finally {
      texts[file] = right
    }
  }
  const quoted = name.replace(/[^\w ]/g, '.')
  const plain = await broken('common/product_scalar', 'params.alpha * sum', 'params.alpha * sum + 1.0', 'f32')
  refused(plain, 1, new RegExp(`the WebGPU adapter ${quoted} computes wrongly: .*--backend wasm`))
  const narrow = await broken('matmul_f16', 'bitcast<f32>(b[at])', '2.0', 'mixed')
  refused(narrow, 1, new RegExp(`the WebGPU adapter ${quoted} computes products of f16 wrongly; use precision f32`))
})

const DENSE = 'encoder.layer.0.attention.output.dense.weight'

/** Losses of LoRA over a random model, and a weight of what is saved, which is a whole model then. */
async function overRandom(precision: string, bits: readonly string[], ...backend: readonly string[]) {
  const { recipe, runs } = smallRecipe()
  const set = ['train.method=lora', 'train.learning_rate=2e-2', `train.precision=${precision}`, ...bits]
  const ended = await attempt('train', recipe, '--json', ...backend, '--set', ...set)
  assert.is(ended.code, 0, ended.stderr)
  const saved = await openModelFolder(join(runs, 'small', 'model'))
  const dense = await saved.readTensor(DENSE)
  await saved.close()
  return { loss: (JSON.parse(ended.stdout) as { readonly loss: number[] }).loss, dense }
}

test('a random model is saved with the weights that it was given, not those of 4 bits; in mixed precision too', async () => {
  const bits = ['lora.frozen_bits=4']
  const whole = await overRandom('f32', [], '--backend', 'wasm')
  const few = await overRandom('f32', bits, '--backend', 'wasm')
  assert.not.equal(few.loss, whole.loss)
  assert.equal(few.dense, whole.dense)
  if (onF16 !== test) return
  const mixed = await overRandom('mixed', bits, '--backend', 'webgpu', '--adapter', name)
  assert.not.equal(mixed.loss, few.loss)
  mixed.loss.forEach((loss, i) => {
    assert.ok(Math.abs(loss - few.loss[i]!) < 0.01 * few.loss[i]!, `step ${i}: ${loss}, in f32 ${few.loss[i]}`)
  })
})

test('LoRA over weights in 8 and in 4 bits learns as over whole ones; the adapter is read again', async () => {
  const out = temporaryFolder()
  const base = await runExperiment(recipeOf(out, { steps: 20 }, { name: 'base', backend: 'wasm' }))
  const run = (own: string, lora: Table) =>
    runExperiment(
      recipeOf(
        out,
        { method: 'lora', steps: 24, learning_rate: 2e-2, batch_size: 32 },
        {
          ...{ name: own, backend: 'wasm', lora: { rank: 4, alpha: 8, dropout: 0, ...lora } },
          model: { path: join(base.folder, 'model'), max_length: 24 },
        },
      ),
    )
  const mean = (losses: readonly number[]) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length
  const whole = await run('whole', {})
  const expected = whole.trainings[0]!.summary.loss
  const held = []
  for (const [bits, apart] of [
    [8, 0.005],
    [4, 0.05],
  ] as const) {
    const few = await run(`held in ${bits} bits`, { frozen_bits: bits })
    const found = few.trainings[0]!.summary.loss
    assert.not.equal(found, expected)
    const [first, last] = [mean(found.slice(0, 8)), mean(found.slice(-8))]
    assert.ok(last < 0.99 * first, `${bits} bits: the loss went from ${first} to ${last}`)
    found.forEach((loss, i) => {
      const most = apart * expected[i]!
      assert.ok(Math.abs(loss - expected[i]!) < most, `${bits} bits, step ${i}: ${loss}, in f32 ${expected[i]}`)
    })
    held.push(few)
  }
  const few = held.at(-1)!
  const source = await openModel(join(few.folder, 'model'))
  const [target] = [...source.adapter!.targets.values()]
  assert.is(source.adapter!.rank, 4)
  assert.ok(target!.B.some(value => value !== 0))
  await source.close()
  const words = ['--model', join(few.folder, 'model'), '--data', music, '--backend', 'wasm', '--max-length', '24']
  const again = await attempt('eval', ...words, '--json')
  assert.is(again.code, 0, again.stderr)
  const { scores } = JSON.parse(again.stdout)
  // Scored over whole weights here, in 4 bits there.
  assert.ok(Math.abs(scores.ndcg_at_10 - few.tests[0]!.after!.ndcg_at_10!) < 0.1, `${scores.ndcg_at_10}`)
})

test.run()
