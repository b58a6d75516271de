import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compareIds, formatFloat32, type Run, rankResults, readRun, writeRun } from '../../src/data/trec.js'
import { failure, folderWith, temporaryFolder } from '../support/temporary.js'

const file = (content: string | Uint8Array, name = 'a.run') => `${folderWith({ [name]: content })}/${name}`

test('a run: ranks are ignored, queries may lie mixed', async () => {
  const lines = 'q1 Q0 d1 7 0.5 tag\nq2\tQ0\td 1\t1\t1e-3\ta tag\nq1   Q0 d\u30002 7 -2.25 tag\r\n'
  for (const path of [file(lines), file(gzipSync(lines), 'a.run.gz')])
    assert.equal(
      [...(await readRun(path))],
      [
        [
          'q1',
          [
            { id: 'd1', score: 0.5 },
            { id: 'd\u30002', score: -2.25 },
          ],
        ],
        ['q2', [{ id: 'd 1', score: 0.001 }]],
      ],
    )
})

test('bad lines are named', async () => {
  const message = async (content: string) => (await failure(readRun(file(content)))).replace(/^.*\/a\.run/, '')
  assert.is(
    await message('q Q0 d 1 1 t\nq Q0 e 1 1\n'),
    ':2: expected 6 fields (query Q0 document rank score tag), found 5: "q Q0 e 1 1"',
  )
  for (const score of ['nan', 'inf', '0x10', '1,5', 'e5', '.'])
    assert.match(
      await message(`q Q0 d 1 ${score} t\n`),
      `:1: expected a number as the score (fifth field), found "${score}"`,
    )
  assert.match(
    await message('q Q0 d 1 1 t\np Q0 d 1 1 t\nq Q0 d 2 0.5 t\n'),
    ':3: document "d" is given twice for query "q"',
  )
  assert.match(await message('\n'), 'holds no results')
  assert.match(await failure(readRun('/nowhere/a.run')), 'no such file')
})

test('ids compare as their UTF-8 bytes do', () => {
  const ids = [
    '',
    'a',
    'aa',
    'b',
    'B',
    '10',
    '9',
    'é',
    '文',
    '\ud7ff',
    '\ue000',
    '～',
    '～1',
    '\uffff',
    '𐀀',
    '😀',
    '😀1',
    '😁',
    '\u{10ffff}',
  ]
  const bytes = (id: string) => Buffer.from(id, 'utf8')
  for (const a of ids)
    for (const b of ids)
      assert.is(
        Math.sign(compareIds(a, b)),
        Buffer.compare(bytes(a), bytes(b)),
        `${JSON.stringify(a)} and ${JSON.stringify(b)}`,
      )
})

test('results are ranked by score, then by id descending', () => {
  const results = ['a', 'c', 'b'].map(id => ({ id, score: 1 })).concat({ id: 'z', score: 0.5 }, { id: 'y', score: 2 })
  assert.equal(
    rankResults(results).map(({ id }) => id),
    ['y', 'c', 'b', 'a', 'z'],
  )
  assert.is(results[0]!.id, 'a', "the caller's list keeps its order")
  const sorted = rankResults(results)
  assert.is(rankResults(sorted), sorted, 'nothing is copied where nothing moves')
  assert.throws(() => rankResults([{ id: 'a', score: Number.NaN }]), /document "a" is not a number/)
})

test('scores are printed as the shortest decimal of the float32', () => {
  const known: [number, string][] = [
    [0.1, '0.1'],
    [Math.fround(0.1), '0.1'],
    [1 / 3, '0.33333334'],
    [0, '0'],
    [-2.5, '-2.5'],
    [16777216, '16777216'],
    [1e-7, '1e-7'],
    [Math.fround(9.00091e-22), '9.00091e-22'],
    [2 ** -149, '1e-45'],
    [3.4028234663852886e38, '3.4028235e+38'],
    [0.5 + 1e-10, '0.5'],
  ]
  for (const [value, text] of known) assert.is(formatFloat32(value), text)
  const bits = new Uint32Array(1)
  const float = new Float32Array(bits.buffer)
  let state = 1
  for (let i = 0; i < 20_000; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bits[0] = state ^ (state >>> 13)
    const value = float[0]!
    if (!Number.isFinite(value)) continue
    const text = formatFloat32(value)
    assert.ok(Math.fround(Number(text)) === value, `${value} as ${text}`)
    const digits = text
      .replace(/e.*/, '')
      .replace(/\D/g, '')
      .replace(/^0+|0+$/g, '').length
    for (let fewer = 1; fewer < digits; fewer++)
      assert.ok(Math.fround(Number(value.toPrecision(fewer))) !== value, `${text} is not the shortest`)
  }
})

test('a run survives being written and read', async () => {
  const path = `${temporaryFolder()}/runs/a.run`
  let state = 3
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.fround((state / 2 ** 31 - 1) * 10 ** (state % 7))
  }
  const run: Run = new Map()
  for (const query of ['q1', 'é😀', '～']) {
    const ids = Array.from({ length: 50 }, (_, i) => `${['d', '文', '😀'][i % 3]}${i}`)
    run.set(
      query,
      ids.map((id, i) => ({ id, score: i % 5 ? random() : 0.25 })),
    )
  }
  assert.equal(await writeRun(path, run, { tag: 'test' }), [])
  const again = await readRun(path)
  assert.equal([...again.keys()], [...run.keys()])
  for (const [query, results] of run)
    assert.equal(
      again.get(query)!.map(({ id, score }) => ({ id, score: Math.fround(score) })),
      rankResults(results),
    )
  const lines = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map(line => line.split(' '))
  assert.equal(
    lines.slice(0, 50).map(fields => fields[3]),
    Array.from({ length: 50 }, (_, i) => String(i + 1)),
  )
  assert.ok(lines.every(fields => fields.length === 6 && fields[1] === 'Q0' && fields[5] === 'test'))
})

test('only so many results are written as asked for', async () => {
  const path = `${temporaryFolder()}/a.run`
  await writeRun(path, new Map([['q', ['a', 'b', 'c'].map((id, i) => ({ id, score: i }))]]), { depth: 2 })
  assert.is(readFileSync(path, 'utf8'), 'q Q0 c 1 2 wgpu-retrieve\nq Q0 b 2 1 wgpu-retrieve\n')
})

test('ids with spaces are separated by tabs, with a warning', async () => {
  const path = `${temporaryFolder()}/a.run`
  const run: Run = new Map([['q', [{ id: 'Polar bear:308', score: 1 }]]])
  assert.match((await writeRun(path, run))[0]!, /a\.run: the id "Polar bear:308" holds a space/)
  assert.is(readFileSync(path, 'utf8'), 'q\tQ0\tPolar bear:308\t1\t1\twgpu-retrieve\n')
  assert.equal([...(await readRun(path))], [...run])
})

test('what cannot be written leaves nothing behind', async () => {
  const folder = temporaryFolder()
  const path = `${folder}/a.run`
  const message = (id: string, score: number, tag?: string) =>
    failure(writeRun(path, new Map([['q', [{ id, score }]]]), tag === undefined ? {} : { tag }))
  assert.match(await message('d', Number.NaN), 'is not a number')
  assert.match(await message('d', Number.POSITIVE_INFINITY), 'the score of document "d" for query "q" is Infinity')
  assert.match(await message('d', 1e39), 'beyond float32')
  for (const id of ['', ' d', 'd ', 'a\tb', 'a\nb'])
    assert.match(await message(id, 1), 'cannot be written to a TREC run')
  for (const tag of ['', 'two words']) assert.match(await message('d', 1, tag), 'tag of a run must be one word')
  assert.not(existsSync(path))
  assert.equal(readdirSync(folder), [])
})

test.run()
