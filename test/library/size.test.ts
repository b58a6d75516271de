// What a page fetches that only encodes, and that importing the library does nothing.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Metafile } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
// @ts-expect-error: a script without types
import { forBrowsers } from '../../scripts/browser.mjs'
import { temporaryFolder } from '../support/temporary.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const MOST = 150 * 1024 // bytes

/** `never`: what is loaded on demand and that this page does not ask for. esbuild splits chunks as if it might, before it sees that the code is dead. */
async function bundled(contents: string, never: readonly string[] = [], splitting = true) {
  const { outputFiles = [], metafile } = await build({
    ...forBrowsers,
    external: [...never],
    stdin: { contents, resolveDir: root, loader: 'ts' },
    ...{ splitting, minify: true, metafile: true, write: false, outdir: 'out', absWorkingDir: root },
  })
  const sizes = new Map(outputFiles.map(({ path, contents }) => [path, gzipSync(contents, { level: 9 }).length]))
  return { outputs: metafile!.outputs, sizeOf: (name: string) => sizes.get(join(root, name))! }
}

type Outputs = Metafile['outputs']

const entryOf = (outputs: Outputs) => Object.keys(outputs).find(name => outputs[name]!.entryPoint === '<stdin>')!

/** The chunks that a chunk needs before it runs. */
function neededBy(outputs: Outputs, name: string, known = new Set<string>()): Set<string> {
  if (known.has(name)) return known
  known.add(name)
  for (const { path, kind } of outputs[name]!.imports) if (kind === 'import-statement') neededBy(outputs, path, known)
  return known
}

test('a page that only encodes fetches at most 150 KB, compressed', async () => {
  const { outputs, sizeOf } = await bundled(
    "import { loadEncoder } from './src/index.js'\nloadEncoder(location.hash)",
    ['../run/train.js', '../recipe/complete.js'],
  )
  const needed = (name: string) => neededBy(outputs, name)
  const chunkOf = (input: string) => Object.keys(outputs).find(name => input in outputs[name]!.inputs)!
  const page = needed(entryOf(outputs))
  const [kernels, webgpu, wasm] = [
    'build/kernels-relaxed.ts',
    'src/backend/webgpu/backend.ts',
    'src/backend/wasm/backend.ts',
  ].map(input => needed(chunkOf(input)))
  const sum = (...sets: (Set<string> | undefined)[]) =>
    [...new Set(sets.flatMap(set => [...(set ?? [])]))].reduce((total, name) => total + sizeOf(name), 0)
  const sizes = { webgpu: sum(page, webgpu), wasm: sum(page, wasm, kernels) }
  console.log(
    `a page that only encodes: ${sizes.webgpu} bytes compressed on WebGPU, ${sizes.wasm} on WebAssembly, of ${MOST}`,
  )
  assert.ok(sizes.webgpu <= MOST && sizes.wasm <= MOST, JSON.stringify(sizes))
  const fetched = [...page, ...webgpu!, ...wasm!]
  // Training is none of it, nor are the shaders left out.
  const inputs = fetched.flatMap(name => Object.keys(outputs[name]!.inputs))
  assert.not.ok(
    inputs.some(name => /src\/(recipe|train)\/|valibot.*schema/.test(name)),
    inputs.join('\n'),
  )
  assert.ok(inputs.includes('build/shaders.ts'))
})

test('nothing of Node is left in what browsers get', async () => {
  const { outputs } = await bundled("export * from './src/index.js'")
  const names = Object.values(outputs).flatMap(({ imports }) =>
    imports.filter(each => each.external).map(each => each.path),
  )
  assert.equal(names, [])
  const inputs = Object.values(outputs).flatMap(output => Object.keys(output.inputs))
  assert.not.ok(inputs.some(name => /src\/runtime\/(files|write|adapters|workers|child|cache)\.ts$/.test(name)))
})

test('runtimes are named in runtime/ alone, and by the command line and the page, which have one each', () => {
  const src = join(root, 'src')
  const elsewhere = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
    name => name.endsWith('.ts') && !/^(runtime|cli|page)[/\\]/.test(name),
  )
  assert.ok(elsewhere.length > 200, `${elsewhere.length} files`)
  const naming = elsewhere.filter(name => {
    const code = readFileSync(join(src, name), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
    return /from 'node:|\bDeno\.|\bBun\.|\bprocess\.|\bnavigator\./.test(code)
  })
  assert.equal(naming, [])
})

test('what is not imported is not in a bundle: measures without encoders', async () => {
  const code = "import { evaluateRun, version } from './src/index.js'\nconsole.log(evaluateRun, version)"
  const { outputs } = await bundled(code, [], false)
  const [{ inputs }] = Object.values(outputs) as [Outputs[string]]
  const used = Object.keys(inputs).filter(name => inputs[name]!.bytesInOutput > 0)
  assert.ok(used.includes('src/evaluate/metrics.ts'))
  assert.equal(
    used.filter(name => /^build\/|src\/(backend|model|text|library|run)\//.test(name)),
    [],
  )
})

test('importing what browsers get starts nothing either', async () => {
  const { outputFiles = [] } = await build({
    ...forBrowsers,
    stdin: { contents: "export * from './src/index.js'", resolveDir: root, loader: 'ts' },
    write: false,
  })
  const file = join(temporaryFolder(), 'library.mjs')
  writeFileSync(file, outputFiles[0]!.contents)
  // What a page could begin with, each of which would say so.
  const code = `
    const started = []
    const trap = name => new Proxy(function () {}, {
      construct: () => (started.push(name), {}), apply: () => void started.push(name), get: (_, key) => void started.push(name + '.' + String(key)),
    })
    for (const name of ['Worker', 'fetch', 'navigator', 'caches', 'indexedDB', 'setTimeout', 'setInterval', 'BroadcastChannel'])
      Object.defineProperty(globalThis, name, { value: trap(name), configurable: true, writable: true })
    for (const name of ['compile', 'instantiate', 'Module', 'Instance', 'Memory'])
      Object.defineProperty(WebAssembly, name, { value: trap('WebAssembly.' + name) })
    const { loadEncoder } = await import(${JSON.stringify(file)})
    console.log(JSON.stringify([typeof loadEncoder, started]))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], { encoding: 'utf8' })
  assert.is(stdout.trim(), '["function",[]]', stderr)
})

test('importing the library starts nothing', () => {
  const code = `
    const before = { handles: process.getActiveResourcesInfo().length, exit: process.listenerCount('exit') }
    const globals = Object.keys(globalThis).length
    await import(${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)})
    const resources = process.getActiveResourcesInfo().filter(name => /Timeout|Worker|TCP|MessagePort/.test(name))
    console.log(JSON.stringify([resources, process.listenerCount('exit') - before.exit, Object.keys(globalThis).length - globals]))`
  const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', code]
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.is(stdout.trim(), '[[],0,0]')
})

test.run()
