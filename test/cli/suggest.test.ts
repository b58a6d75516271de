import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { exitCode, formatError, interruption, usageError } from '../../src/cli/errors.js'
import { didYouMean, nearest } from '../../src/cli/suggest.js'
import { recipeError } from '../../src/recipe/problems.js'

const commands = [
  'run',
  'train',
  'tdro',
  'encode',
  'search',
  'mine',
  'eval',
  'tokenize',
  'bench',
  'serve',
  'export',
  'info',
]

test('the nearest name: insertions, deletions, replacements and swaps count one each', () => {
  const pairs = [
    ['tokenise', 'tokenize'],
    ['trian', 'train'],
    ['serach', 'search'],
    ['encde', 'encode'],
    ['evall', 'eval'],
    ['BENCH', 'bench'],
    ['rnu', 'run'],
  ] as const
  for (const [wrong, right] of pairs) assert.is(nearest(wrong, commands), right, wrong)
  assert.is(nearest('ac', ['abc', 'ca']), 'abc', 'the first of equally near names')
  assert.is(nearest('abcd', ['acbd', 'axxd']), 'acbd', 'a swap is one change, not two')
})

test('what is near nothing gets no suggestion', () => {
  assert.is(nearest('visualise', commands), undefined)
  assert.is(nearest('x', []), undefined)
  assert.is(didYouMean('trian', commands), '; did you mean train?')
  assert.is(didYouMean('visualise', commands), '')
})

test('errors become exit codes', () => {
  assert.is(exitCode(new Error('no such file')), 1)
  assert.is(exitCode('a string'), 1)
  assert.is(exitCode(undefined), 1)
  assert.is(exitCode(recipeError('r.toml', [{ key: 'seed', message: 'missing' }])), 2)
  assert.is(exitCode(usageError('unknown command')), 2)
  assert.is(exitCode(interruption()), 130)
  assert.is(exitCode(AbortSignal.abort().reason), 130)
  assert.is(exitCode({ code: 'commander.unknownOption', exitCode: 1 }), 2)
  assert.is(exitCode({ code: 'commander.helpDisplayed', exitCode: 0 }), 0)
  assert.is(exitCode(Object.assign(new Error('x'), { code: 'ENOENT' })), 1)
})

test('messages: one line, the stack and the causes only for debugging', () => {
  const error = new Error('cannot read x: no such file', { cause: new Error('ENOENT') })
  assert.is(formatError(error), 'error: cannot read x: no such file\n')
  assert.match(
    formatError(error, { debug: true }),
    /^error: Error: cannot read x.*\n +at [\s\S]+caused by Error: ENOENT\n +at /,
  )
  assert.is(formatError('text'), 'error: text\n')
  assert.is(formatError(new RangeError('')), 'error: RangeError\n')
  assert.is(formatError({ code: 'commander.unknownOption', exitCode: 1 }), '', 'commander has printed it')
  assert.is(
    formatError(interruption('interrupted; the checkpoint is in runs/x')),
    'interrupted; the checkpoint is in runs/x\n',
  )
  assert.is(formatError(recipeError('r.toml', [{ key: 'seed', message: 'missing' }])), 'error: r.toml: seed: missing\n')
})

test.run()
