#!/usr/bin/env node
// wgpu-retrieve: the command line of this process, and its end.
import { describeFileError } from '../runtime/files.js'
import { exitCode, formatError } from './errors.js'
import { runCommandLine } from './program.js'
import { eraseBar } from './progress.js'

process.stdout.on('error', error => {
  // The reader of our pipe has gone: nothing is left to say.
  if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(0)
  process.stderr.write(formatError(describeFileError(error, 'write', 'standard output')))
  process.exit(1)
})
// A run goes on without its log.
process.stderr.on('error', () => undefined)
process.on('uncaughtException', error => {
  eraseBar()
  process.stderr.write(formatError(error, { debug: Boolean(process.env.DEBUG) }))
  process.exit(exitCode(error))
})

const code = await runCommandLine(process.argv.slice(2))
// Dawn keeps the process alive; everything is closed and flushed here.
await new Promise<void>(resolve => process.stdout.write('', () => resolve()))
process.exit(code)
