// npm run docs: docs/guide/reference.md, the library's API from its docstrings. `referenceText` is what a test compares it with.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const FILE = join(root, 'docs', 'guide', 'reference.md')

interface Entry {
  readonly name: string
  readonly doc: string
  readonly code: string
}

/** The names that a module exports, with the files that they come from. */
function exportsOf(path: string): { name: string; file: string }[] {
  const text = readFileSync(path, 'utf8')
  return [...text.matchAll(/export (?:type )?\{([^}]*)\} from '([^']+)'/g)].flatMap(([, names, from]) => {
    const file = join(dirname(path), from!.replace(/\.js$/, '.ts'))
    return names!.split(',').flatMap(name => {
      const plain = name.trim().replace(/^type /, '')
      return plain ? [{ name: plain, file }] : []
    })
  })
}

/** A declaration with its docstring: all of an interface or type, the head of a function. */
function entryOf(name: string, file: string): Entry {
  const text = readFileSync(file, 'utf8')
  const found = new RegExp(`^export (?:async )?(?:function|interface|type|const) ${name}\\b`, 'm').exec(text)
  if (!found) throw new Error(`${file} does not declare ${name}, which the library exports`)
  const before = text.slice(0, found.index)
  const doc = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*$/.exec(before)?.[1] ?? ''
  const rest = text.slice(found.index)
  const isFunction = /^export (async )?function/.test(rest)
  const end = isFunction
    ? /\{\n(?= {2}(?! {2})\S)/.exec(rest)!.index
    : /\n(?=\S)(?!\})|\n\}\n|\n(?=\n)/.exec(rest)!.index
  const code = isFunction ? rest.slice(0, end) : rest.slice(0, end) + (rest.startsWith('\n}\n', end) ? '\n}' : '')
  return {
    name,
    doc: doc
      .replace(/^\s*\* ?/gm, ' ')
      .replace(/\s+/g, ' ')
      .trim(),
    // Of a constant its type says all.
    code: code.trim().replace(/^(export const \w+: [^=]+?) = .*/s, '$1'),
  }
}

export function referenceText(): string {
  const entries = exportsOf(join(root, 'src', 'index.ts')).map(({ name, file }) => entryOf(name, file))
  const parts = entries.map(
    ({ name, doc, code }) => `## ${name}\n\n${doc ? `${doc}\n\n` : ''}\`\`\`ts\n${code}\n\`\`\`\n`,
  )
  return `# API reference\n\nWhat \`import … from 'wgpu-retrieve'\` gives, from the docstrings of the sources (\`npm run docs\`).\n\n${parts.join('\n')}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, referenceText())
