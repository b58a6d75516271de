// The page of src/page, built: a folder that any server of files can hold.
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { forBrowsers } from './browser.mjs'

/** `commit`: said by what the page computes. */
export async function buildPage(folder, commit) {
  mkdirSync(folder, { recursive: true })
  const common = { ...forBrowsers, minify: true, outdir: folder, logLevel: 'warning' }
  await build({
    ...common,
    entryPoints: { page: 'src/page/page.ts', worker: 'src/page/worker.ts' },
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    define: { BUILD_COMMIT: JSON.stringify(commit) },
  })
  for (const name of ['index.html', 'style.css']) cpSync(join('src', 'page', name), join(folder, name))
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name !== 'service-worker.js')
    .map(entry =>
      join(entry.parentPath ?? entry.path, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort()
  const hash = createHash('sha256')
  for (const name of names) hash.update(readFileSync(join(folder, name)))
  await build({
    ...common,
    entryPoints: { 'service-worker': 'src/page/service-worker.ts' },
    format: 'iife',
    define: {
      SHELL: JSON.stringify(['./', ...names.map(name => `./${name}`)]),
      VERSION: JSON.stringify(hash.digest('hex').slice(0, 12)),
    },
  })
}
