// Rivals: scripts in a folder beside the package, each a child process that takes turns with us on the same inputs. A script answers JSON lines:
//   {"do": "open", threads, device?}     → {name, threads}         its library's name and version, the threads that it really uses
//   {"do": "prepare", task, …, out}      → {}                      makes ready, computes once, writes the result to the file `out` (f32)
//   {"do": "time", seconds}              → {milliseconds, cores}   of one call; the cores that were busy
import { type Child, childError, isChildError, startChild } from '../runtime/child.js'
import { exists, join, packageFolder } from '../runtime/files.js'

export type PeerTask = 'matmul' | 'encode' | 'train' | 'tokenize'

interface PeerScript {
  readonly script: string
  readonly words?: readonly string[]
  readonly tasks: readonly PeerTask[]
}

const scripts: readonly PeerScript[] = [
  { script: 'onnxruntime.mjs', words: ['web'], tasks: ['matmul', 'encode'] },
  { script: 'onnxruntime.mjs', words: ['node'], tasks: ['matmul', 'encode'] },
  { script: 'tfjs.mjs', tasks: ['matmul'] },
  { script: 'torch_encode.py', tasks: ['encode'] },
  { script: 'torch_train.py', tasks: ['train'] },
  { script: 'tokenizers_js.mjs', tasks: ['tokenize'] },
  { script: 'tokenizers_rust.py', tasks: ['tokenize'] },
]

export interface PeerOptions {
  /** Where the scripts lie; absent: no rivals. */
  readonly folder?: string | undefined
  /** A Python interpreter with torch, for the scripts in Python. */
  readonly python?: string | undefined
  /** A part of the name of a script or its argument; all where absent. */
  readonly only?: string | undefined
}

export interface Peer {
  readonly name: string
  /** That it really uses. */
  readonly threads: number
  prepare(request: Readonly<Record<string, unknown>>): Promise<void>
  /** Milliseconds of one call: the median of `seconds`, or one alone where that is 0. */
  time(seconds: number): Promise<number>
  /** That were busy while it was timed last. */
  busyCores(): number
}

/** The package's own folder of rivals, where they are installed. */
export async function installedPeers(): Promise<string | undefined> {
  const folder = join(await packageFolder(), 'bench', 'peers')
  return (await exists(join(folder, 'node_modules'))) ? folder : undefined
}

/** Hands each rival for a task to `use`, one after another; one that fails is told of and left out. */
export async function withPeers(
  options: PeerOptions,
  task: PeerTask,
  settings: { readonly threads: number; readonly device?: 'cpu' | 'gpu' },
  say: (line: string) => void,
  use: (peer: Peer) => Promise<void>,
): Promise<void> {
  const { folder, python, only } = options
  if (!folder) return
  for (const { script, words = [], tasks } of scripts) {
    const isPython = script.endsWith('.py')
    const label = [script, ...words].join(' ')
    const file = join(folder, script)
    if (!tasks.includes(task) || (isPython && !python) || (only && !label.includes(only)) || !(await exists(file)))
      continue
    // Those in JavaScript run on the processor.
    if (!isPython && settings.device === 'gpu') continue
    const child = startChild(
      isPython ? python! : 'node',
      [file, ...words],
      isPython ? environment(settings.threads) : {},
    )
    try {
      await use(peerOf(child, await child.ask({ do: 'open', ...settings })))
    } catch (error) {
      if (!isChildError(error)) throw error
      say(`${label} is left out: ${whyNot(error.message, folder)}`)
    } finally {
      child.close()
    }
  }
}

/** A rival that is not installed, in a word. */
function whyNot(message: string, folder: string): string {
  const missing = /Cannot find package '([^']+)'/.exec(message)?.[1]
  return missing ? `${missing} is not installed; npm ci --ignore-scripts --prefix ${folder}` : message
}

const environment = (threads: number): Record<string, string> => ({
  HF_HUB_OFFLINE: '1',
  TOKENIZERS_PARALLELISM: 'false',
  PYTHONDONTWRITEBYTECODE: '1',
  OMP_NUM_THREADS: String(threads),
  MKL_NUM_THREADS: String(threads),
})

function peerOf(child: Child, { name, threads }: Readonly<Record<string, unknown>>): Peer {
  if (typeof name !== 'string' || typeof threads !== 'number')
    throw childError(`expected its name and threads, found ${JSON.stringify({ name, threads })}`)
  let busy = Number.NaN
  return {
    name,
    threads,
    prepare: async request => void (await child.ask({ do: 'prepare', ...request })),
    async time(seconds) {
      const { milliseconds, cores } = await child.ask({ do: 'time', seconds })
      if (typeof milliseconds !== 'number' || !(milliseconds > 0))
        throw childError(`${name}: expected milliseconds, found ${JSON.stringify(milliseconds)}`)
      if (typeof cores === 'number') busy = cores
      return milliseconds
    },
    busyCores: () => Math.round(busy * 100) / 100,
  }
}
