// The whole command line as a function: declares the commands, runs the one asked for, catches once, and returns the exit code.
import { Command } from 'commander'
import { commit, version } from '../version.js'
import { benchCommand } from './bench.js'
import { encodeCommand } from './encode.js'
import { exitCode, formatError } from './errors.js'
import { evalCommand } from './eval.js'
import { infoCommand } from './info.js'
import { runCommand, trainCommand } from './run.js'
import { searchCommand } from './search.js'
import { tokenizeCommand } from './tokenize.js'

const commands = [
  runCommand,
  trainCommand,
  encodeCommand,
  searchCommand,
  evalCommand,
  tokenizeCommand,
  benchCommand,
  infoCommand,
]

function createProgram(): Command {
  const program = new Command('wgpu-retrieve')
    .description('Train, adapt, search with and evaluate dense text retrievers, on WebGPU or WebAssembly.')
    .version(`${version} (${commit})`)
    .showSuggestionAfterError()
    .exitOverride()
    .configureHelp({ helpWidth: Math.min(process.stdout.columns ?? 100, 100) })
    .addHelpText(
      'after',
      '\nExample:\n  $ wgpu-retrieve run            trains on the passages in the package, needs nothing else',
    )
  for (const make of commands) program.addCommand(make().copyInheritedSettings(program))
  return program
}

/** `words`: those after the program's name. Results go to stdout; an error to stderr, once. */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(words, { from: 'user' })
    return 0
  } catch (error) {
    process.stderr.write(formatError(error, { debug: Boolean(process.env.DEBUG) }))
    return exitCode(error)
  }
}
