// What the README and the pages of docs/ tell people to type: commands, in blocks and in sentences, options, recipes, and what the library does.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Pages with commands, by their path in the checkout. */
export const pages: readonly string[] = [
  'README.md',
  'bench/peers/README.md',
  'collections/primer/README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md') && !name.endsWith('reference.md'))
    .map(name => `docs/${name}`)
    .sort(),
]

export const pageText = (path: string): string => readFileSync(join(root, path), 'utf8')

/** Blocks of code, indented by four columns or between fences; `language` is '' where none is named. */
export function blocksOf(text: string): { readonly language: string; readonly code: string }[] {
  const fenced = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map(([, language, code]) => ({
    language: language!,
    code: code!,
  }))
  const rest = text.replace(/^```[\s\S]*?^```/gm, '')
  const indented = [...rest.matchAll(/(?:^|\n)\n((?: {4}.*\n|\n(?= {4}))+)/g)].map(([, code]) => ({
    language: '',
    code: code!.replace(/^ {4}/gm, ''),
  }))
  return [...fenced, ...indented]
}

/** Code within sentences, a line each. */
export const spansOf = (text: string): string[] =>
  [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/(?<![`\w])`([^`]+)`/g)].map(([, code]) =>
    code!.replace(/\s+/g, ' '),
  )

const COMMAND = /^(npx|npm|bunx|bun|deno|wgpu-retrieve) /

/** Every command line of a page, without its comment; one that follows `&&` is a line of its own. */
export function commandsOf(text: string): string[] {
  const lines = [...blocksOf(text).flatMap(({ code }) => code.split('\n')), ...spansOf(text)]
  return lines
    .filter(line => COMMAND.test(line))
    .flatMap(line => line.replace(/\s+#.*/, '').split('&&'))
    .map(line => line.trim())
}

/** The recipe that begins with `# name` on a page. */
export function recipeIn(path: string, name: string): string {
  const block = blocksOf(pageText(path)).find(({ code }) => code.includes(`# ${name}`))
  if (!block) throw new Error(`${path} has no recipe ${name}`)
  return block.code
    .slice(block.code.indexOf(`# ${name}`))
    .split(/\n(?=npx )/)[0]!
    .trim()
}
