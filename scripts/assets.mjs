// Makes build/: the AssemblyScript modules compiled, and the shaders and modules as TypeScript files that every runtime and
// bundler can import without touching a file system. Skips what is newer than its sources; writes beside and renames.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)
mkdirSync('build', { recursive: true })

const filesUnder = folder =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(e => e.isFile())
    .map(e => join(e.parentPath ?? e.path, e.name))
const modified = path => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
const stale = (output, sources) => sources.some(source => modified(source) >= modified(output))
const write = (path, text) => {
  writeFileSync(`${path}.${process.pid}`, text)
  renameSync(`${path}.${process.pid}`, path)
}

const shaderFiles = filesUnder('shaders')
  .filter(path => path.endsWith('.wgsl'))
  .sort()
if (stale('build/shaders.ts', ['scripts/assets.mjs', 'shaders', ...shaderFiles])) {
  const entries = shaderFiles.map(
    path =>
      `  ${JSON.stringify(path.slice('shaders/'.length, -'.wgsl'.length))}: ${JSON.stringify(readFileSync(path, 'utf8'))},`,
  )
  write('build/shaders.ts', `export const shaders: Readonly<Record<string, string>> = {\n${entries.join('\n')}\n}\n`)
}

const shared = filesUnder('assembly').filter(path => path.endsWith('.ts'))
for (const target of ['kernels', 'kernels-relaxed', 'text', 'sampling', 'training']) {
  // A second build of the same kernels, for runtimes with fused products.
  const folder = target.replace('-relaxed', '')
  const sources = shared.filter(
    path => path.startsWith(join('assembly', folder)) || path.startsWith(join('assembly', 'common')),
  )
  if (!sources.includes(join('assembly', folder, 'index.ts'))) continue
  const output = `build/${target}.ts`
  if (!stale(output, ['scripts/assets.mjs', 'asconfig.json', ...sources])) continue
  const wasm = `build/${target}.${process.pid}.wasm`
  execFileSync(
    process.execPath,
    [
      'node_modules/assemblyscript/bin/asc.js',
      `assembly/${folder}/index.ts`,
      '--target',
      target,
      '--outFile',
      wasm,
      '--textFile',
      wasm.replace('.wasm', '.wat'),
    ],
    { stdio: 'inherit' },
  )
  renameSync(wasm, `build/${target}.wasm`)
  renameSync(wasm.replace('.wasm', '.wat'), `build/${target}.wat`)
  write(output, `export const ${folder}Module = '${readFileSync(`build/${target}.wasm`).toString('base64')}'\n`)
}

// What a worker thread runs, in one piece: a source text needs no file to be found, whatever bundles this package.
const threadFiles = ['thread.ts', 'team.ts'].map(name => join('src', 'backend', 'wasm', name))
if (stale('build/thread.ts', ['scripts/assets.mjs', ...threadFiles])) {
  const bundle = buildSync({
    entryPoints: [threadFiles[0]],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    globalName: 'thread',
    target: 'es2022',
  })
  write('build/thread.ts', `export const threadSource = ${JSON.stringify(bundle.outputFiles[0].text)}\n`)
}
