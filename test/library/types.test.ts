// What an editor and a compiler see of the library: the declarations of the package, without any and without types of others, in a strict project of
// somebody else.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { blocksOf, pages, pageText } from '../support/documented.js'
import { temporaryFolder } from '../support/temporary.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const project = temporaryFolder()
const installed = join(project, 'node_modules', 'wgpu-retrieve')

function compiled(...args: string[]): string {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { stdout, stderr, status } = spawnSync(process.execPath, [tsc, ...args], { cwd: project, encoding: 'utf8' })
  return status === 0 ? '' : `${stdout}${stderr}`
}

assert.is(compiled('--project', join(root, 'tsconfig.build.json'), '--outDir', join(installed, 'dist', 'types')), '')
// The one of its dependencies that its types name.
symlinkSync(join(root, 'node_modules', 'valibot'), join(project, 'node_modules', 'valibot'))
writeFileSync(join(installed, 'package.json'), readFileSync(join(root, 'package.json')))

/** The declarations that the library's own need. */
function reached(path: string, known = new Map<string, string>()): Map<string, string> {
  if (known.has(path)) return known
  const text = readFileSync(path, 'utf8')
  known.set(path, text)
  for (const [, from] of text.matchAll(/(?:from |import\()['"](\.[^'"]+)\.js['"]/g))
    reached(join(dirname(path), `${from}.d.ts`), known)
  return known
}

test('no any, and no types that a compiler of today must be given', () => {
  const declarations = reached(join(installed, 'dist', 'types', 'src', 'index.d.ts'))
  assert.ok(declarations.size > 20, `${declarations.size} files`)
  for (const [path, text] of declarations) {
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
    assert.not.match(code, /\bany\b|\bGPU[A-Z]\w*|\bNodeJS\b|\bBuffer\b|node:/, path)
  }
})

const USES = `
import * as library from 'wgpu-retrieve'
type Any<T> = 0 extends 1 & T ? true : false
type Result<F> = F extends (...given: never[]) => infer R ? Awaited<R> : never
type Loose = { [K in keyof typeof library]: Any<Result<(typeof library)[K]>> extends true ? K : never }[keyof typeof library]
export const none: [Loose] extends [never] ? true : Loose = true
export async function closes(files: library.FilesByName): Promise<number | undefined> {
  await using encoder: library.Encoder = await library.loadEncoder(files, { backend: 'auto', signal: AbortSignal.timeout(1) })
  using index: library.TextIndex = await library.createTextIndex(encoder, ['a', { id: 'b', text: 'c' }])
  const step = ({ step, steps, loss }: library.TrainingStep): void => void (step + steps + loss)
  await using trained = await library.trainEncoder(encoder, [{ query: 'a', positives: ['b'] }], { steps: 1, lora: { rank: 4 } }, { onStep: step })
  const again: library.FilesByName = await library.encoderFiles(trained)
  const { scores } = await library.evaluateEncoder(trained, again, { measures: ['mrr'] })
  // @ts-expect-error: a name of another library
  await encoder.encode(['a'], { promptName: 'query' })
  // @ts-expect-error: a mistyped method
  await library.trainEncoder(encoder, [], { steps: 1, method: 'qlora' })
  return (await index.search('a'))[0]?.score ?? scores.mrr
}
`

for (const [module, moduleResolution] of [
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
] as const)
  test(`a strict project, and the guide's examples in it, by ${moduleResolution}`, () => {
    const folder = join(project, moduleResolution)
    mkdirSync(folder)
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    writeFileSync(join(folder, 'uses.ts'), USES)
    // Everything but what is wrong with the examples as TypeScript: a request without its type, an index that may not be there.
    const examples = pages.flatMap(page => blocksOf(pageText(page)).filter(({ language }) => language === 'js'))
    for (const [i, { code }] of examples.entries()) writeFileSync(join(folder, `example-${i}.js`), code)
    const compilerOptions = {
      ...{ strict: true, noEmit: true, allowJs: true, checkJs: true, noImplicitAny: false, skipLibCheck: false },
      ...{ module, moduleResolution, target: 'es2022', types: [], exactOptionalPropertyTypes: true },
      lib: ['es2022', 'dom', 'esnext.disposable'],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts', '*.js'] }))
    assert.ok(examples.length >= 3, `${examples.length} examples`)
    assert.is(compiled('--project', folder), '')
  })

test.run()
