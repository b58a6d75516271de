// `tdro --replay`: the form that other programs rely on, the oracle through the command line, and what bad input is told.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openSafetensors } from '../../../src/data/safetensors.js'
import { readWeightsFile } from '../../../src/run/tdro/weights-file.js'
import { attempt } from '../../support/cli.js'
import { needs } from '../../support/shared.js'
import { folderWith, temporaryFolder } from '../../support/temporary.js'

const head = { domains: ['law', 'food', 'noise'], sizes: [10, 20, 30] }
const lines = [
  { step: 0, domains: [0, 1, 2], loss: [1, 2, 0.5], reference: [0.5, 1, 1] },
  { step: 0, domains: [0, 0, 1], loss: [1, 0.3, 0.2], reference: [0.5, 1, 1] },
  { step: 1, domains: [2, 1], loss: [0.1, 0.2], reference: [0.2, 0.4] },
]

function fileOf(...given: readonly (object | string)[]): string {
  const text = given.map(line => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')
  return join(folderWith({ 'losses.jsonl': `${text}\n` }), 'losses.jsonl')
}

async function replayed(file: string, ...words: string[]) {
  const { code, stdout, stderr } = await attempt('tdro', '--replay', file, '--json', ...words)
  assert.is(code, 0, stderr)
  return { ...JSON.parse(stdout), stderr }
}

test('every mode that needs no gradients', async () => {
  const file = fileOf(head, ...lines)
  for (const mode of 'reference paper paper-whole-step minus direct group_dro cvar doremi uniform size'.split(' ')) {
    const { steps, final, mean, ema } = await replayed(file, '--mode', mode)
    assert.is(steps.length, 2, mode)
    for (const weights of [...steps.map((step: { alpha: number[] }) => step.alpha), final, mean, ema]) {
      assert.is(weights.length, 3, mode)
      assert.ok(Math.abs(weights.reduce((a: number, b: number) => a + b) - 1) < 1e-12, mode)
    }
  }
  const { steps, final } = await replayed(file)
  assert.equal(final, steps[1].alpha, 'reference is the default')
  assert.equal(await replayed(file, '--mode', 'reference'), await replayed(file))
})

test('modes with gradients take cosines on a line of each step', async () => {
  const cosines = [
    [1, 0.5, 0],
    [0.5, 1, 0.2],
    [0, 0.2, 1],
  ]
  const file = fileOf(head, { ...lines[0], cosines }, lines[1]!, { ...lines[2], cosines })
  for (const mode of ['cgd', 'coco_dr']) assert.is((await replayed(file, '--mode', mode)).steps.length, 2)
})

test('update before and after differ in the loss of the proxy alone', async () => {
  const file = fileOf(head, ...lines)
  const [before, after] = [await replayed(file, '--update', 'before'), await replayed(file, '--update', 'after')]
  assert.equal(before.final, after.final)
  assert.not.equal(before.steps[0].proxy_loss, after.steps[0].proxy_loss)
  // With uniform weights the loss is the plain mean.
  assert.ok(Math.abs(after.steps[0].proxy_loss[0] - 3.5 / 3) < 1e-12)
})

const oracle = needs('oracles/tdro/k5')
if (oracle)
  test('the oracle through a file of losses', async () => {
    const inputs = await openSafetensors(`${oracle}/inputs.safetensors`)
    const expected = JSON.parse(readFileSync(`${oracle}/case.json`, 'utf8'))
    const [loss, reference] = [await inputs.readF32('loss'), await inputs.readF32('reference')]
    const domains = await inputs.readI32('domains')
    await inputs.close()
    const rows = Array.from({ length: 60 * 3 }, (_, i) => {
      const part = (all: ArrayLike<number>) => Array.from({ length: 32 }, (_, j) => all[i * 32 + j]!)
      return { step: Math.floor(i / 3), domains: part(domains), loss: part(loss), reference: part(reference) }
    })
    const file = fileOf({ domains: ['a', 'b', 'c', 'd', 'e'] }, ...rows)
    for (const mode of ['reference', 'paper', 'paper-whole-step', 'minus', 'direct']) {
      const { final } = await replayed(file, '--mode', mode)
      final.forEach((weight: number, g: number) => {
        assert.ok(Math.abs(weight - expected.modes[mode].final[g]) <= 1e-10, `${mode} ${g}`)
      })
    }
  })

test('as text: a line a domain, the heaviest first; and the file of weights', async () => {
  const output = join(temporaryFolder(), 'weights.json')
  const { code, stdout } = await attempt(
    'tdro',
    '--replay',
    fileOf(head, ...lines),
    '--mode',
    'size',
    '--output',
    output,
  )
  assert.is(code, 0)
  assert.match(stdout, /^domain +final +mean +ema\nnoise +0\.5000.*\nfood +0\.3333.*\nlaw +0\.1667/)
  const { domains, alpha, mode, settings } = await readWeightsFile(output)
  assert.equal(
    [domains, mode, settings],
    [head.domains, 'size', { mode: 'size', update: 'after', steps: 2, micro_batch: 3 }],
  )
  assert.ok(Math.abs(alpha[0]! - 1 / 6) < 1e-12)
})

test('without sizes, and where the weights collapse, a warning says so', async () => {
  const { stderr } = await replayed(fileOf({ domains: head.domains }, ...lines), '--mode', 'cvar')
  assert.match(stderr, /cvar looks at the domains' sizes, but none are given/)
  const steps = Array.from({ length: 9 }, (_, step) => ({ step, domains: [0, 1], loss: [5, 0] }))
  const collapsed = await replayed(fileOf({ domains: ['a', 'b'] }, ...steps), '--mode', 'direct', '--rate', '0.9')
  assert.match(collapsed.stderr, /step 2: the weights have collapsed to one domain: a has 0\.9/)
})

const bad: readonly (readonly [string, readonly (object | string)[], RegExp])[] = [
  [
    'an unknown domain',
    [head, { ...lines[0], domains: [0, 1, 3] }],
    /:2: "domains" has 3 as its item 2, expected an index from 0 to 2/,
  ],
  ['a negative domain', [head, lines[0]!, { ...lines[1], domains: [0, -1, 1] }], /:3: "domains" has -1 as its item 1/],
  ['a domain that is no integer', [head, { ...lines[0], domains: [0, 1.5, 1] }], /:2: "domains" has 1\.5/],
  [
    'NaN',
    [head, '{"step": 0, "domains": [0], "loss": [NaN], "reference": [1]}'],
    /:2: expected finite numbers in "loss", found NaN as its item 0 \(step 0\)/,
  ],
  [
    'an infinite loss',
    [head, '{"step": 0, "domains": [0], "loss": [1e999], "reference": [1]}'],
    /:2: expected finite numbers in "loss"/,
  ],
  [
    'null',
    [head, { ...lines[0], reference: [1, null, 1] }],
    /:2: expected finite numbers in "reference", found null as its item 1/,
  ],
  ['too few losses', [head, { ...lines[0], loss: [1, 2] }], /:2: "loss" has 2 numbers, but "domains" has 3/],
  ['too many references', [head, { ...lines[0], reference: [1, 2, 3, 4] }], /:2: "reference" has 4 numbers/],
  ['no reference', [head, { step: 0, domains: [0], loss: [1] }], /:2: "reference" is missing, but mode reference/],
  [
    'no loss',
    [head, { step: 0, domains: [0], reference: [1] }],
    /:2: expected a list of numbers as "loss", found nothing/,
  ],
  ['no step', [head, { domains: [0], loss: [1], reference: [1] }], /:2: expected a step .* found nothing/],
  ['no examples', [head, { step: 0, domains: [], loss: [], reference: [] }], /:2: "domains" is empty/],
  ['steps out of order', [head, lines[2]!, lines[0]!], /:3: step 0 comes after step 1/],
  ['a line that is no object', [head, '[1]'], /:2: expected a JSON object, found a list of 1/],
  ['a line that is no JSON', [head, '{"step": 0'], /:2: expected a JSON object, found "{/],
  ['no first line', [lines[0]!], /:1: expected a first line \{"domains": \["name", …\]/],
  ['a name twice', [{ domains: ['a', 'a'] }, lines[0]!], /:1: the domain "a" is given twice/],
  ['sizes of another length', [{ ...head, sizes: [1] }, lines[0]!], /:1: expected "sizes" with 3 positive numbers/],
  ['no losses', [head], /has no losses/],
  ['nothing', [''], /is empty/],
]

for (const [what, given, expected] of bad)
  test(`bad input: ${what}`, async () => {
    const { code, stdout, stderr } = await attempt('tdro', '--replay', fileOf(...given), '--json')
    assert.equal([code, stdout], [1, ''])
    assert.match(stderr, expected)
  })

test('bad input: no cosines where gradients are needed, and what a mode does not need may be missing', async () => {
  const { code, stderr } = await attempt('tdro', '--replay', fileOf(head, ...lines), '--mode', 'cgd')
  assert.is(code, 1)
  assert.match(stderr, /:2: step 0 has no "cosines", which mode cgd needs/)
  assert.is((await replayed(fileOf(head, { step: 0, domains: [0], loss: [1] }), '--mode', 'direct')).steps.length, 1)
})

test('a wrong command line', async () => {
  for (const words of [[], ['--replay', 'no-such-file'], ['--replay', fileOf(head, ...lines), '--mode', 'papers']]) {
    const { code, stdout } = await attempt('tdro', ...words)
    assert.ok(code !== 0 && stdout === '', words.join(' '))
  }
  assert.not.ok(existsSync('no-such-file'))
})

test.run()
