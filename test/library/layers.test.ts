// The README's list of folders is the order of the layers: what a folder imports stands on its own line or below, types included.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('../..', import.meta.url))
const src = join(root, 'src')

/** Folder → the line that it stands on. */
function layers(): Map<string, number> {
  const [, list = ''] =
    /## Where things live\n([\s\S]*?)\n## /.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? []
  return new Map(
    list
      .split('\n')
      .flatMap((line, i) =>
        line.startsWith('    ') ? [...line.matchAll(/\bsrc\/(\w+)\//g)].map(([, folder]) => [folder!, i] as const) : [],
      ),
  )
}

test('imports go down the list of folders', () => {
  const lineOf = layers()
  const folders = readdirSync(src, { withFileTypes: true }).filter(entry => entry.isDirectory())
  for (const { name } of folders) assert.ok(lineOf.has(name), `README's list does not have src/${name}/`)
  const upward: string[] = []
  let imports = 0
  for (const name of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
    const file = name.replaceAll('\\', '/')
    if (!file.endsWith('.ts') || !file.includes('/')) continue
    for (const [, path] of readFileSync(join(src, file), 'utf8').matchAll(/(?:from |import\()'(\.[^']+)'/g)) {
      const target = normalize(join(dirname(file), path!)).replaceAll('\\', '/')
      const [from, to] = [file, target].map(each => lineOf.get(each.split('/')[0]!))
      if (from === undefined || to === undefined || target.startsWith('..')) continue
      imports++
      if (to < from) upward.push(`${file} imports ${target}`)
    }
  }
  assert.ok(imports > 500, `${imports} imports`)
  assert.equal(upward, [])
})

test.run()
