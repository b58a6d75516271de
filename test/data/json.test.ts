// Strict JSON: duplicate keys and absurd nesting are refused, everything else is what JSON.parse says.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { jsonText, jsonTextWithFloats, markFloats, parseStrictJson, readFields } from '../../src/data/json.js'

test('agrees with JSON.parse where no key is repeated', () => {
  for (const text of [
    '{}',
    ' [1, "a:b", {"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}, "a"] ',
    '{"a\\"": "x\\\\", "a": "\\"a\\":"}',
    '{"__proto__": 1, "constructor": "a", "": null}',
  ])
    assert.equal(JSON.stringify(parseStrictJson(text, 'x')), JSON.stringify(JSON.parse(text)))
})

test('refuses a key that occurs twice, however it is spelled', () => {
  for (const text of [
    '{"a":1,"a":1}',
    '{"a":1,"b":{"c":[],"c" : 2}}',
    '{"a":1,"\\u0061":2}',
    '{"a\\"":1,"b":"\\\\","a\\"":2}',
    '[{"":1,"":2}]',
    '{"__proto__":1,"__proto__":2}',
  ])
    assert.throws(
      () => parseStrictJson(text, 'x.json'),
      /^x\.json is not acceptable JSON: the key ".*" occurs twice in one object/,
    )
})

test('refuses what is no JSON, and absurd nesting, without falling over', () => {
  for (const text of ['', '{', '{"a', '{"a\\', '{"a":1,}', '"\\', '{"a\\x":1}', "{'a':1}", 'NaN'])
    assert.throws(() => parseStrictJson(text, 'x.json'), /^x\.json is not valid JSON: /)
  assert.throws(() => parseStrictJson('['.repeat(1_000_000), 'x.json'), /nested deeper than 128 levels/)
})

test('fields: every problem in one error, null is absent, inherited names are not fields', () => {
  const fields = readFields({ a: 0, b: null, c: 'x', d: 1.5, e: true }, 'x.json')
  assert.is(fields.count('b', 7), 7)
  assert.is(fields.number('d', 0, 2), 1.5)
  assert.is(fields.flag('e', false), true)
  assert.is(fields.text('c'), 'x')
  fields.finish()
  fields.count('a')
  fields.count('b')
  fields.integer('d', 0, 9)
  fields.text('constructor')
  fields.problem('and more')
  assert.throws(
    () => fields.finish(),
    (error: Error) =>
      error.message ===
      'x.json: a is 0, expected an integer >= 1; b is missing, expected an integer >= 1; ' +
        'd is 1.5, expected an integer in [0, 9); constructor is missing, expected a string; and more',
  )
})

test('whole numbers that were written as floats are again', () => {
  const text = '{"a": 2.0, "b": 2, "c": 1e-05, "d": {"e": 10000.0, "f": 3}, "g": -4.00}'
  const object = markFloats(parseStrictJson(text, 'x') as Record<string, unknown>, text)
  const written = jsonTextWithFloats({ ...object, b: 5, h: 7, c: 1 })
  assert.is(
    written.replace(/\s+/g, ' ').trim(),
    '{ "a": 2.0, "b": 5, "c": 1.0, "d": { "e": 10000.0, "f": 3 }, "g": -4.0, "h": 7 }',
  )
  assert.is(jsonTextWithFloats({ a: 2 }), jsonText({ a: 2 }))
})

test.run()
