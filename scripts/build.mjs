// npm run build: dist/cli.js, the library for Node, Deno and Bun and for browsers (dist/browser), and the type declarations.
import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { forBrowsers } from './browser.mjs'
import { buildPage } from './page.mjs'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
await import('./assets.mjs')
rmSync('dist', { recursive: true, force: true })
let commit = 'unknown'
try {
  commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim()
} catch {
  // A tarball has no history.
}
const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
await build({
  entryPoints: { cli: 'src/cli/main.ts', index: 'src/index.ts', experiment: 'src/experiment.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: Object.keys(dependencies),
  define: { BUILD_COMMIT: JSON.stringify(commit) },
  chunkNames: 'chunks/[name]-[hash]',
  logLevel: 'warning',
})
// Whole, with what it depends on: a page may import it as it is.
await build({
  ...forBrowsers,
  entryPoints: { index: 'src/index.ts' },
  outdir: 'dist/browser',
  splitting: true,
  define: { BUILD_COMMIT: JSON.stringify(commit) },
  chunkNames: 'chunks/[name]-[hash]',
  logLevel: 'warning',
})
await buildPage('dist/page', commit)
chmodSync('dist/cli.js', 0o755)
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '--project', 'tsconfig.build.json'], {
  stdio: 'inherit',
})
