// tokenize: JSON strings in, arrays of ids out, a line each.
import { Command } from 'commander'
import { excerpt } from '../data/jsonl.js'
import { readLines } from '../runtime/files.js'
import { loadTokenizer } from '../text/tokenizer.js'
import { openProgress, positiveInteger, sayWaiting, withOutput } from './options.js'
import { checkTokenizerFolder, inputFile } from './paths.js'

interface TokenizeOptions {
  readonly model: string
  readonly maxLength?: number
  readonly input: string
  readonly quiet?: boolean
}

/** Lines tokenized at a time. */
const BLOCK = 4096

export const tokenizeCommand = (): Command =>
  withOutput(
    new Command('tokenize')
      .description('Token ids of texts: one JSON string a line in, one JSON array of ids a line out.')
      .requiredOption('--model <folder>', "a model folder; the tokenizer's files alone will do")
      .option('--max-length <n>', 'cut to so many ids, special tokens included', positiveInteger)
      .option('--input <file>', 'lines of JSON strings, - for standard input', '-'),
    'the ids are JSON in any case',
  )
    .addHelpText(
      'after',
      '\nExample:\n  $ echo \'"how do magnets work"\' | wgpu-retrieve tokenize --model runs/primer/model',
    )
    .action(tokenizeLines)

async function tokenizeLines({ model, maxLength, input: asked, quiet }: TokenizeOptions): Promise<void> {
  const input = await inputFile(asked, 'texts.jsonl')
  await checkTokenizerFolder(model)
  const tokenizer = await loadTokenizer(model)
  sayWaiting(input, openProgress(quiet))
  let block: string[] = []
  const flush = async () => {
    const { ids, offsets } = tokenizer.encode(block, maxLength ? { maxLength } : {})
    const lines = block.map((_, i) => `[${ids.subarray(offsets[i]!, offsets[i + 1]!).join(',')}]\n`)
    block = []
    if (lines.length > 0 && !process.stdout.write(lines.join('')))
      await new Promise(resolve => process.stdout.once('drain', resolve))
  }
  let number = 0
  for await (const line of readLines(input)) {
    number++
    if (line.trim() === '') continue
    block.push(parseText(line, `${input === '-' ? 'standard input' : input}:${number}`))
    if (block.length === BLOCK) await flush()
  }
  await flush()
}

function parseText(line: string, place: string): string {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    value = undefined
  }
  if (typeof value !== 'string')
    throw new Error(`${place}: expected a JSON string such as "some text", found ${excerpt(line)}`)
  return value
}
