#!/usr/bin/env node
// wgpu-retrieve: declares the commands, runs the one asked for, and catches once.
import { Command } from 'commander'
import { commit, version } from '../version.js'
import { encodeCommand } from './encode.js'
import { exitCode, formatError } from './errors.js'
import { evalCommand } from './eval.js'
import { infoCommand } from './info.js'
import { runCommand, trainCommand } from './run.js'
import { searchCommand } from './search.js'
import { tokenizeCommand } from './tokenize.js'

const program = new Command('wgpu-retrieve')
  .description('Train, adapt, search with and evaluate dense text retrievers, on WebGPU or WebAssembly.')
  .version(`${version} (${commit})`)
  .showSuggestionAfterError()
  .configureHelp({ helpWidth: Math.min(process.stdout.columns ?? 100, 100) })
  .addHelpText(
    'after',
    '\nExample:\n  $ wgpu-retrieve run            trains on the passages in the package, needs nothing else',
  )

const commands = [runCommand, trainCommand, encodeCommand, searchCommand, evalCommand, tokenizeCommand, infoCommand]
for (const make of commands) program.addCommand(make().exitOverride().showSuggestionAfterError())
program.exitOverride()

process.stdout.on('error', error => {
  // The reader of our pipe has gone: nothing is left to say.
  if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(0)
})

try {
  await program.parseAsync(process.argv)
  // Dawn keeps the process alive; everything is closed and flushed here.
  await new Promise<void>(resolve => process.stdout.write('', () => resolve()))
  process.exit(0)
} catch (error) {
  process.stderr.write(formatError(error, { debug: Boolean(process.env.DEBUG) }))
  process.exit(exitCode(error))
}
