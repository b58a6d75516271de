// bench: how fast this machine is at this work, checked before it is timed, and beside other libraries where they are installed.
import { Argument, Command, Option } from 'commander'
import type { Backend } from '../backend/backend.js'
import type { WebGpuBackend } from '../backend/webgpu/backend.js'
import { compareResults, formatComparison, parseResults } from '../bench/compare.js'
import { benchEncode } from '../bench/encode.js'
import { benchGpu, gpuNames } from '../bench/gpu.js'
import { benchInput } from '../bench/inputs.js'
import { kernelCases } from '../bench/kernel-cases.js'
import { benchKernels } from '../bench/kernels.js'
import { benchMaxSim } from '../bench/maxsim.js'
import { renderBench } from '../bench/page.js'
import { installedPeers } from '../bench/peers.js'
import { type BenchRow, formatRow, isSoftware } from '../bench/row.js'
import { benchSampling } from '../bench/sampling.js'
import { benchSearch } from '../bench/search.js'
import { benchTokenize } from '../bench/tokenize.js'
import { benchTrain } from '../bench/train.js'
import { isFolder, readText } from '../runtime/files.js'
import { checkWritable, writeFile } from '../runtime/write.js'
import { version } from '../version.js'
import { usageError } from './errors.js'
import {
  type BackendOptions,
  openChosenBackend,
  openProgress,
  positiveInteger,
  printJson,
  withBackend,
  withOutput,
} from './options.js'
import { checkModelFolder, checkTokenizerFolder, dataFolder } from './paths.js'

const parts = ['kernels', 'tokenize', 'encode', 'train', 'search', 'sampling'] as const
/** Of a card alone: not among `parts`, which any machine does. */
const GPU = 'gpu'
/** What is compared between cards is what they do when all is measured. In milliseconds. */
const PATIENCE = 60_000
type Part = (typeof parts)[number] | typeof GPU

interface BenchOptions extends BackendOptions {
  readonly model?: string
  readonly data?: readonly string[]
  readonly documents: number
  readonly match?: string
  readonly rounds: number
  readonly peers?: string | false
  readonly peer?: string
  readonly python?: string
  readonly html?: string
  readonly compare?: readonly string[]
  readonly json?: boolean
  readonly quiet?: boolean
}

export const benchCommand = (): Command =>
  withOutput(
    withBackend(
      new Command('bench')
        .description(
          'How fast this machine is: kernels, tokenizing, encoding, training, search, sampling; verified, then timed.',
        )
        .addArgument(
          new Argument('[part]', 'what to measure (all but gpu: large sizes, f32 and f16)').choices([...parts, GPU]),
        )
        .option('--model <folder>', 'the model that encodes and is trained (a random one)')
        .option(
          '--data <folder>',
          'a BEIR folder, or builtin:primer/law, to take texts from (random ids); repeatable for tokenize, which takes folders of them too',
          (folder: string, before: readonly string[] = []) => [...before, folder],
        )
        .option('--documents <n>', 'documents to encode', positiveInteger, 512)
        .option('--match <text>', 'only the kernels with this in their name')
        .option('--rounds <n>', 'turns of ours and of each rival, of which the medians count', positiveInteger, 3)
        .option('--peers <folder>', 'time the rivals in this folder, too (bench/peers where it is installed)')
        .option('--no-peers', 'no rivals')
        .option('--peer <text>', 'only the rivals with this in their script')
        .option('--html <file>', 'write a page with the rows as bars beside what the machine can do at all')
        .option('--compare <files...>', 'two results of --json beside each other; nothing is measured')
        .addOption(new Option('--python <interpreter>', 'with torch, for the rivals in Python')),
    ),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ wgpu-retrieve bench kernels --match norm --html norms.html
  $ wgpu-retrieve bench tokenize --model runs/primer/model --data builtin:primer/law`,
    )
    .action(bench)

async function bench(part: Part | undefined, asked: BenchOptions): Promise<void> {
  if (asked.compare) return compare(asked.compare, asked)
  if (asked.html) await checkWritable(asked.html)
  if (part !== 'tokenize' && (asked.data?.length ?? 0) > 1)
    throw usageError(`--data: ${asked.data!.length} folders, one is expected; more are for bench tokenize`)
  const options = { ...asked, ...(asked.data && { data: await Promise.all(asked.data.map(dataFolder)) }) }
  if (asked.model) await (part === 'tokenize' ? checkTokenizerFolder : checkModelFolder)(asked.model)
  const { json, quiet, peers, peer, python, match, rounds } = options
  if (peers && !(await isFolder(peers)))
    throw usageError(`--peers: no such folder: ${peers}; bench/peers/README.md says how to fill one`)
  const names = part === GPU ? gpuNames() : kernelCases(1).map(({ name }) => name)
  if (match && !names.some(name => name.includes(match)))
    throw usageError(`--match: no kernel has "${match}" in its name; without it all are run`)
  const progress = openProgress(quiet)
  const say = (line: string) => progress.say(line)
  const rows: BenchRow[] = []
  const report = (row: BenchRow) => {
    rows.push(row)
    if (!json) process.stdout.write(`${formatRow(row)}\n`)
  }
  const folder = peers === false ? undefined : (peers ?? (await installedPeers()))
  const shared = { folder, python, only: peer, rounds, match, seconds: 0.5 }
  const tokenize = () => benchTokenize({ ...shared, model: options.model, data: options.data }, report, say)
  if (part === 'tokenize') await tokenize()
  else if (part === GPU) await gpu(options, shared, report, say)
  else if (part === 'sampling') await benchSampling(shared.seconds, report)
  else {
    const { backend } = await openChosenBackend({ ...options, tuneMilliseconds: PATIENCE }, say)
    try {
      for (const each of part ? [part] : parts)
        await (each === 'tokenize' ? tokenize() : run(each, backend, options, shared, report, say))
    } finally {
      backend.close()
    }
  }
  if (json) printJson(rows)
  if (asked.html) {
    await writeFile(
      asked.html,
      await renderBench({ rows, version, date: new Date().toISOString(), command: commandLine() }),
    )
    say(`page: ${asked.html}`)
  }
  if (!json)
    say(
      'to contribute a result: wgpu-retrieve bench --json > bench/results/<adapter>.json, and a pull request with that file',
    )
  const wrong = rows.filter(row => !row.verified)
  if (wrong.length > 0)
    throw new Error(`${wrong.length} of ${rows.length} rows are not verified: ${wrong.map(nameOf).join(', ')}`)
}

const commandLine = (): string => ['wgpu-retrieve', ...process.argv.slice(2)].join(' ')

async function compare(files: readonly string[], { json }: BenchOptions): Promise<void> {
  if (files.length !== 2) throw usageError(`--compare takes two files, found ${files.length}`)
  const [first, second] = await Promise.all(files.map(async file => parseResults(await readText(file), file)))
  const { rows, unmatched } = compareResults(first!, second!)
  if (json) return printJson({ rows, unmatched })
  const adapters = [first!, second!].map(each => each[0]?.adapter ?? 'no rows')
  process.stdout.write(`${adapters.join('  against  ')}  (above × 1 the second is faster)\n`)
  for (const row of rows) process.stdout.write(`${formatComparison(row)}\n`)
  if (unmatched.length > 0) process.stdout.write(`in one of them only: ${unmatched.join(', ')}\n`)
}

const nameOf = ({ name, peer }: BenchRow): string => (peer ? `${name} beside ${peer}` : name)

/** With f16 factors where the adapter has them. */
async function gpu(
  options: BenchOptions,
  shared: Parameters<typeof benchKernels>[1],
  report: (row: BenchRow) => void,
  say: (line: string) => void,
): Promise<void> {
  const { model, data: [data] = [], documents } = options
  if (options.backend === 'wasm') throw usageError('bench gpu measures a GPU, but --backend is wasm; leave it out')
  const on = { ...options, backend: 'webgpu' as const, tuneMilliseconds: PATIENCE }
  const opened = await openChosenBackend({ ...on, precision: 'mixed' }, say).catch((error: Error) => {
    if (!/no shader-f16/.test(error.message)) throw error
    say(`${error.message}; f16 is left out`)
    return openChosenBackend(on, say)
  })
  const backend = opened.backend as WebGpuBackend
  try {
    const input = model ? await benchInput(model, data, documents, isSoftware(backend)) : undefined
    await benchGpu(backend, input, { ...shared, data }, report, say)
    await input?.source.close()
  } finally {
    backend.close()
  }
}

async function run(
  part: Exclude<Part, 'tokenize' | typeof GPU>,
  backend: Backend,
  { model, data: [data] = [], documents }: BenchOptions,
  shared: Parameters<typeof benchKernels>[1],
  report: (row: BenchRow) => void,
  say: (line: string) => void,
): Promise<void> {
  if (part === 'sampling') return benchSampling(shared.seconds, report)
  if (part === 'kernels') return benchKernels(backend, shared, report, say)
  if (part === 'search') {
    await benchSearch(backend, shared.seconds, report)
    return benchMaxSim(backend, shared.seconds, report)
  }
  const input = await benchInput(model, data, documents, isSoftware(backend))
  try {
    if (part === 'encode') await benchEncode(backend, input, shared, report, say)
    else await benchTrain(backend, input.source, { ...shared, data }, report, say)
  } finally {
    await input.source.close()
  }
}
