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

/** What stands together, in the order in which a newcomer meets it: a function, then the types that it names. */
const groups: Readonly<Record<string, string>> = {
  'Encode and search':
    'loadEncoder Encoder TextVectors LoadOptions Location FilesByName FileContent FetchProgress Precision EncodeOptions EncodeProgress ' +
    'createTextIndex TextIndex TextHits IndexedText IndexSettings SearchSettings Hit Closing',
  'Train and save':
    'trainEncoder Pair TrainingSettings TrainingHooks TrainingStep StepRecord TrainedEncoder Training saveEncoder encoderFiles',
  Evaluate:
    'evaluateEncoder Judged EvaluationSettings CollectionScores evaluateRun EvaluationOptions Evaluation loadCollection Collection Texts TextOf ' +
    'readQrels Qrels QrelsFile QrelsFormat readRun Run Result writeRun',
  'BM25: words counted': 'createBm25Index Bm25Index Bm25Settings searchBm25 Bm25SearchOptions Bm25Result',
  Tokenizers:
    'loadTokenizer Tokenizer SpecialIds PackedIds PackedPairs PackedSpans trainTokenizer TokenizerTraining TrainedTokenizer',
  'Backends, vectors and files':
    'openBackend BackendChoice OpenBackend Backend createVectorIndex SearchIndex IndexOptions SearchResult openSafetensors SafetensorsFile ' +
    'writeSafetensors TensorToWrite version',
}

const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w -]/g, '')
    .replaceAll(' ', '-')

const entryText = ({ name, doc, code }: Entry): string =>
  `### ${name}\n\n${doc ? `${doc}\n\n` : ''}\`\`\`ts\n${code}\n\`\`\`\n`

export function referenceText(): string {
  const files = new Map(exportsOf(join(root, 'src', 'index.ts')).map(({ name, file }) => [name, file]))
  const parts: string[] = []
  const contents: string[] = []
  for (const [heading, names] of Object.entries(groups)) {
    const entries = names.split(' ').map(name => entryOf(name, files.get(name) ?? missing(name)))
    for (const { name } of entries) files.delete(name)
    const functions = entries.filter(({ code }) => /^export (async )?function/.test(code))
    const links = functions.map(({ name }) => `[\`${name}\`](#${anchor(name)})`)
    contents.push(`- [${heading}](#${anchor(heading)}): ${links.join(', ')}`)
    parts.push(`## ${heading}\n`, ...entries.map(entryText))
  }
  if (files.size > 0) throw new Error(`scripts/reference.ts has no group for ${[...files.keys()].join(', ')}`)
  const intro = `What \`import … from 'wgpu-retrieve'\` gives, from the docstrings of the sources (\`npm run docs\`).`
  return `# API reference\n\n${intro}\n\n${contents.join('\n')}\n\n${parts.join('\n')}`
}

function missing(name: string): never {
  throw new Error(`scripts/reference.ts names ${name}, which src/index.ts does not export`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, referenceText())
