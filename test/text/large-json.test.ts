// The long lists of tokenizer.json read apart: what they say is what JSON.parse says, and what is unusual is left to it.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseLargeJson } from '../../src/text/large-json.js'
import { tokenizerFromFiles } from '../../src/text/tokenizer.js'

const written = [
  'a',
  '"',
  '\\',
  '/',
  'Ġthe',
  '中',
  '😀',
  '\ud83d',
  '\b\f\n\r\t',
  '',
  ' ',
  'a long token of more than thirteen units',
  '\u0000',
]
// Every way to spell a character.
const spellings = [
  (token: string) => JSON.stringify(token),
  (token: string) =>
    `"${[...Array(token.length).keys()].map(i => `\\u${token.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`,
]

interface Parsed {
  model: { vocab: Record<string, number> }
}

test('ids by token, in any spelling and order of ids, white space and other fields around them', () => {
  for (const spell of spellings) {
    const entries = written.map((token, i) => ` ${spell(token)} :\n${(7 * i) % 40}\t`)
    const text = `{"x": {"vocab": {"b": 1}}, "model": {"type": "WordLevel", "y": [{}, "}"], "vocab": {${entries.join(',')} } , "z": 1.5}, "w": []}`
    const { json, lists } = parseLargeJson(text, 'x')
    const { vocab } = (JSON.parse(text) as Parsed).model
    assert.ok(lists)
    assert.is(lists.vocabulary.length, 1 + Math.max(...Object.values(vocab)))
    for (const [token, id] of Object.entries(vocab)) assert.is(lists.vocabulary[id], token)
    assert.is(lists.vocabulary.filter(token => token !== undefined).length, written.length)
    assert.equal(
      json,
      JSON.parse(text.replace(/ "vocab": \{.*\} , /s, ' "vocab": {}, ').replace(/^\{/, '{"x": {"vocab": {"b": 1}}, ')),
    )
  }
})

test('merges as pairs and as strings, with parts of several spellings', () => {
  const vocab = JSON.stringify({ a: 0, b: 1, ab: 2, '"': 3, '"a': 4, aab: 5, ' ': 6, ' a': 7 })
  const read = (merges: string) => parseLargeJson(`{"model":{"vocab":${vocab},"merges":${merges}}}`, 'x').lists
  const expected = [0, 3, 0, 1, 0, 2, 2, 4, 5]
  assert.equal([...read('["a b", "\\" a" ,\n"a ab"]')!.merges!], expected)
  assert.equal([...read('[["a","b"],["\\u0022" , "\\u0061"],[ "a", "ab"]]')!.merges!], expected)
  assert.equal([...read('[[" ","a"]]')!.merges!], [6, 0, 7])
  assert.equal([...read('[]')!.merges!], [])
  // A missing token, three parts, one, a space too many: for who reads the object to refuse.
  for (const merges of [
    '["a c"]',
    '["a b ab"]',
    '["ab"]',
    '[["a"]]',
    '[["a","b","ab"]]',
    '["a  b"]',
    '[1]',
    '{}',
    '"a b"',
  ])
    assert.is(read(merges), undefined, merges)
})

test('pieces with their scores', () => {
  const vocab = [
    ['<unk>', 0],
    ['\u2581a', -1.5],
    ['a "longer" piece, \u2581 of many units', -1.25e-3],
    ['😀', -13.234567890123456],
  ]
  const text = JSON.stringify({ model: { unk_id: 0, vocab } }, null, 2)
  const { json, lists } = parseLargeJson(text, 'x')
  assert.equal(
    lists!.vocabulary,
    vocab.map(([piece]) => piece),
  )
  assert.equal(
    [...lists!.scores!],
    vocab.map(([, score]) => score),
  )
  assert.equal(json, { model: { unk_id: 0, vocab: [] } })
  for (const piece of ['["a"]', '["a",1,2]', '["a","b"]', '["a",01]', '["a",1.]', '["a",null]', '{}', '["a",1e999]'])
    assert.is(lists && tryLists(`{"model":{"vocab":[${piece}]}}`), undefined, piece)
})

function tryLists(text: string): unknown {
  try {
    return parseLargeJson(text, 'x').lists
  } catch {
    return undefined
  }
}

test('what is unusual is left to JSON.parse: the same value, or the same error', () => {
  for (const text of [
    '{"model":{"vocab":{}}}',
    '{"model":{"vocab":{"a":1.0}}}',
    '{"model":{"vocab":{"a":1,"b":1}}}',
    '{"model":{"vocab":{"a":-1}}}',
    '{"model":{"vocab":{"a":12345678901}}}',
    '{"model":{"vocab":{"a":{"b":1}}}}',
    '{"model":{"merges":[],"vocab":{"a":0}}}',
    '{"mod\\u0065l":{"vocab":{"a":0}}}',
    '[]',
    '{"model":[]}',
  ]) {
    const { json, lists } = parseLargeJson(text, 'x')
    assert.is(lists, undefined, text)
    assert.equal(json, JSON.parse(text), text)
  }
})

test('mistakes within the lists and around them are refused', () => {
  for (const [text, message] of [
    ['{"model":{"vocab":{"a":0,"a":1}}}', /the key "a" occurs twice/],
    ['{"model":{"vocab":{"a":0,"\\u0061":1}}}', /the key "a" occurs twice/],
    ['{"model":{"vocab":{"a":0},"vocab":{"b":0}}}', /the key "vocab" occurs twice/],
    ['{"model":{"vocab":{"a":0}},"model":{}}', /the key "model" occurs twice/],
    ['{"model":{"vocab":{"a":0}},"x":{"y":1,"y":2}}', /the key "y" occurs twice/],
    ['{"model":{"vocab":{"a":00}}}', /not valid JSON/],
    ['{"model":{"vocab":{"a":0,}}}', /not valid JSON/],
    ['{"model":{"vocab":{"a\n":0}}}', /not valid JSON/],
    ['{"model":{"vocab":{"a\\x":0}}}', /not valid JSON/],
    ['{"model":{"vocab":{"a":0}', /not valid JSON/],
    ['{"model":{"vocab":{"a":0', /not valid JSON/],
    ['{"model":{"vocab":{"a":0}}} x', /not valid JSON/],
    ['{"model":{"vocab":{"a":0},"merges":["a', /not valid JSON/],
    ['{"model":{"vocab":[["a",0]', /not valid JSON/],
  ] as const)
    assert.throws(() => parseLargeJson(text, 'x.json'), message, text)
})

test('errors name what a list lacks', async () => {
  const load = (model: object) =>
    tokenizerFromFiles(
      { 'tokenizer.json': new TextEncoder().encode(JSON.stringify({ added_tokens: [], model })) },
      'x',
    ).then(
      () => 'loaded',
      (error: Error) => error.message,
    )
  assert.match(await load({ type: 'BPE', vocab: { a: 0 }, merges: ['a b'] }), /merges\.0 needs the token "b"/)
  assert.match(await load({ type: 'BPE', vocab: { a: 0 }, merges: ['a'] }), /merges\.0 is "a", expected two tokens/)
  assert.match(await load({ type: 'WordLevel', unk_token: 'a', vocab: { a: 0, b: 0 } }), /"a" and "b" share the id 0/)
  assert.match(await load({ type: 'Unigram', unk_id: 0, vocab: [['a', 'b']] }), /model\.vocab\.0 is/)
})

test.run()
