// An encoder that ranks training pairs' documents for data.mined_by: opened when it is first asked, and closed again.
import { hashLines } from '../data/fingerprint.js'
import type { Recipe } from '../recipe/schema.js'
import type { Ranked } from '../retrieve/rank.js'
import { openBackend } from './backend.js'
import { type MiningSearch, searchByEncoder } from './mine.js'
import { openNamedModel } from './named-model.js'
import { placeFrozen, rankingOf } from './placed.js'

/** Pairs that are asked for again, as when they are tokenized to another length, are not ranked again. */
export function searchByModel(path: string, recipe: Pick<Recipe, 'backend' | 'adapter' | 'threads'>): MiningSearch {
  const known = new Map<string, Promise<Ranked>>()
  return async (queries, documents, k) => {
    const key = `${k} ${await hashLines([...queries, '', ...documents])}`
    const present = known.get(key)
    if (present) return present
    const found = rank(path, recipe, queries, documents, k)
    known.set(key, found)
    return found
  }
}

async function rank(
  path: string,
  recipe: Pick<Recipe, 'backend' | 'adapter' | 'threads'>,
  queries: readonly string[],
  documents: readonly string[],
  k: number,
): Promise<Ranked> {
  const source = await openNamedModel(path)
  try {
    const { backend } = await openBackend(recipe)
    try {
      const model = rankingOf(await placeFrozen(backend, source), source)
      return await searchByEncoder(backend, source, model, { maxLength: source.settings.maxLength })(
        queries,
        documents,
        k,
      )
    } finally {
      backend.close()
    }
  } finally {
    await source.close()
  }
}
