// info: versions, backends, adapters, and why one is missing.
import { Command } from 'commander'
import { describeBackends } from '../run/backend.js'
import { commit, version } from '../version.js'
import { outputColumns, printJson, withOutput } from './options.js'

export const infoCommand = (): Command =>
  withOutput(
    new Command('info')
      .description('What this machine offers: backends, adapters, limits, and why one is missing.')
      .option('--adapter <name>', 'describe the adapter with this in its name'),
  )
    .addHelpText('after', '\nExample:\n  $ wgpu-retrieve info --json')
    .action(async ({ adapter, json }: { adapter?: string; json?: boolean }) => {
      const { backends, default: preferred } = await describeBackends(adapter)
      const runtime = runtimeText()
      if (json) return printJson({ version, commit, runtime, backends, default: preferred })
      const lines = [
        `wgpu-retrieve ${version} (${commit}) on ${runtime}`,
        ...backendLines(backends),
        `default ${preferred}`,
      ]
      process.stdout.write(`${wrapped(lines, Math.min(outputColumns(), 100)).join('\n')}\n`)
    })

/** Deno and Bun give themselves out for a version of Node, too. */
function runtimeText(): string {
  const { deno, bun, node } = process.versions as { deno?: string; bun?: string; node: string }
  const name = deno ? `Deno ${deno}` : bun ? `Bun ${bun}` : `Node v${node}`
  return `${name} ${process.platform} ${process.arch}`
}

function backendLines({ wasm, webgpu }: Awaited<ReturnType<typeof describeBackends>>['backends']): string[] {
  const threads = `SIMD, ${wasm.threads} thread${wasm.threads > 1 ? 's' : ''}`
  const slower = webgpu.software ? ' (software: slower than wasm)' : ''
  return [
    `wasm    ${wasm.available ? threads : `missing: ${wasm.reason}`}`,
    `webgpu  ${webgpu.available ? `${webgpu.adapter}${slower}` : `missing: ${webgpu.reason}`}`,
    ...webgpu.adapters
      .filter(each => each.name !== webgpu.adapter)
      .map(each => `        also ${each.name}${each.software ? ' (software)' : ''}`),
    ...(webgpu.available ? [`        features ${webgpu.features!.join(', ')}`] : []),
    ...Object.entries(webgpu.limits ?? {}).map(([name, value]) => `        ${name} ${value}`),
  ]
}

/** Lines of at most so many columns where their words allow it; what goes on stands further to the right. Narrow: less deep. */
function wrapped(lines: readonly string[], columns: number): string[] {
  const deep = columns < 60 ? 2 : 8
  return lines.flatMap(line => {
    const indent = line.startsWith(' ') ? ' '.repeat(deep) : ''
    const broken: string[] = []
    for (const word of line.trimStart().split(/(?<! ) /)) {
      const longer = `${broken.at(-1)} ${word}`
      if (broken.length > 0 && longer.length <= columns) broken[broken.length - 1] = longer
      else broken.push(broken.length === 0 ? indent + word : `${indent || ' '.repeat(deep)}  ${word}`)
    }
    return broken
  })
}
