// Every example of every help text, run as it stands in a shell, in an empty folder, on the collections in the package.
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { attempt, contents, main } from '../support/cli.js'
import { temporaryFolder } from '../support/temporary.js'

const commands = [
  '',
  'run',
  'tdro',
  'train',
  'eval',
  'search',
  'mine',
  'report',
  'encode',
  'tokenize',
  'export',
  'bench',
  'info',
]

/** The lines after `$`, those that end in a backslash with the next one. */
async function examplesOf(command: string): Promise<string[]> {
  const { code, stdout } = await attempt(...(command ? [command] : []), '--help')
  assert.is(code, 0)
  const lines = stdout.replaceAll(/\\\n\s+/g, '').split('\n')
  return lines.flatMap(line => /^ {2}\$ (.+)$/.exec(line)?.[1] ?? [])
}

const quoted = (words: readonly string[]) => words.map(word => `'${word}'`).join(' ')

// What makes an experiment on 400 passages a matter of a second; all else is the example's.
const tiny = quoted([
  ...['--set', 'train.steps=2', 'variants=[]', 'model.max_length=32'],
  'model.random={hidden=16,layers=1,heads=2,max_positions=32,vocabulary=1000}',
])

const tinyTdro = quoted(['tdro.steps=2', 'tdro.batch_size=16', 'tdro.micro_batch=8'])

const shell = `
set -eu
wgpu_retrieve() {
  case "$1" in
    run | train) ${quoted([process.execPath, ...main])} "$@" ${tiny} ;;
    tdro)
      case "$2" in
        builtin*) ${quoted([process.execPath, ...main])} "$@" ${tiny} ${tinyTdro} ;;
        *) ${quoted([process.execPath, ...main])} "$@" ;;
      esac ;;
    *) ${quoted([process.execPath, ...main])} "$@" ;;
  esac
}
`

test('every example works', async () => {
  const cwd = temporaryFolder()
  const all: string[] = []
  for (const command of commands) {
    const examples = await examplesOf(command)
    assert.ok(examples.length > 0, command || 'the program')
    all.push(...examples)
  }
  // The first one trains the model that others name.
  assert.is(all[0], 'wgpu-retrieve run')
  for (const example of new Set(all)) {
    const script = shell + example.replaceAll('wgpu-retrieve ', 'wgpu_retrieve ')
    const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { cwd, encoding: 'utf8' })
    assert.is(status, 0, `${example}\n${stderr}`)
    assert.ok(stdout.length > 0, `${example} prints something`)
    assert.not.match(stderr, /error|undefined|NaN/, example)
  }
  assert.equal(
    contents(cwd).filter(name => name !== 'runs'),
    [
      'law.ids.txt',
      'law.jsonl',
      'law.safetensors',
      'law.trec',
      'merged',
      'norms.html',
      'query.ids.txt',
      'query.safetensors',
      'runs.csv',
      'runs.html',
      'runs.json',
      'small',
    ],
  )
})

test.run()
