// No command, option or recipe of the README and the guide is wrong: each is run on tiny data, planned with --dry-run, or, where it would measure for
// minutes, parsed.
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createProgram } from '../../src/cli/program.js'
import { attempt } from '../support/cli.js'
import { commandsOf, pages, pageText, recipeIn, root, spansOf } from '../support/documented.js'
import { cachedModel } from '../support/hub.js'
import { smallModel } from '../support/library.js'
import { folderWith } from '../support/temporary.js'

const program = createProgram()
const commandOf = (name: string) => program.commands.find(each => each.name() === name)

/** How the program is started; from the packed tarball `npm run test:runtimes` does all three. */
const LAUNCHERS = /^(?:npx |bunx --bun |)wgpu-retrieve |^deno run -A npm:wgpu-retrieve /

/** Pages with a mixture.toml of their own. */
const WITH_MIXTURE = ['README.md', 'docs/guide/reweight-a-mixture.md']

const line = (record: object) => `${JSON.stringify(record)}\n`

/** A folder where all is there that the pages name. */
async function prepared(): Promise<string> {
  const model = await smallModel()
  const files = Object.entries(model).flatMap(([name, bytes]) =>
    ['all-MiniLM-L6-v2', 'bert-base'].map(folder => [`${folder}/${name}`, bytes] as const),
  )
  const eight = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  const set = eight
    .map(query => line({ query, pos: [`about ${query}`], neg: eight.map(each => `not ${each}`) }))
    .join('')
  const losses = [
    { domains: ['nq', 'quora'], sizes: [8, 8] },
    { step: 0, domains: [0, 1], loss: [1, 2], reference: [1, 1] },
  ]
  const folder = folderWith({
    ...Object.fromEntries(files),
    ...{ 'nq/train.jsonl': set, 'quora/train.jsonl': set, 'my.toml': recipeIn('README.md', 'my.toml') },
    'runs/mixture/tdro/losses.jsonl': losses.map(line).join(''),
    'runs/mixture/weights.json': line({ nq: 0.5, quora: 0.5 }),
  })
  for (const page of WITH_MIXTURE) writeFileSync(join(folder, `${basename(page)}.toml`), recipeIn(page, 'mixture.toml'))
  for (const name of ['my-collection', 'another', 'scifact'])
    cpSync(join(root, 'collections', 'primer', 'law'), join(folder, name), { recursive: true })
  return folder
}

/** Its options and arguments are the command's. */
function parsed(words: readonly string[]): void {
  const [name, ...rest] = words
  const command = commandOf(name!)
  assert.ok(command, `there is no command ${name}`)
  const { operands, unknown } = command.exitOverride().parseOptions(rest)
  assert.equal(unknown, [], words.join(' '))
  const places = command.registeredArguments
  assert.ok(operands.length <= places.length || places.at(-1)?.variadic, words.join(' '))
  for (const [i, operand] of operands.entries())
    if (places[i]?.argChoices) assert.ok(places[i].argChoices.includes(operand), `${name} ${operand}`)
}

/** In the folder of `prepared`; `page`: where it stands. */
async function tried(given: readonly string[], page: string): Promise<void> {
  const words = given.map(word => (word === 'mixture.toml' ? `${basename(page)}.toml` : word))
  const [name, second = ''] = words
  if (words.includes('--help')) return done(words)
  parsed(words)
  // What measures, serves, trains for minutes, or goes on where a run stopped. Recipes of the package go through dry runs in tests of their own.
  if (['bench', 'page', 'report'].includes(name!) || ['', 'builtin:tdro-small'].includes(second)) return
  if (words.includes('--resume')) return
  if (second.startsWith('recipes/')) return assert.ok(existsSync(join(root, second)), second)
  if (['run', 'train', 'tdro'].includes(name!) && !words.includes('--replay')) return planned(words)
  return done(words)
}

/** Each recipe once for a command. */
const dry = new Set<string>()
async function planned(words: readonly string[]): Promise<void> {
  const key = words.slice(0, 2).join(' ')
  if (!dry.has(key)) await done([...words.filter(word => word !== '--dry-run'), '--dry-run'])
  dry.add(key)
}

async function done(words: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await attempt(...words)
  assert.is(code, 0, `${words.join(' ')}\n${stderr}`)
  assert.ok(stdout.length + stderr.length > 0, `${words.join(' ')} says nothing`)
}

const { scripts } = JSON.parse(pageText('package.json')) as { scripts: Record<string, string> }

/** What is installed and started by other programs, as it stands; examples of the guide run in its own test. */
const OTHERS = [
  ...[
    'npm ci',
    'npm install wgpu-retrieve',
    'bun add bun-webgpu',
    'bun add wgpu-retrieve',
    'deno add npm:wgpu-retrieve',
  ],
  ...['deno serve -A search.js', 'bun search.js'],
]

/** A script that there is, a folder with a lock file, or one of those. */
function checkTool(command: string): void {
  const [, script] = /^npm (?:run )?(test|(?<=run )\S+)/.exec(command) ?? []
  const [, folder] = /^npm ci --ignore-scripts --prefix (\S+)$/.exec(command) ?? []
  if (script) assert.ok(scripts[script], command)
  else if (folder) assert.ok(existsSync(join(root, folder, 'package-lock.json')), command)
  else assert.ok(OTHERS.includes(command), command)
}

test('every command of the pages works', async () => {
  const [start, environment] = [process.cwd(), process.env]
  process.env = { ...environment, ...cachedModel('sentence-transformers/all-MiniLM-L6-v2', await smallModel()) }
  process.chdir(await prepared())
  try {
    const all = new Map(pages.flatMap(page => commandsOf(pageText(page)).map(command => [command, page] as const)))
    assert.ok(all.size > 30, `${all.size} commands`)
    for (const [command, page] of all) {
      if (!LAUNCHERS.test(command)) checkTool(command)
      else
        await tried(
          command
            .replace(LAUNCHERS, '')
            .replace(/\s*>.*/, '')
            .split(' '),
          page,
        )
    }
    // Not planned alone: the first recipe that people write is run.
    await done(['run', 'my.toml', '--set', 'train.epochs=1', 'train.batch_size=8', 'model.max_length=64'])
    assert.match(readFileSync('runs/my/report.html', 'utf8'), 'bm25')
  } finally {
    process.chdir(start)
    process.env = environment
  }
})

test('every option in the pages is one of the program, those in its table of commands of that command', () => {
  const optionsOf = (name: string) => commandOf(name)!.options.flatMap(({ long, short }) => [long, short])
  const all = new Set(program.commands.flatMap(each => optionsOf(each.name())))
  const optionsIn = (code: string) => [...code.matchAll(/(?<=^|\s)--?[a-z][a-z-]*/g)].map(([option]) => option)
  for (const page of pages.filter(each => !each.startsWith('bench/')))
    for (const code of spansOf(pageText(page)).filter(each => /^-/.test(each)))
      for (const option of optionsIn(code)) assert.ok(all.has(option), `${page}: ${code}`)
  const rows = [...pageText('README.md').matchAll(/^\| `(\w+)([^`|]*(?:\\\|[^`|]*)*)` \|(.*)\|$/gm)]
  const named = rows.filter(([, name]) => commandOf(name!))
  assert.equal([...new Set(named.map(([, name]) => name!))].sort(), program.commands.map(each => each.name()).sort())
  for (const [row, name] of named)
    for (const code of spansOf(row))
      for (const option of optionsIn(code)) assert.ok(optionsOf(name!).includes(option), `${name}: ${code}`)
})

test.run()
