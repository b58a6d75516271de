// Makes build/: the AssemblyScript modules compiled, and the shaders and modules as TypeScript files that every runtime and
// bundler can import without touching a file system. Skips what is newer than its sources; writes beside and renames.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import binaryen from 'binaryen'
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

/** Exports every variable of a module, as g0, g1, …: with them and its memory an instance can be made anew on another thread, as it is. */
function openState(bytes) {
  const module = binaryen.readBinary(bytes)
  for (let i = 0; i < module.getNumGlobals(); i++) {
    const { name, mutable } = binaryen.getGlobalInfo(module.getGlobalByIndex(i))
    if (mutable) module.addGlobalExport(name, `g${i}`)
  }
  return Buffer.from(module.emitBinary())
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
  const bytes = readFileSync(`build/${target}.wasm`)
  write(
    output,
    `export const ${folder}Module = '${(target === 'text' ? openState(bytes) : bytes).toString('base64')}'\n`,
  )
}

// What worker threads run, each in one piece: a source text needs no file to be found, whatever bundles this package.
for (const [output, name, files] of [
  ['build/thread.ts', 'threadSource', ['src/backend/wasm/thread.ts', 'src/backend/wasm/team.ts']],
  ['build/text-thread.ts', 'textThreadSource', ['src/text/thread.ts', 'src/text/mailbox.ts']],
]) {
  if (!stale(output, ['scripts/assets.mjs', ...files])) continue
  const bundle = buildSync({
    entryPoints: [files[0]],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    globalName: 'thread',
    target: 'es2022',
  })
  write(output, `export const ${name} = ${JSON.stringify(bundle.outputFiles[0].text)}\n`)
}
