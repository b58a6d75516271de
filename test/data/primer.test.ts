// The collection in the package: it loads, its parts agree, its areas make up the union, and its queries are paraphrases that words alone do not find.
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Collection, documentText, listSplits, loadCollection, loadQueries } from '../../src/data/collection.js'
import { readJsonLines } from '../../src/data/jsonl.js'
import { loadPairs } from '../../src/data/pairs.js'
import { loadRecipe } from '../../src/recipe/load.js'
import { evaluateBm25 } from '../../src/run/bm25.js'
import { listFolder, readText } from '../../src/runtime/files.js'
import { englishStopWords } from '../../src/text/words.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = `${root}collections/primer`
const splits = ['train', 'dev', 'test'] as const
const areas = (await listFolder(folder)).filter(name => name !== 'all' && !name.endsWith('.md'))
const load = (area: string) => Promise.all(splits.map(split => loadCollection(`${folder}/${area}`, { split })))
const union = await load('all')

const words = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

interface Passage {
  readonly _id: string
  readonly title: string
  readonly text: string
  readonly metadata: { readonly group?: string }
}

async function passages(area: string): Promise<Passage[]> {
  const all: Passage[] = []
  for await (const { value } of readJsonLines(`${folder}/${area}/corpus.jsonl`)) all.push(value as unknown as Passage)
  return all
}

test('at least eight areas of forty passages, each of 50 to 90 words, with two queries to train and two to score on', async () => {
  assert.ok(areas.length >= 8)
  for (const area of areas) {
    const loaded = await load(area)
    const all = await passages(area)
    assert.ok(all.length >= 40, area)
    for (const { _id, title, text } of all) {
      const length = text.split(/\s+/).length
      assert.ok(length >= 50 && length <= 90, `${_id} has ${length} words`)
      assert.is.not(title, '')
      assert.ok(_id.startsWith(`${area}-`), _id)
    }
    const asked = new Map(all.map(({ _id }) => [_id, { train: 0, scored: 0 }]))
    for (const { split, queries, qrels, counts, warnings } of loaded) {
      assert.equal(warnings, [], `${area} ${split}`)
      assert.equal([counts.emptyDocuments, counts.unknownDocuments, counts.unknownQueries], [0, 0, 0])
      for (const id of queries.ids) {
        const grades = [...qrels.get(id)!]
        assert.equal(
          grades.map(([, grade]) => grade),
          [1],
          `${id}: one passage answers it`,
        )
        asked.get(grades[0]![0])![split === 'train' ? 'train' : 'scored']++
      }
    }
    for (const [id, count] of asked) assert.equal(count, { train: 2, scored: 2 }, id)
    assert.is((await loadQueries(`${folder}/${area}`)).ids.length, 4 * all.length, 'no query is without a judgement')
  }
})

test('a fifth of the passages and more are near neighbours of others in topic', async () => {
  const groups = new Map<string, number>()
  const all = (await Promise.all(areas.map(passages))).flatMap((rows, i) =>
    rows.map(({ metadata }) => metadata.group && `${areas[i]}/${metadata.group}`),
  )
  for (const group of all) if (group) groups.set(group, (groups.get(group) ?? 0) + 1)
  for (const [group, size] of groups) assert.ok(size >= 2, group)
  assert.ok(all.filter(Boolean).length >= all.length / 5)
})

test('the union is the areas together, with a split for each of them; at least 500 queries to test with', async () => {
  for (const file of ['corpus.jsonl', 'queries.jsonl', 'train.jsonl']) {
    const parts = await Promise.all(areas.map(area => readText(`${folder}/${area}/${file}`)))
    const lines = (text: string) => text.split('\n').filter(Boolean).sort()
    assert.equal(lines(await readText(`${folder}/all/${file}`)), lines(parts.join('')), file)
  }
  const ids = async (area: string, split: string) =>
    (await loadCollection(`${folder}/${area}`, { split })).queries.ids.slice().sort()
  for (const split of splits) {
    const parts = await Promise.all(areas.map(area => ids(area, split)))
    assert.equal(await ids('all', split), parts.flat().sort(), split)
    if (split !== 'train')
      for (const [i, area] of areas.entries()) assert.equal(await ids('all', `${split}-${area}`), parts[i], area)
  }
  assert.is((await listSplits(`${folder}/all`)).length, 3 + 2 * areas.length)
  assert.ok(union[2]!.queries.ids.length >= 500)
})

test('the training pairs are the training judgements', async () => {
  const { documents, queries, qrels } = union[0]!
  const textOf = new Map(documents.ids.map((id, i) => [id, documents.texts[i]!]))
  const { pairs } = await loadPairs(`${folder}/all`)
  const key = (query: string, positive: string | undefined) => `${query}\t${positive}`
  assert.equal(
    pairs.map(({ query, positives }) => key(query, positives[0])).sort(),
    queries.ids.map((id, i) => key(queries.texts[i]!, textOf.get([...qrels.get(id)!.keys()][0]!))).sort(),
  )
})

test('no two queries are the same, whatever their case, punctuation and order of words', async () => {
  const { texts } = await loadQueries(`${folder}/all`)
  const seen = new Map<string, string>()
  for (const text of texts) {
    const folded = [...new Set(words(text))].sort().join(' ')
    assert.is(seen.get(folded), undefined, `"${text}"`)
    seen.set(folded, text)
  }
})

test('no five content words in a row stand in more than three passages', async () => {
  const counts = new Map<string, number>()
  for (const area of areas)
    for (const passage of await passages(area)) {
      const content = words(documentText(passage)).filter(word => !englishStopWords.has(word))
      const own = new Set(content.slice(4).map((_, i) => content.slice(i, i + 5).join(' ')))
      for (const gram of own) counts.set(gram, (counts.get(gram) ?? 0) + 1)
    }
  assert.equal(
    [...counts].filter(([, count]) => count > 3),
    [],
  )
})

/** Of each query's words, the share that its passage holds. */
const shares = ({ documents, queries, qrels }: Collection): number[] => {
  const wordsOf = new Map(documents.ids.map((id, i) => [id, new Set(words(documents.texts[i]!))]))
  return queries.ids.map((id, i) => {
    const held = wordsOf.get([...qrels.get(id)!.keys()][0]!)!
    const asked = words(queries.texts[i]!)
    return asked.filter(word => held.has(word)).length / asked.length
  })
}

test('queries share at most half of their words with their passage on average; plain BM25 stays at or below 0.80', () => {
  const test = union[2]!
  assert.ok(mean(union.flatMap(shares)) <= 0.5)
  assert.ok(mean(shares(test)) <= 0.5)
  const { scores } = evaluateBm25(test, {}, { k: 100, protocol: 'beir', measures: ['ndcg_at_10'] })
  assert.ok(scores.ndcg_at_10! <= 0.8, String(scores.ndcg_at_10))
  assert.ok(scores.ndcg_at_10! >= 0.3, 'and the passages answer their queries')
})

test('the default recipe trains on some areas and tests on all, each in its domain', async () => {
  const { data } = await loadRecipe(`${root}recipes/primer.toml`)
  const trained = data.train!.map(path => String(path).replace('builtin:primer/', ''))
  assert.equal(data.tests.map(({ name }) => name).sort(), [...areas].sort())
  for (const { name, domain, split } of data.tests) {
    assert.is(domain, trained.includes(name) ? 'in' : 'out', name)
    assert.is(split, `test-${name}`)
  }
})

test.run()
