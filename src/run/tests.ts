// The collections a run scores on: loaded, tokenized, and what a system found of them kept as TREC runs, so that a resumed run need not search again.
import type { Backend } from '../backend/backend.js'
import { type Collection, loadCollection, textWith } from '../data/collection.js'
import { sampleCollection } from '../data/collection-sample.js'
import { hashCollection } from '../data/fingerprint.js'
import { type Run, readRun, writeRun } from '../data/trec.js'
import type { PackedBatch } from '../model/batch.js'
import type { Recipe } from '../recipe/schema.js'
import { exists } from '../runtime/files.js'
import { onThreads } from '../text/on-threads.js'
import {
  type CollectionScores,
  evaluateCollection,
  scoreRun,
  type TokenizedCollection,
  tokenizeCollection,
  truncatedLine,
} from './evaluate.js'
import { type RunFolder, trecFile } from './folder.js'
import type { RunHooks } from './hooks.js'
import { instruction } from './mixture.js'
import type { ModelSource } from './model.js'
import type { PlacedModel } from './placed.js'

/** A collection to score on, tokenized. */
export interface Test {
  readonly name: string
  readonly domain: 'in' | 'out'
  readonly tokenized: TokenizedCollection
  readonly dataHash: string
  /** Averaged together with others of this name. */
  readonly group?: string
  /** Before its queries, where that is not the model's. */
  readonly prompt?: string
}

/** What a system found of a test. */
export type TestResult = Pick<CollectionScores, 'run' | 'scores' | 'perQuery'>

interface TestToOpen {
  readonly path: string
  readonly split: string
  readonly name?: string
  readonly domain?: 'in' | 'out'
  readonly prompt?: string | undefined
  readonly symmetric?: boolean | undefined
  readonly queries?: string | undefined
  readonly group?: string | undefined
}

/** In the order given. Splits of one folder share its documents. */
export async function openTests(
  source: ModelSource,
  recipe: Recipe,
  tests: readonly TestToOpen[],
  warn: (line: string) => void,
): Promise<Test[]> {
  const opened: Test[] = []
  const shared = new Map<string, TokenizedCollection>()
  for (const { path, split, name = 'dev', domain = 'in', prompt, symmetric, queries, group } of tests) {
    const { title_separator: separator } = recipe.data
    const whole = await loadCollection(path, {
      split,
      ...(queries !== undefined && { queries }),
      ...(separator !== undefined && { textOf: textWith(separator) }),
    })
    for (const line of whole.warnings) warn(line)
    const sample = { documents: recipe.data.corpus_sample, queries: recipe.data.query_sample }
    const collection = sampleCollection(whole, sample)
    const { tokenizer, settings } = source
    const before = prompt === undefined ? undefined : instruction(prompt)
    const { max_length: length } = recipe.eval
    const forDocuments = symmetric ? before : undefined
    const key = JSON.stringify([path, forDocuments])
    const tokenize = () =>
      tokenizeCollection(tokenizer!, settings, collection, length, shared.get(key), before, forDocuments)
    const texts = shared.has(key) ? [] : collection.documents.texts
    const tokenized = await onThreads(tokenizer!, texts, tokenize, recipe.threads)
    const { truncatedQueries } = tokenized
    const cut = truncatedLine({ truncated: truncatedQueries, truncatedQueries }, settings, length)
    if (cut) warn(`${name}: ${cut}`)
    // A sample's documents depend on the split's judgements.
    if (sample.documents === undefined) shared.set(key, tokenized)
    opened.push({
      name,
      domain,
      tokenized,
      ...(before !== undefined && { prompt: before }),
      ...(group !== undefined && { group }),
      dataHash: await hashCollection(collection),
    })
  }
  return opened
}

/** Every test under one encoder; documents that tests share are encoded once. */
export async function scoreTests(
  backend: Backend,
  { encoder, passage }: Pick<PlacedModel, 'encoder' | 'passage'>,
  source: ModelSource,
  { eval: settings }: Recipe,
  tests: readonly Test[],
  phase: string,
  { progress, signal }: Pick<RunHooks, 'progress' | 'signal'>,
): Promise<CollectionScores[]> {
  const { k, protocol, measures, max_length: maxLength, batch_tokens: batchTokens } = settings
  const encoded = new Map<PackedBatch, Float32Array>()
  const sum = (batches: Iterable<PackedBatch>) => Array.from(batches).reduce((total, { ids }) => total + ids.length, 0)
  const total =
    sum(new Set(tests.map(({ tokenized }) => tokenized.documents))) +
    sum(tests.map(({ tokenized }) => tokenized.queries))
  const name = tests.length === 1 ? `${tests[0]!.name}, ${phase}` : phase
  const all: CollectionScores[] = []
  let before = 0
  if (total > 0) progress?.({ name, done: 0, total, unit: 'tokens' })
  for (const { tokenized } of tests) {
    const scores = await evaluateCollection(
      backend,
      encoder,
      source.settings.similarity,
      tokenized,
      { k, protocol, measures, maxLength, batchTokens, encoded, ...(passage && { passage: passage.encoder }) },
      {
        onProgress: ({ done, unit }) => progress?.({ name, done: before + done, total, unit }),
        ...(signal && { signal }),
      },
    )
    before += scores.tokens
    all.push(scores)
  }
  return all
}

/** The results that lie in the folder, scored; else those that `score` gives, which are written there. */
export async function keptResults(
  folder: RunFolder,
  system: string,
  recipe: Recipe,
  tests: readonly Test[],
  score: () => Promise<readonly TestResult[]>,
): Promise<readonly TestResult[]> {
  const files = tests.map(({ name }) => trecFile(folder, name, system))
  const there = await Promise.all(files.map(exists))
  if (tests.length > 0 && there.every(Boolean)) {
    const results: TestResult[] = []
    for (const [i, file] of files.entries()) results.push(await scoreFile(file, recipe, tests[i]!))
    return results
  }
  const results = await score()
  for (const [i, file] of files.entries())
    await writeRun(file, results[i]!.run, {
      // One word, whatever the names are.
      tag: `${recipe.name}.${system}`.replaceAll(/\s+/g, '-'),
    })
  return results
}

async function scoreFile(path: string, { eval: settings }: Recipe, { tokenized }: Test): Promise<TestResult> {
  const { collection } = tokenized
  const found = await readRun(path)
  // A query without results has no lines.
  const run: Run = new Map(collection.queries.ids.map(id => [id, found.get(id) ?? []]))
  return { run, ...scoreRun(collection, run, settings) }
}

/** Training queries that were held out, as a collection to score on during training. */
export async function heldOutTest(source: ModelSource, recipe: Recipe, collection: Collection): Promise<Test> {
  const tokenized = tokenizeCollection(source.tokenizer!, source.settings, collection, recipe.eval.max_length)
  return { name: 'dev', domain: 'in', tokenized, dataHash: await hashCollection(collection) }
}
