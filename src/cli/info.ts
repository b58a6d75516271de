// info: versions, backends, adapters, and why one is missing.
import { Command } from 'commander'
import { describeBackends } from '../run/backend.js'
import { commit, version } from '../version.js'
import { printJson } from './options.js'

export const infoCommand = (): Command =>
  new Command('info')
    .description('What this machine offers: backends, adapters, limits, and why one is missing.')
    .option('--adapter <name>', 'describe the adapter with this in its name')
    .option('--json', 'as JSON on stdout')
    .addHelpText('after', '\nExample:\n  $ wgpu-retrieve info --json')
    .action(async ({ adapter, json }: { adapter?: string; json?: boolean }) => {
      const { backends, default: preferred } = await describeBackends(adapter)
      const runtime = `Node ${process.version} ${process.platform} ${process.arch}`
      if (json) return printJson({ version, commit, runtime, backends, default: preferred })
      const { webgpu, wasm } = backends
      const lines = [
        `wgpu-retrieve ${version} (${commit}) on ${runtime}`,
        `wasm    ${wasm.available ? `${wasm.relaxed_simd ? 'relaxed ' : ''}SIMD, ${wasm.threads} thread${wasm.threads > 1 ? 's' : ''}` : `missing: ${wasm.reason}`}`,
        `webgpu  ${webgpu.available ? `${webgpu.adapter}${webgpu.software ? ' (software: slower than wasm)' : ''}` : `missing: ${webgpu.reason}`}`,
        ...webgpu.adapters
          .filter(each => each.name !== webgpu.adapter)
          .map(each => `        also ${each.name}${each.software ? ' (software)' : ''}`),
        ...(webgpu.available ? wrapped(`features ${webgpu.features!.join(', ')}`.split(' ')) : []),
        ...Object.entries(webgpu.limits ?? {}).map(([name, value]) => `        ${name} ${value}`),
        `default ${preferred}`,
      ]
      process.stdout.write(`${lines.join('\n')}\n`)
    })

/** Lines of at most 100 columns, below a backend's name. */
function wrapped(words: readonly string[]): string[] {
  const lines: string[] = []
  for (const word of words) {
    const longer = `${lines.at(-1)} ${word}`
    if (lines.length > 0 && longer.length <= 100) lines[lines.length - 1] = longer
    else lines.push(`${' '.repeat(lines.length === 0 ? 8 : 10)}${word}`)
  }
  return lines
}
