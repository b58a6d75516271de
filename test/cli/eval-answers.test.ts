// eval --answers on made cases: MKQA's form and a plain one, and what is wrong with either.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { attempt } from '../support/cli.js'
import { folderWith } from '../support/temporary.js'

const lines = (...rows: object[]) => rows.map(row => `${JSON.stringify(row)}\n`).join('')
const folder = folderWith({
  'corpus.jsonl': lines(
    { _id: 'a', title: 'Zürich', text: 'liegt am See' },
    { _id: 'b', title: '', text: 'Bern is the capital of Switzerland.' },
    { _id: 'c', title: '', text: 'nothing' },
  ),
  // By score, not by the order of the lines: c, b, a for q1.
  'run.trec': ['q1 Q0 b 2 2 x', 'q1 Q0 a 1 1 x', 'q1 Q0 c 3 3 x', 'q2 Q0 c 1 1 x', 'q3 Q0 a 1 1 x'].join('\n'),
  'plain.jsonl': lines(
    { _id: 'q1', answers: ['bern'] },
    { _id: 'q2', answers: ['Bern'] },
    { _id: 'q4', answers: ['x'] },
  ),
  'mkqa.jsonl': lines(
    {
      example_id: 'q3',
      answers: { de: [{ type: 'entity', text: 'Zuerich', aliases: ['zürich'] }], en: [{ type: 'entity', text: 'x' }] },
    },
    {
      example_id: 'q1',
      answers: { de: [{ type: 'unanswerable', text: null }], en: [{ type: 'binary', text: 'yes' }] },
    },
  ),
})
const at = (name: string) => join(folder, name)
const scored = (...words: string[]) => attempt('eval', '--run', at('run.trec'), '--data', folder, ...words)

test('accuracy within the first k passages; a question without results counts as not answered', async () => {
  const { code, stdout, stderr } = await scored('--answers', at('plain.jsonl'), '--json')
  assert.is(code, 0, stderr)
  assert.match(stderr, /nothing was found for 1 question/)
  const { scores, queries, ranks } = JSON.parse(stdout)
  assert.equal([queries, ranks], [3, { q1: 2, q2: 0, q4: 0 }])
  assert.equal(scores, { accuracy_at_1: 0, accuracy_at_10: 1 / 3, accuracy_at_100: 1 / 3 })
})

test("MKQA's lines: by language, aliases, and types that no passage answers", async () => {
  const { stdout } = await scored('--answers', at('mkqa.jsonl'), '--language', 'de')
  assert.match(stdout, /^1 question, 1 left out .*\naccuracy_at_1 +1\.0000\n/)
  const english = await scored('--answers', at('mkqa.jsonl'), '--language', 'en')
  assert.match(english.stdout, /accuracy_at_100 +0\.0000\n$/)
})

test('what is missing or wrong is named', async () => {
  const cases: [string[], number, RegExp][] = [
    [
      ['--answers', at('mkqa.jsonl')],
      1,
      /mkqa\.jsonl:1: "answers" are by language \(de, en\); say which with --language/,
    ],
    [['--answers', at('mkqa.jsonl'), '--language', 'fr'], 1, /no answers in the language fr; there are de, en/],
    [['--answers', at('run.trec')], 1, /run\.trec:1: expected a JSON object/],
    [['--answers', at('plain.jsonl'), '--qrels', 'x'], 2, /leave --qrels out/],
    [['--language', 'de'], 2, /--language is for --answers/],
  ]
  for (const [words, expected, message] of cases) {
    const { code, stderr } = await scored(...words)
    assert.is(code, expected, stderr)
    assert.match(stderr, message)
  }
})
test.run()
