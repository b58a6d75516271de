// Regular expressions of a tokenizer without a scanner of their own, put into its module: loaded where there are any.
import type { Definition } from './definition.js'
import { type Host, place } from './host.js'

type Stages = Pick<Definition, 'normalizers' | 'preTokenizers'>

const expressionsIn = ({ normalizers, preTokenizers }: Stages): string[] => [
  ...normalizers.flatMap(stage => (stage.kind === 'replace expression' ? [stage.expression] : [])),
  ...preTokenizers.flatMap(stage =>
    stage.kind === 'delimited' && stage.delimiter === 'expression' ? [stage.string] : [],
  ),
]

/** Before the stages. Throws, naming it, where an expression is not supported. */
export async function putExpressions(host: Host, stages: Stages, source: string): Promise<void> {
  const wanted = new Set(expressionsIn(stages))
  if (wanted.size === 0) return
  const { compileExpression } = await import('./expressions/compile.js')
  for (const text of wanted) {
    const { words, addresses, sets } = named(text, source, () => compileExpression(text))
    const what = `${source}: the expression ${JSON.stringify(text)}`
    const tables = sets.map(table => place(host, table, what))
    for (const at of addresses) words[at] = tables[words[at]!]!
    host.expressions.set(text, place(host, new Int32Array(words.buffer), what))
  }
}

function named<T>(text: string, source: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw new Error(`${source} has the expression ${JSON.stringify(text)}: ${(error as Error).message}`)
  }
}
