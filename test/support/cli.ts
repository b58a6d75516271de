// The command line under test: in a process of its own, as a user starts it, or (quicker) in this one with its output caught; and the small
// model, collection and recipe that the commands are given.
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { releaseSignals } from '../../src/cli/options.js'
import { runCommandLine } from '../../src/cli/program.js'
import { folderWith } from './temporary.js'
import { tinyFolder, tinyJson, tinyTensors } from './tiny-bert.js'

export interface Outcome {
  /** −1 where a signal ended the process. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface StartOptions {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Called with all of stderr so far, each time that more comes. */
  readonly onStderr?: (stderr: string, child: ChildProcess) => void
}

/** What Node is given before a command's words. */
export const main: readonly string[] = [
  '--import',
  import.meta.resolve('tsx'),
  fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)),
]

/** A process of its own. */
export function start(words: readonly string[], options: StartOptions = {}): Promise<Outcome> {
  const { input = '', env, cwd, onStderr } = options
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...main, ...words], {
      cwd,
      env: { ...process.env, NO_COLOR: '1', DEBUG: '', ...env },
    })
    const out = { stdout: '', stderr: '' }
    child.stdout.on('data', chunk => {
      out.stdout += chunk
    })
    child.stderr.on('data', chunk => {
      out.stderr += chunk
      onStderr?.(out.stderr, child)
    })
    child.on('error', reject)
    child.on('close', code => resolve({ code: code ?? -1, ...out }))
    // A process that ends without reading its input breaks the pipe.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}

/** The same command line in this process. */
export async function attempt(...words: readonly string[]): Promise<Outcome> {
  const out = { stdout: '', stderr: '' }
  const streams = ['stdout', 'stderr'] as const
  const writes = streams.map(name => process[name].write)
  for (const name of streams)
    process[name].write = (chunk: Uint8Array | string, ...rest: unknown[]) => {
      out[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('latin1')
      const done = rest.find(each => typeof each === 'function') as (() => void) | undefined
      done?.()
      return true
    }
  try {
    return { code: await runCommandLine(words), ...out }
  } finally {
    releaseSignals()
    streams.forEach((name, i) => {
      process[name].write = writes[i]!
    })
  }
}

/** One error on stderr, nothing on stdout, no stack. */
export function refused({ code, stdout, stderr }: Outcome, expectedCode: number, message: RegExp): void {
  assert.match(stderr, message)
  assert.is(code, expectedCode, stderr)
  assert.is(stdout, '')
  assert.is(stderr.match(/^error: /gm)?.length, 1, stderr)
  assert.not.match(stderr, /^ +at /m)
}

/** A folder's files and folders, hidden ones too, sorted. */
export const contents = (folder: string): string[] => readdirSync(folder).sort()

export const tinyWords = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'red', 'blue', 'cat', 'dog', '##s', 'a']

const vocabulary = { 'vocab.txt': `${tinyWords.join('\n')}\n` }

/** The tiny BERT with a vocabulary (2 layers, 6 channels, 8 positions); some of its files may be others. */
export const tinyModel = (files: Record<string, string> = {}, config: object = tinyJson, tensors = tinyTensors()) =>
  tinyFolder({ ...vocabulary, ...files }, tensors, config)

const lines = (...records: object[]) => records.map(record => `${JSON.stringify(record)}\n`).join('')

/** Three documents (one empty), two queries, judgements that also name a document and a query that are not there. */
export const tinyCollection = (files: Record<string, string> = {}): string =>
  folderWith({
    'corpus.jsonl': lines(
      { _id: 'd1', title: 'red', text: 'cat' },
      { _id: 'd2', text: 'blue dogs' },
      { _id: 'd3', title: '', text: '' },
    ),
    'queries.jsonl': lines({ _id: 'q1', text: 'a cat' }, { _id: 'q2', text: 'a dog' }),
    'qrels/test.tsv': 'query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t1\nq2\td9\t1\nq7\td1\t1\n',
    ...files,
  })

/** A recipe for the passages in the package, beside which its runs go. 28,272 parameters; 0.34 MB a checkpoint. */
export function smallRecipe(): { readonly recipe: string; readonly runs: string } {
  const folder = folderWith({
    'small.toml': `name = "small"
out = "runs"
backend = "wasm"
[model]
max_length = 32
random = { hidden = 16, layers = 1, heads = 2, max_positions = 48, vocabulary = 1500 }
[data]
train = "builtin:primer/music"
tests = [{ path = "builtin:primer/music", name = "music" }]
[train]
method = "full"
steps = 6
batch_size = 8
learning_rate = 1e-3
checkpoint_every = 2
[eval]
k = 10
`,
  })
  return { recipe: join(folder, 'small.toml'), runs: join(folder, 'runs') }
}
