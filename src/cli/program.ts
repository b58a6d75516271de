// The whole command line as a function: declares the commands, runs the one asked for, catches once, and returns the exit code.
import { Command, type Help } from 'commander'
import { commit, version } from '../version.js'
import { benchCommand } from './bench.js'
import { encodeCommand } from './encode.js'
import { exitCode, formatError } from './errors.js'
import { evalCommand } from './eval.js'
import { exportCommand } from './export.js'
import { infoCommand } from './info.js'
import { mineCommand } from './mine.js'
import { outputColumns } from './options.js'
import { pageCommand } from './page.js'
import { eraseBar } from './progress.js'
import { reportCommand } from './report.js'
import { runCommand, trainCommand } from './run.js'
import { searchCommand } from './search.js'
import { tdroCommand } from './tdro.js'
import { tokenizeCommand } from './tokenize.js'

const commands = [
  runCommand,
  trainCommand,
  tdroCommand,
  encodeCommand,
  searchCommand,
  mineCommand,
  evalCommand,
  reportCommand,
  tokenizeCommand,
  exportCommand,
  benchCommand,
  pageCommand,
  infoCommand,
]

/** With all its commands. */
export function createProgram(): Command {
  const program = new Command('wgpu-retrieve')
    .description('Train, adapt, search with and evaluate dense text retrievers, on WebGPU or WebAssembly.')
    .version(`${version} (${commit})`)
    .showSuggestionAfterError()
    .exitOverride()
    .configureHelp(helpLayout(Math.min(outputColumns(), 100)))
    .addHelpText(
      'after',
      `
Example: an experiment on the passages in the package, which needs nothing else
  $ wgpu-retrieve run`,
    )
  for (const make of commands) {
    const command = make().copyInheritedSettings(program)
    program.addCommand(command.showHelpAfterError(`for options and examples: wgpu-retrieve ${command.name()} --help`))
  }
  return program
}

/** Where there is no room for two columns, what an option does stands below it. */
const helpLayout = (helpWidth: number): Partial<Help> => ({
  helpWidth,
  minWidthToWrap: 20,
  ...(helpWidth < 70 && {
    formatItem: (term, _, description, helper) =>
      `  ${[term, ...helper.boxWrap(description, helpWidth - 6).split('\n')].join('\n      ')}`,
  }),
})

/** `help x` is `x --help`; where there is no command x, either is the error that suggests one. */
function asOption(words: readonly string[], program: Command): readonly string[] {
  const [first, second] = words
  const name = first === 'help' ? second : first
  if (!name || name.startsWith('-')) return words
  if (!program.commands.some(command => command.name() === name)) return [name]
  return first === 'help' ? [name, '--help'] : words
}

/** `words`: those after the program's name. Results go to stdout; an error to stderr, once. */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  try {
    const program = createProgram()
    await program.parseAsync(asOption(words, program), { from: 'user' })
    return 0
  } catch (error) {
    eraseBar()
    process.stderr.write(formatError(error, { debug: Boolean(process.env.DEBUG) }))
    return exitCode(error)
  }
}
