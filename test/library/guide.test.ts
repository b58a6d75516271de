// The examples of the README and the guide run; the reference is that of the sources.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { referenceText } from '../../scripts/reference.js'
import { blocksOf, pages, pageText } from '../support/documented.js'
import { cachedModel } from '../support/hub.js'
import { smallModel } from '../support/library.js'
import { temporaryFolder } from '../support/temporary.js'

const guide = fileURLToPath(new URL('../../docs/guide', import.meta.url))
const library = new URL('../../src/index.ts', import.meta.url).href
/** A small model under the name of the one that people take. */
const hub = cachedModel('sentence-transformers/all-MiniLM-L6-v2', await smallModel())

/** `using` is not known to every Node that we run on: what people's compilers do to it is done here too. */
const plain = (code: string) => transformSync(code, { format: 'esm', target: 'node20' }).code

/** Asks a service once. */
const MAIN = `
const { default: service } = await import('./example.mjs')
if (service) {
  console.log(await (await service.fetch(new Request('http://localhost/?q=bread'))).json())
  process.exit()
}`

/** In a process and folder of its own. */
function started(code: string) {
  const cwd = temporaryFolder()
  writeFileSync(join(cwd, 'example.mjs'), plain(code).replaceAll('"wgpu-retrieve"', JSON.stringify(library)))
  writeFileSync(join(cwd, 'main.mjs'), MAIN)
  const env = { ...process.env, ...hub }
  return spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), 'main.mjs'], {
    cwd,
    env,
    encoding: 'utf8',
  })
}

for (const page of pages) {
  const examples = blocksOf(pageText(page)).filter(({ language, code }) => language === 'js' || /^import /.test(code))
  for (const [i, { code }] of examples.entries())
    test(`${page}, example ${i + 1}`, () => {
      const { status, stdout, stderr } = started(code)
      assert.is(status, 0, stderr)
      if (/console\.log|export default/.test(code)) assert.ok(stdout.trim() !== '')
      assert.not.match(stdout, /undefined|NaN|false/)
    })
}

test('the reference is that of the sources (npm run docs makes it anew)', () => {
  assert.is(readFileSync(join(guide, 'reference.md'), 'utf8'), referenceText())
})

test.run()
