// Which test sets are like each training set (appendix B of Lee et al. 2023), by the vectors of the study's first model before any training; kept in the
// study's folder.
import { collectionFolder } from '../data/builtin.js'
import { holdsCorpus, loadDocuments } from '../data/collection.js'
import { hashLines } from '../data/fingerprint.js'
import { loadPairs } from '../data/pairs.js'
import { startSampling } from '../data/sampling.js'
import { drawsOf } from '../data/sampling-draws.js'
import { compareDistributions, splitByLikeness } from '../evaluate/distributions.js'
import { encoderWidth } from '../model/encoder.js'
import { encodeSequences } from '../retrieve/encode.js'
import { openBackend } from '../run/backend.js'
import type { RunHooks } from '../run/hooks.js'
import { packTexts, placeModel } from '../run/model.js'
import { openRecipeData, openRecipeModel } from '../run/sources.js'
import { exists, isFolder, join, readJson } from '../runtime/files.js'
import { writeFile } from '../runtime/write.js'
import type { Cell } from './grid.js'
import type { CellResult } from './result.js'

/** Documents embedded of a set: the 50 of each repetition are drawn from them. */
const DOCUMENTS = 250
const SEED = 1

export type Likeness = Readonly<Record<string, readonly string[]>>

/** Undefined where no cell was trained with hard negatives, or there are no test sets to tell apart. */
export async function likenessOf(
  cells: readonly Cell[],
  done: readonly CellResult[],
  folder: string,
  hooks: RunHooks,
): Promise<Likeness | undefined> {
  const hard = done.some(({ axes }) => axes.negatives !== 'none')
  const cell = cells.find(({ axes }) => axes.architecture !== 'late_interaction') ?? cells[0]
  if (!hard || !cell) return undefined
  const sets = new Map<string, string>()
  for (const { axes, recipe } of cells) {
    const [first] = recipe.data.train ?? []
    if (first !== undefined) sets.set(axes.set, typeof first === 'string' ? first : first.path)
    for (const { name, path } of recipe.data.tests) if (![...sets.values()].includes(path)) sets.set(name, path)
  }
  if (sets.size < 3) return undefined
  const file = join(folder, 'likeness.json')
  const hash = await hashLines([JSON.stringify([...sets]), JSON.stringify(cell.recipe.model)])
  if (await exists(file)) {
    const kept = (await readJson(file)) as { hash: string; alike: Likeness }
    if (kept.hash === hash) return kept.alike
  }
  hooks.say?.(`similarity of distributions: ${sets.size} sets`)
  const trained = [...new Set(cells.map(({ axes }) => axes.set))].filter(name => sets.has(name))
  const found = await embedded(cell, sets, hooks)
  const alike = Object.fromEntries(trained.map(name => [name, splitByLikeness(found, [name]).alike]))
  const { names, together } = found
  await writeFile(file, `${JSON.stringify({ hash, alike, names, together })}\n`)
  return alike
}

async function embedded({ recipe }: Cell, sets: ReadonlyMap<string, string>, { signal }: RunHooks) {
  const { architecture: _, projection: __, query_length: ___, document_length: ____, ...model } = recipe.model
  const { train: _____, ...untrained } = recipe
  const plain = { ...untrained, model: { ...model, pooling: 'mean' as const } }
  const data = await openRecipeData(recipe)
  const source = await openRecipeModel(plain, data)
  try {
    const { backend } = await openBackend(recipe)
    try {
      const { encoder } = await placeModel(backend, source, undefined, { pooling: 'mean' })
      const vectors: { name: string; vectors: Float32Array }[] = []
      for (const [name, path] of sets) {
        const texts = await someTexts(await collectionFolder(path))
        const packed = packTexts(source.tokenizer!, source.settings, 'document', texts, recipe.eval.max_length)
        vectors.push({ name, vectors: await encodeSequences(backend, encoder, packed, { ...(signal && { signal }) }) })
      }
      return compareDistributions(vectors, encoderWidth(encoder), { seed: SEED })
    } finally {
      backend.close()
    }
  } finally {
    await source.close()
  }
}

async function someTexts(path: string): Promise<string[]> {
  const corpus = (await isFolder(path)) && (await holdsCorpus(path))
  const texts = corpus
    ? (await loadDocuments(path)).texts
    : [...new Set((await loadPairs(path)).pairs.flatMap(({ positives }) => positives))]
  const draws = drawsOf(startSampling(SEED, 2))
  const { indices } = draws.drawNegatives(Math.min(DOCUMENTS, texts.length), texts.length)
  return Array.from(indices, i => texts[i]!)
}
