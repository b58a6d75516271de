import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as v from '../../src/text/schema.js'

const read = <T>(schema: v.Schema<T>, value: unknown) => schema.read(value, 'tokenizer.json', 'model')
/** What is said behind the file's name. */
function refusal(schema: v.Schema<unknown>, value: unknown): string {
  try {
    read(schema, value)
  } catch (error) {
    return (error as Error).message.replace('tokenizer.json: ', '')
  }
  return 'nothing'
}

test('values, what may be left out, and defaults', () => {
  const schema = v.looseObject({
    type: v.string(),
    size: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(9)),
    lower: v.optional(v.boolean(), true),
    token: v.nullish(v.string()),
    strip: v.nullish(v.boolean(), null),
    scheme: v.optional(v.picklist(['first', 'never'])),
  })
  assert.equal(read(schema, { type: 'BPE', size: 3, token: null, other: [1] }), {
    ...{ type: 'BPE', size: 3, lower: true, token: null, strip: null, other: [1] },
  })
  assert.equal(read(schema, { type: '', size: 9, lower: false, strip: undefined, scheme: 'never' }), {
    ...{ type: '', size: 9, lower: false, strip: null, scheme: 'never' },
  })
  for (const [value, message] of [
    [null, 'model: expected an object, found null'],
    ['BPE', 'model: expected an object, found the string "BPE"'],
    [{ size: 3 }, 'model.type: expected a value, found nothing'],
    [{ type: 5, size: 3 }, 'model.type: expected a string, found the number 5'],
    [{ type: 'a', size: '3' }, 'model.size: expected a number, found the string "3"'],
    [{ type: 'a', size: Number.NaN }, 'model.size: expected a number, found the number NaN'],
    [{ type: 'a', size: 1.5 }, 'model.size: expected a whole number, found the number 1.5'],
    [{ type: 'a', size: -1 }, 'model.size: expected 0 or more, found the number -1'],
    [{ type: 'a', size: 10 }, 'model.size: expected 9 or less, found the number 10'],
    [{ type: 'a', size: 1, lower: null }, 'model.lower: expected true or false, found null'],
    [{ type: 'a', size: 1, scheme: 'last' }, 'model.scheme: expected one of first, never, found the string "last"'],
  ] as const)
    assert.is(refusal(schema, value), message)
})

test('lists, records, pairs, unions, keys that are not known', () => {
  const pair = v.tuple([v.string(), v.number()])
  assert.equal(read(v.array(pair), [['a', 1]]), [['a', 1]])
  assert.is(refusal(v.array(pair), [['a', 1], ['b']]), 'model.1.1: expected a number, found nothing')
  assert.is(refusal(v.array(pair), { 0: ['a', 1] }), 'model: expected a list, found an object')
  assert.is(refusal(pair, 'ab'), 'model: expected a list of 2, found the string "ab"')
  const counts = JSON.parse('{"a": 1, "__proto__": 2}')
  assert.equal(Object.entries(read(v.record(v.number()), counts)), [
    ['a', 1],
    ['__proto__', 2],
  ])
  assert.is(refusal(v.record(v.number()), { a: 'b' }), 'model.a: expected a number, found the string "b"')
  const either = v.union([v.strictObject({ String: v.pipe(v.string(), v.nonEmpty()) }), v.string()], 'expected text')
  assert.equal([read(either, { String: 'a' }), read(either, 'b')], [{ String: 'a' }, 'b'])
  for (const wrong of [{ String: '' }, { String: 'a', Regex: 'b' }, {}, 5])
    assert.match(refusal(either, wrong), /^model: expected text, found (an object|the number 5)$/)
  const strict = v.strictObject({ id: v.unknown() })
  assert.is(refusal(strict, { id: 1, odd: 2 }), 'model.odd: expected no such key, found the number 2')
  assert.is(
    refusal(v.custom(Array.isArray, 'expected a list of merges'), 5),
    'model: expected a list of merges, found the number 5',
  )
  assert.is(v.string().read('a', 'x', ''), 'a')
  assert.throws(() => v.string().read(5, 'vocab.json', ''), /^vocab\.json: expected a string/)
})

test.run()
