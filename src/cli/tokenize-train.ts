// tokenize --train: a tokenizer learned from texts, written as a folder that every library reads.
import { readTexts } from '../data/texts.js'
import { exists, join, makeFolder } from '../runtime/files.js'
import { writeFile } from '../runtime/write.js'
import { type TokenizerTraining, trainTokenizer } from '../text/trained-tokenizer.js'
import { usageError } from './errors.js'
import { openProgress, sayWaiting } from './options.js'
import { dataFolder, inputFile } from './paths.js'

export interface TrainOptions {
  readonly train: string
  readonly kind: TokenizerTraining['kind']
  readonly vocabularySize: number
  readonly out?: string
  readonly minFrequency: number
  readonly limitAlphabet?: number
  readonly maxTokenLength?: number
  readonly continuingPrefix?: string
  readonly special?: readonly string[]
  readonly cased?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

/** BERT's, for WordPiece: further characters are too rare to be worth an id. */
const ALPHABET = 1000

export async function trainTokenizerFiles(options: TrainOptions): Promise<void> {
  const { train, kind, vocabularySize: size, out, minFrequency, maxTokenLength, continuingPrefix, special } = options
  if (out === undefined) throw usageError('--train needs --out, the folder that the tokenizer is written to')
  for (const [name, given] of [
    ['--cased', options.cased],
    ['--continuing-prefix', continuingPrefix],
  ] as const)
    if (kind === 'bpe' && given !== undefined) throw usageError(`${name} is for --kind wordpiece; leave it out`)
  if (await exists(join(out, 'tokenizer.json')))
    throw usageError(`${out} holds a tokenizer.json; name another folder with --out, or remove it`)
  const progress = openProgress(options.quiet)
  sayWaiting(train, progress)
  const limitAlphabet = options.limitAlphabet ?? (kind === 'wordpiece' ? ALPHABET : undefined)
  const started = performance.now()
  let count = 0
  const counted = async function* () {
    for await (const text of readTexts(await textsPath(train))) {
      count++
      yield text
    }
  }
  const trained = await trainTokenizer(counted(), {
    ...{ kind, size, minFrequency, lowerCase: !options.cased },
    ...(limitAlphabet !== undefined && { limitAlphabet }),
    ...(maxTokenLength !== undefined && { maxTokenLength }),
    ...(continuingPrefix !== undefined && { continuingPrefix }),
    ...(special && { special }),
  })
  if (trained.words === 0)
    throw new Error(`${train} holds no words: ${count} texts were read, and nothing can be learned from them`)
  await makeFolder(out)
  for (const [name, bytes] of Object.entries(await trained.tokenizer.files())) await writeFile(join(out, name), bytes)
  const result = {
    folder: out,
    kind,
    vocabulary_size: trained.tokens.length,
    merges: trained.merges.length,
    texts: count,
    words: trained.words,
    distinct_words: trained.distinctWords,
    seconds: (performance.now() - started) / 1000,
  }
  if (result.vocabulary_size < size)
    progress.say(
      `the texts give ${result.vocabulary_size} tokens, fewer than ${size}: no other pair occurs ${minFrequency} times`,
    )
  process.stdout.write(
    options.json
      ? `${JSON.stringify(result)}\n`
      : `${out}: ${kind}, ${result.vocabulary_size} tokens from ${count} texts of ${result.words} words, ${result.seconds.toFixed(1)} s\n`,
  )
}

/** A folder, or a file; of the package too. */
async function textsPath(path: string): Promise<string> {
  return path === '-' || /\.(jsonl?|txt)(\.gz)?$/i.test(path) ? inputFile(path, 'corpus.jsonl') : dataFolder(path)
}
