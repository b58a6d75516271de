// Mining by BM25 and by an encoder: no positive is ever a negative, whichever line or spelling it stands in; what is written is read again.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { collectionFolder } from '../../src/data/builtin.js'
import { loadDocuments } from '../../src/data/collection.js'
import { loadPairs } from '../../src/data/pairs.js'
import { trainingLines, writtenForms } from '../../src/data/training-writing.js'
import { encodeSequences } from '../../src/retrieve/encode.js'
import { minePairs, searchByEncoder, searchByWords } from '../../src/run/mine.js'
import { openModel, packTexts, placeModel } from '../../src/run/model.js'
import { writeFile } from '../../src/runtime/write.js'
import { attempt, refused, tinyModel } from '../support/cli.js'
import { temporaryFolder } from '../support/temporary.js'

const pairs = [
  { query: 'red fox', positives: ['The red fox runs'], negatives: ['a blue whale'] },
  { query: 'red fox', positives: ['foxes are red'], negatives: [] },
  { query: 'green tea', positives: ['tea is green'], negatives: [] },
]
const documents = [
  'the  RED fox runs',
  'red fox',
  'foxes are red',
  'red red fox sleeps',
  'green',
  'tea',
  'a blue whale',
]
const options = { count: 2, depth: 50, seed: 1, choose: 'top' as const }

test('BM25: positives of any line of a query are excluded and counted, in other spellings too', async () => {
  const { pairs: mined, counts } = await minePairs(pairs, documents, searchByWords, options)
  assert.equal(
    mined.map(({ negatives }) => negatives),
    [
      ['red fox', 'red red fox sleeps'],
      ['red fox', 'red red fox sleeps'],
      ['green', 'tea'],
    ],
  )
  assert.equal(counts, { pairs: 3, negatives: 6, positives: 5, filtered: 0, short: 0, without: 0 })
})

test('what pairs have stays in front where that is asked for, and is not found again', async () => {
  const { pairs: mined, counts } = await minePairs(pairs, documents, searchByWords, {
    ...options,
    keep: true,
    count: 3,
  })
  assert.equal(mined[0]!.negatives, ['a blue whale', 'red fox', 'red red fox sleeps'])
  assert.is(counts.short, 2)
  const known = [{ ...pairs[0]!, negatives: ['Red  fox'] }]
  const again = await minePairs(known, documents, searchByWords, { ...options, keep: true })
  assert.equal(again.pairs[0]!.negatives, ['Red  fox', 'red red fox sleeps'])
})

test("an encoder's negatives are those of the exact order of its scores, which are written on request", async () => {
  const source = await openModel(await tinyModel())
  const backend = await createWasmBackend({ threads: 1 })
  try {
    const { encoder } = await placeModel(backend, source)
    const model = { query: encoder, passage: encoder, similarity: source.settings.similarity }
    const search = searchByEncoder(backend, source, model, { maxLength: 16 })
    const { pairs: mined } = await minePairs(pairs.slice(0, 1), documents, search, {
      ...options,
      count: 3,
      scores: true,
    })
    const vectors = async (kind: 'query' | 'document', texts: readonly string[]) => {
      const all = await encodeSequences(
        backend,
        encoder,
        packTexts(source.tokenizer!, source.settings, kind, texts, 16),
      )
      const width = all.length / texts.length
      return texts.map((_, i) => {
        const own = all.subarray(i * width, (i + 1) * width)
        return own.map(value => value / Math.hypot(...own))
      })
    }
    const [query] = await vectors('query', ['red fox'])
    const scored = (await vectors('document', documents)).map((vector, i) => ({
      text: documents[i]!,
      score: vector.reduce((sum, value, c) => sum + value * query![c]!, 0),
    }))
    const expected = scored.filter(({ text }) => text !== documents[0]).sort((a, b) => b.score - a.score)
    const [first] = mined
    assert.equal(
      [...first!.negatives],
      expected.slice(0, 3).map(({ text }) => text),
    )
    first!.negativeScores!.forEach((score, i) => {
      assert.ok(Math.abs(score - expected[i]!.score) < 1e-5, `${score} instead of ${expected[i]!.score}`)
    })
    assert.ok(Math.abs(first!.positiveScores![0]! - scored[0]!.score) < 1e-5)
  } finally {
    backend.close()
    await source.close()
  }
})

test('every form that is written is read again as the same pairs', async () => {
  const { pairs: mined } = await minePairs(pairs, documents, searchByWords, options)
  for (const form of writtenForms) {
    const file = join(await temporaryFolder(), 'train.jsonl')
    await writeFile(file, [...trainingLines(mined, form)].join(''))
    const read = await loadPairs(file)
    assert.equal(
      read.pairs.map(({ query, positives, negatives }) => ({ query, positives, negatives })),
      mined,
      form,
    )
  }
})

test('mine on the command line: counts, a file, the same for the same seed; wrong options', async () => {
  const folder = await temporaryFolder()
  const words = (name: string, ...more: string[]) =>
    [
      'mine',
      '--model',
      'bm25',
      '--data',
      'builtin:primer/law',
      '--output',
      join(folder, name),
      '--json',
      ...more,
    ] as const
  const { code, stdout, stderr } = await attempt(...words('a.jsonl', '--choose', 'random', '--count', '3'))
  assert.is(code, 0, stderr)
  const counts = JSON.parse(stdout)
  const [mined, own] = [
    await loadPairs(join(folder, 'a.jsonl')),
    await loadPairs(await collectionFolder('builtin:primer/law')),
  ]
  assert.is(mined.pairs.length, own.pairs.length)
  assert.is(
    counts.negatives,
    mined.pairs.reduce((sum, { negatives }) => sum + negatives.length, 0),
  )
  const corpus = new Set((await loadDocuments(await collectionFolder('builtin:primer/law'))).texts)
  for (const { positives, negatives } of mined.pairs)
    for (const text of negatives) assert.ok(corpus.has(text) && !positives.includes(text))
  await attempt(...words('b.jsonl', '--choose', 'random', '--count', '3'))
  assert.equal((await loadPairs(join(folder, 'b.jsonl'))).pairs, mined.pairs)
  await attempt(...words('c.jsonl', '--choose', 'random', '--count', '3', '--seed', '2'))
  assert.not.equal((await loadPairs(join(folder, 'c.jsonl'))).pairs, mined.pairs)
  refused(await attempt(...words('d.jsonl', '--ranks', '20-300')), 2, /--depth 300 or more/)
  refused(await attempt(...words('d.jsonl', '--ranks', '9-3')), 2, /Expected two ranks/)
  refused(await attempt(...words('d.jsonl', '--scores', '--form', 'dpr')), 2, /no place in --form dpr/)
})

test.run()
