// The guide's examples run; the reference is that of the sources.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { referenceText } from '../../scripts/reference.js'
import { smallModel } from '../support/library.js'
import { temporaryFolder } from '../support/temporary.js'

const guide = fileURLToPath(new URL('../../docs/guide', import.meta.url))
const library = new URL('../../src/index.ts', import.meta.url).href
const model = await smallModel()

for (const name of readdirSync(guide).filter(each => each.endsWith('.md'))) {
  const blocks = [...readFileSync(join(guide, name), 'utf8').matchAll(/^```js\n([\s\S]*?)^```/gm)].map(
    ([, code]) => code!,
  )
  for (const [i, code] of blocks.entries())
    test(`${name}, example ${i + 1}`, () => {
      // A small model under the name of the one that people take.
      const folder = temporaryFolder()
      for (const [file, bytes] of Object.entries(model)) {
        const path = join(folder, 'all-MiniLM-L6-v2', file)
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, bytes)
      }
      const script = join(folder, 'example.mjs')
      writeFileSync(script, code.replaceAll("'wgpu-retrieve'", JSON.stringify(library)))
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), script], {
        cwd: folder,
        encoding: 'utf8',
      })
      assert.is(status, 0, stderr)
      assert.ok(stdout.trim() !== '')
      assert.not.match(stdout, /undefined|NaN|false/)
    })
}

test('the reference has what the library exports (npm run docs makes it anew)', () => {
  const names = (text: string) => [...text.matchAll(/^## (.+)$/gm)].map(([, name]) => name)
  assert.equal(names(readFileSync(join(guide, 'reference.md'), 'utf8')), names(referenceText()))
})

test.run()
