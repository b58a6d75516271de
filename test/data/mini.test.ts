// The collection in the package: it loads, its parts agree, and its queries are paraphrases rather than quotations.
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { documentText, listSplits, loadCollection, loadQueries, readDocuments } from '../../src/data/collection.js'
import { loadPairs } from '../../src/data/pairs.js'
import { loadRecipe } from '../../src/recipe/load.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = `${root}collections/mini`
const queriesPerDocument = { train: 2, dev: 1, test: 2 }
const splits = Object.keys(queriesPerDocument) as (keyof typeof queriesPerDocument)[]
const loaded = Promise.all(splits.map(split => loadCollection(folder, { split })))

const words = (text: string): Set<string> => new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu))
const folded = (text: string): string => [...words(text)].sort().join(' ')
const shared = (a: Set<string>, b: Set<string>): number => [...a].filter(word => b.has(word)).length
const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

test('every split loads without a warning, with the counts of its README', async () => {
  assert.equal((await listSplits(folder)).sort(), [...splits].sort())
  for (const { split, documents, queries, counts, warnings } of await loaded) {
    const expected = 64 * queriesPerDocument[split as keyof typeof queriesPerDocument]
    assert.equal(warnings, [], split)
    assert.is(documents.ids.length, 64)
    assert.is(queries.ids.length, expected, split)
    assert.equal(counts, {
      emptyDocuments: 0,
      judgements: expected,
      relevant: expected,
      unknownDocuments: 0,
      unknownQueries: 0,
    })
  }
})

test('every query has exactly one passage, in one split, and every passage its share of queries', async () => {
  const judged: string[] = []
  for (const { split, documents, qrels } of await loaded) {
    const asked = new Map(documents.ids.map(id => [id, 0]))
    for (const [query, grades] of qrels) {
      assert.is(grades.size, 1, query)
      const [[document, grade]] = [...grades] as [[string, number]]
      assert.is(grade, 1, query)
      assert.ok(query.startsWith(`${document}-${split}`), `${query} of ${document}`)
      asked.set(document, asked.get(document)! + 1)
      judged.push(query)
    }
    for (const [document, count] of asked)
      assert.is(count, queriesPerDocument[split as keyof typeof queriesPerDocument], document)
  }
  const { ids } = await loadQueries(folder)
  assert.is(ids.length, 320)
  assert.equal(judged.sort(), [...ids].sort())
})

test('the training pairs are the training judgements', async () => {
  const { documents, queries, qrels } = (await loaded)[splits.indexOf('train')]!
  const textOf = new Map(documents.ids.map((id, i) => [id, documents.texts[i]!]))
  const { pairs, warnings, source } = await loadPairs(folder)
  assert.is(source, `${folder}/train.jsonl`)
  assert.equal(warnings, [])
  assert.equal(
    pairs,
    queries.ids.map((id, i) => ({
      query: queries.texts[i]!,
      positives: [...qrels.get(id)!.keys()].map(document => textOf.get(document)!),
      negatives: [],
    })),
  )
})

test('no two queries are the same, whatever their case, punctuation and order of words', async () => {
  const { texts } = await loadQueries(folder)
  const seen = new Map<string, string>()
  for (const text of texts) {
    const before = seen.get(folded(text))
    assert.is(before, undefined, `"${text}" and "${before}"`)
    seen.set(folded(text), text)
  }
})

test('queries share less than half of their words with their passage on average', async () => {
  for (const { split, documents, queries, qrels } of await loaded) {
    const shares = queries.ids.map((id, i) => {
      const [document] = qrels.get(id)!.keys()
      const asked = words(queries.texts[i]!)
      return shared(asked, words(documents.texts[documents.ids.indexOf(document!)]!)) / asked.size
    })
    assert.ok(mean(shares) < 0.5, `${split}: ${mean(shares)}`)
  }
})

test('eight subjects of eight passages, each of 40 to 60 words and worded differently', async () => {
  const subjects = new Map<string, number>()
  const passages: { id: string; set: Set<string> }[] = []
  for await (const document of readDocuments(folder)) {
    const { id, title, text } = document
    const subject = id.replace(/-\d$/, '')
    subjects.set(subject, (subjects.get(subject) ?? 0) + 1)
    const length = text.split(/\s+/).length
    assert.ok(length >= 40 && length <= 60, `${id} has ${length} words`)
    assert.is.not(title, '', id)
    passages.push({ id, set: words(documentText(document)) })
  }
  assert.equal([...subjects.values()], new Array(8).fill(8))
  for (const [i, a] of passages.entries())
    for (const b of passages.slice(i + 1)) {
      const common = shared(a.set, b.set)
      assert.ok(common / (a.set.size + b.set.size - common) < 0.25, `${a.id} and ${b.id} share ${common} words`)
    }
})

test('its recipe is complete, and trains on it', async () => {
  const recipe = await loadRecipe(`${root}recipes/mini.toml`)
  assert.is(recipe.name, 'mini')
  assert.is(recipe.backend, 'wasm')
  assert.is(recipe.data.builtin, 'mini')
  assert.ok(recipe.model.random)
  assert.is(recipe.train?.method, 'full')
})

test.run()
