// Tokenizing on several threads: the ids, the ends of texts and what was cut are those of one thread.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { startWorker } from '../../src/runtime/workers.js'
import { appendIds } from '../../src/text/blocks.js'
import { createMailboxes, mailboxesIn } from '../../src/text/mailbox.js'
import { type EncodeHere, encodeTogether, type Member } from '../../src/text/together.js'
import { createWordPieceTokenizer, type Tokenizer } from '../../src/text/tokenizer.js'
import { bpe, tokenizerOf, wordLevel } from '../support/tokenizers.js'

/** A few hundred characters to several blocks long, with empty ones and one that fits into no block. */
function manyTexts(): string[] {
  const words = ['the', 'cat', 'sat', 'über', '中文', '\u0000', '😀', 'unbelievably', "don't", '\ud800', '1,234', ' ']
  let state = 5
  const below = (limit: number) => {
    state = (state * 48271) % 2147483647
    return state % limit
  }
  const texts: string[] = []
  for (let i = 0; i < 300; i++)
    texts.push(Array.from({ length: below(i % 7 === 0 ? 3 : 400) }, () => words[below(words.length)]).join(' '))
  texts.splice(3, 0, '', 'long '.repeat(60_000), '')
  return [...texts, ...texts, ...texts, '']
}

const letters = [...'abcdefghijklmnopqrstuvwxyz']
const tokenizers: readonly (() => Promise<Tokenizer>)[] = [
  () =>
    createWordPieceTokenizer({
      vocabulary: [
        '[PAD]',
        '[UNK]',
        '[CLS]',
        '[SEP]',
        'the',
        'cat',
        'sat',
        'un',
        ...letters,
        ...letters.map(letter => `##${letter}`),
      ],
    }),
  () => tokenizerOf({ pre_tokenizer: { type: 'Whitespace' }, model: wordLevel(['the', 'cat', 'sat', '😀']) }),
  () =>
    tokenizerOf({
      normalizer: { type: 'NFKC' },
      pre_tokenizer: { type: 'WhitespaceSplit' },
      model: bpe(
        'abcdefghijklmnopqrstuvwxyz',
        [
          ['t', 'h'],
          ['th', 'e'],
          ['a', 't'],
        ],
        { unk_token: '<unk>' },
      ),
    }),
]

const texts = manyTexts()

test('the same ids for any number of threads, whole and cut', async () => {
  for (const make of tokenizers) {
    const tokenizer = await make()
    const settings = [{}, { maxLength: 20 }, { addSpecialTokens: false }]
    const expected = settings.map(options => tokenizer.encode(texts, options))
    assert.ok(expected[1]!.truncated > 0 && expected[0]!.ids.length > 20_000)
    for (const threads of [2, 3, 1]) {
      await tokenizer.setThreads(threads)
      for (const [i, options] of settings.entries()) {
        const { ids, offsets, truncated } = tokenizer.encode(texts, options)
        assert.is(Buffer.compare(Buffer.from(ids.slice().buffer), Buffer.from(expected[i]!.ids.slice().buffer)), 0)
        assert.equal([...offsets], [...expected[i]!.offsets])
        assert.is(truncated, expected[i]!.truncated)
      }
    }
  }
})

test('texts that no sample shows: one that is all of the work, and few', async () => {
  const tokenizer = await tokenizers[0]!()
  const long = 'the cat sat '.repeat(60_000)
  for (const some of [
    [long],
    ['', long],
    [long, 'the cat'],
    [...Array(2000).fill('cat'), long, ...Array(2000).fill('')],
  ]) {
    const expected = tokenizer.encode(some)
    for (const threads of [2, 4]) {
      await tokenizer.setThreads(threads)
      const { ids, offsets } = tokenizer.encode(some)
      assert.is(Buffer.compare(Buffer.from(ids.slice().buffer), Buffer.from(expected.ids.slice().buffer)), 0)
      assert.equal([...offsets], [...expected.offsets])
    }
    await tokenizer.setThreads(1)
  }
})

/** Takes the first block that it gets and ends. */
const dying = `var thread = { start({ mailboxes }, ready) {
  const bell = new Int32Array(mailboxes, 0, 1)
  ready()
  Atomics.wait(bell, 0, 0)
  process.exit(3)
} }`

test('a worker that ends in the middle of its work: what it leaves is done by the caller, and the call ends', async () => {
  const tokenizer = await tokenizers[0]!()
  const expected = tokenizer.encode(texts)
  const start = async (source: string): Promise<Member> => {
    const mailboxes = createMailboxes()
    const worker = await startWorker({ source, data: { mailboxes }, died: () => undefined })
    return { worker, ...mailboxesIn(mailboxes) }
  }
  const members = [await start(dying), await start(dying)]
  const here: EncodeHere = (all, first, last, _, to, ends) => {
    const made = tokenizer.encode(all.slice(first, last))
    for (let i = first; i < last; i++) ends[i + 1] = to.length + made.offsets[i - first + 1]!
    appendIds(to, made.ids)
    return made.truncated
  }
  const wanted = { limit: Number.POSITIVE_INFINITY, special: true }
  const { ids, offsets } = encodeTogether(members, texts, wanted, here, { spare: [], density: {} })
  assert.is(members.length, 0, 'no longer asked')
  assert.equal([...offsets], [...expected.offsets])
  assert.is(Buffer.compare(Buffer.from(ids.slice().buffer), Buffer.from(expected.ids.slice().buffer)), 0)
})

test('a number of threads that is none is refused', async () => {
  const tokenizer = await tokenizers[1]!()
  for (const threads of [0, 1.5, -1])
    await tokenizer.setThreads(threads).then(
      () => assert.unreachable(),
      (error: Error) => assert.match(error.message, /threads is .*, expected an integer of at least 1/),
    )
})

test.run()
