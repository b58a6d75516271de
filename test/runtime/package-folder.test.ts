// Where the package lies: found without its collections, which only those need who ask for one.
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { packageFolder } from '../../src/runtime/files.js'
import { failure, folderWith } from '../support/temporary.js'

test('this package has both folders', async () => {
  const own = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
  assert.equal(await Promise.all([packageFolder(), packageFolder('collections'), packageFolder('recipes')]), [
    own,
    own,
    own,
  ])
})

test('carried elsewhere without its collections, it is found; what is missing is named when it is asked for', async () => {
  const folder = folderWith({ 'package.json': '{}', 'recipes/primer.toml': '' })
  const outfile = join(folder, 'dist', 'files.mjs')
  const source = fileURLToPath(new URL('../../src/runtime/files.ts', import.meta.url))
  await build({ entryPoints: [source], outfile, bundle: true, platform: 'node', format: 'esm', packages: 'external' })
  const carried: { packageFolder: typeof packageFolder } = await import(pathToFileURL(outfile).href)
  assert.equal([await carried.packageFolder(), await carried.packageFolder('recipes')], [folder, folder])
  assert.match(
    await failure(carried.packageFolder('collections')),
    /the package is incomplete: its collections\/ folder is missing; install it anew/,
  )
})

test.run()
