// How the sources are bundled for a browser: what a folder's own browser/ has stands for the file of the same name in the folder.
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import zopfli from '@gfx/zopfli'

/** An esbuild plugin. */
const browserRuntime = {
  name: 'browser runtime',
  setup(build) {
    build.onResolve({ filter: /\/\w+\.js$/ }, ({ path, importer, kind, resolveDir }) => {
      if (kind === 'entry-point' || !path.startsWith('.')) return undefined
      const target = join(resolveDir, path)
      // Those of a browser/ know what they import.
      if (importer.includes(join(basename(dirname(target)), 'browser'))) return undefined
      const stand = join(dirname(target), 'browser', basename(target).replace(/\.js$/, '.ts'))
      return existsSync(stand) ? { path: stand } : undefined
    })
  },
}

// A transfer's own packing gains little on base64: modules are packed before, and unpacked by moduleBytes of src/backend/module-bytes.ts. Zopfli takes a
// second to leave a seventh less than zlib; what it made is kept beside the module.
async function packed(path) {
  const kept = path.replace(/\.ts$/, '.packed')
  if (existsSync(kept) && statSync(kept).mtimeMs >= statSync(path).mtimeMs) return readFileSync(kept, 'utf8')
  const source = readFileSync(path, 'utf8')
  const [text] = /(?<=')[A-Za-z0-9+/=]+(?=')/.exec(source)
  const bytes = await zopfli.gzipAsync(Buffer.from(text, 'base64'), { numiterations: 5 })
  const made = source.replace(text, Buffer.from(bytes).toString('base64'))
  writeFileSync(`${kept}.${process.pid}`, made)
  renameSync(`${kept}.${process.pid}`, kept)
  return made
}

// Comments, indentation and blanks beside punctuation, line by line: the numbers in error messages stay.
const withoutComments = source =>
  source.replace(/"(?:[^"\\]|\\.)*"/g, literal =>
    JSON.stringify(
      JSON.parse(literal)
        .split('\n')
        .map(line =>
          line
            .replace(/\/\/.*/, '')
            .trim()
            .replace(/ *([,;(){}:]) */g, '$1')
            .replace('-> ', '->')
            // Between words and brackets, where no other sign can come of it
            .replace(/(?<=[\w)\]]) ?([-+*/%&|^]?=|[=!]=|[-+*/%&|^]|[<>]=?|&&|\|\||<<|>>) ?(?=[\w(])/g, '$1'),
        )
        .join('\n'),
    ),
  )

/** An esbuild plugin: what build/ holds, made smaller. */
const smallerAssets = {
  name: 'smaller assets',
  setup(build) {
    build.onLoad({ filter: /[/\\]build[/\\](kernels|kernels-relaxed|text|shaders)\.ts$/ }, async ({ path }) => {
      const shaders = path.endsWith('shaders.ts')
      return { contents: shaders ? withoutComments(readFileSync(path, 'utf8')) : await packed(path), loader: 'ts' }
    })
  },
}

/** Options of esbuild. */
export const forBrowsers = {
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  plugins: [browserRuntime, smallerAssets],
}
