// page: the page that embeds, searches and adapts in a browser, served to this machine alone.
import { Command } from 'commander'
import { exists, join, resolve } from '../runtime/files.js'
import { pageFolder, serveFiles } from '../runtime/server.js'
import { usageError } from './errors.js'
import { positiveInteger } from './options.js'

interface PageOptions {
  readonly model?: string
  readonly port?: number
}

/** Where the default run leaves what it trained. */
const TRAINED = 'runs/primer/model'

export const pageCommand = (): Command =>
  new Command('page')
    .description('A page that embeds, searches and adapts in your browser; served to this machine alone until Ctrl-C.')
    .option('--model <folder>', `a model's folder, loaded when the page opens (default: ${TRAINED} where it is there)`)
    .option('--port <n>', 'of the address (default: one that is free)', positiveInteger)
    .addHelpText('after', '\nExample:\n  $ wgpu-retrieve run && wgpu-retrieve page')
    .action(servePage)

async function servePage({ model, port }: PageOptions): Promise<void> {
  if (model !== undefined && !(await exists(join(model, 'config.json'))))
    throw usageError(`--model ${model} is no model folder: it has no config.json`)
  const found = model ?? ((await exists(join(TRAINED, 'config.json'))) ? TRAINED : undefined)
  const folders = { '/': await pageFolder(), ...(found && { '/model/': resolve(found) }) }
  const server = await serveFiles({ folders, ...(port && { port }) })
  process.stdout.write(`${server.address}/\n`)
  process.stderr.write(
    found ? `model: ${found}\n` : `no model at ${TRAINED}: wgpu-retrieve run trains one, or choose one on the page\n`,
  )
  await new Promise<void>(done => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => done())
  })
  await server.close()
}
