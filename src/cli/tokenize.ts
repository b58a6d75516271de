// tokenize: JSON strings in, arrays of ids out, a line each.
import { Command, Option } from 'commander'
import { excerpt } from '../data/jsonl.js'
import { modelFolder } from '../run/named-model.js'
import { readLines } from '../runtime/files.js'
import { coreCount } from '../runtime/workers.js'
import { loadTokenizer } from '../text/tokenizer.js'
import { tokenizerKinds } from '../text/trained-tokenizer.js'
import { usageError } from './errors.js'
import { fetching, openProgress, positiveInteger, sayWaiting, seed as wholeNumber, withOutput } from './options.js'
import { checkTokenizerFolder, inputFile } from './paths.js'
import { type TrainOptions, trainTokenizerFiles } from './tokenize-train.js'

interface TokenizeOptions extends Partial<Omit<TrainOptions, 'kind'>> {
  readonly model?: string
  readonly maxLength?: number
  readonly input: string
}

/** Lines tokenized at a time. */
const BLOCK = 4096

export const tokenizeCommand = (): Command =>
  withOutput(
    new Command('tokenize')
      .description(
        'Token ids of texts: one JSON string a line in, one JSON array of ids a line out. With --train: a tokenizer learned from texts.',
      )
      .option('--model <folder>', "a model folder; the tokenizer's files alone will do")
      .option('--max-length <n>', 'cut to so many ids, special tokens included', positiveInteger)
      .option('--input <file>', 'lines of JSON strings, - for standard input', '-')
      .option('--train <texts>', 'learn a tokenizer from a BEIR folder, a .jsonl or a .txt (a text a line)')
      .option('--out <folder>', 'where it is written: tokenizer.json, tokenizer_config.json, …')
      .addOption(
        new Option('--kind <kind>', "BERT's WordPiece or RoBERTa's byte-level BPE")
          .choices(tokenizerKinds)
          .default('wordpiece'),
      )
      .option('--vocabulary-size <n>', 'tokens at most', positiveInteger, 30000)
      .option('--min-frequency <n>', 'pairs that occur less often are not merged', wholeNumber, 2)
      .option(
        '--limit-alphabet <n>',
        'characters at most (default: 1000 with wordpiece, all with bpe)',
        positiveInteger,
      )
      .option('--max-token-length <n>', 'characters of a merged token stay below this', positiveInteger)
      .option('--continuing-prefix <text>', 'wordpiece: before each piece but the first of a word (default: ##)')
      .option('--special <token...>', 'further special tokens')
      .option('--cased', 'wordpiece: keep case and accents'),
    'with --train, its result as JSON; ids are JSON in any case',
  )
    .addHelpText(
      'after',
      `
Examples:
  $ echo '"how do magnets work"' | wgpu-retrieve tokenize --model runs/primer/model
  $ wgpu-retrieve tokenize --train builtin:primer/all --vocabulary-size 4000 --out runs/tokenizer`,
    )
    .action(tokenizeOrTrain)

async function tokenizeOrTrain(options: TokenizeOptions & Pick<TrainOptions, 'kind'>): Promise<void> {
  const { model, train, vocabularySize = 30000, minFrequency = 2 } = options
  if (model !== undefined && train !== undefined)
    throw usageError('--model tokenizes and --train learns a tokenizer; leave one of them out')
  if (train !== undefined) return trainTokenizerFiles({ ...options, train, vocabularySize, minFrequency })
  if (model === undefined) throw usageError('give --model, a folder to tokenize with, or --train, texts to learn from')
  if (options.out !== undefined) throw usageError('--out is for --train; ids go to standard output')
  return tokenizeLines(model, options)
}

async function tokenizeLines(model: string, { maxLength, input: asked, quiet }: TokenizeOptions): Promise<void> {
  const input = await inputFile(asked, 'texts.jsonl')
  await checkTokenizerFolder(model)
  const progress = openProgress(quiet)
  const tokenizer = await loadTokenizer(await modelFolder(model, { tokenizerOnly: true, ...fetching(progress) }))
  sayWaiting(input, progress)
  let block: string[] = []
  const flush = async () => {
    const { ids, offsets } = tokenizer.encode(block, maxLength ? { maxLength } : {})
    const lines = block.map((_, i) => `[${ids.subarray(offsets[i]!, offsets[i + 1]!).join(',')}]\n`)
    block = []
    if (lines.length > 0 && !process.stdout.write(lines.join('')))
      await new Promise(resolve => process.stdout.once('drain', resolve))
  }
  let [number, shared] = [0, false]
  for await (const line of readLines(input)) {
    number++
    if (line.trim() === '') continue
    block.push(parseText(line, `${input === '-' ? 'standard input' : input}:${number}`))
    if (block.length < BLOCK) continue
    // Not for a few lines: threads take as long to start as those take.
    if (!shared) await tokenizer.setThreads(await coreCount())
    shared = true
    await flush()
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
