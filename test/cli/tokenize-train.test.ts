// tokenize --train: a tokenizer learned on the command line, and what is refused.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadTokenizer } from '../../src/text/tokenizer.js'
import { attempt } from '../support/cli.js'
import { folderWith, temporaryFolder } from '../support/temporary.js'

const line = 'the tides rise and the tides fall, the tide rises'
const folder = folderWith({ 'texts.txt': `${line}\n${line}\n`, 'corpus.jsonl': `{"_id": "1", "text": "${line}"}\n` })
const texts = join(folder, 'texts.txt')

test('both kinds: a folder that loads, and reads its texts', async () => {
  for (const kind of ['wordpiece', 'bpe']) {
    const out = join(temporaryFolder(), 'tokenizer')
    const words = ['tokenize', '--train', texts, '--kind', kind, '--out', out, '--vocabulary-size', '300']
    const { code, stdout, stderr } = await attempt(
      ...words,
      '--special',
      '[Q]',
      kind === 'bpe' ? '<s>' : '[CLS]',
      '--json',
    )
    assert.is(code, 0, stderr)
    const result = JSON.parse(stdout) as Record<string, unknown>
    assert.equal([result.kind, result.texts, result.folder], [kind, 2, out])
    assert.match(stderr, /tokens, fewer than 300: no other pair occurs 2 times/)
    const tokenizer = await loadTokenizer(out)
    assert.is(tokenizer.vocabularySize, result.vocabulary_size)
    const { ids } = tokenizer.encode([`[Q]${line}`])
    const tokens = Array.from(ids, id => tokenizer.tokenOf(id))
    assert.is(tokens[1], '[Q]')
    assert.is(tokens[0], kind === 'bpe' ? '<s>' : '[CLS]')
    assert.not(tokens.includes('[UNK]'))
    assert.ok(existsSync(join(out, 'tokenizer_config.json')))
    const again = await attempt(...words)
    assert.is(again.code, 2)
    assert.match(again.stderr, /holds a tokenizer\.json; name another folder with --out/)
  }
})

test('options of the trainer arrive', async () => {
  const out = join(temporaryFolder(), 'tokenizer')
  const words = ['--vocabulary-size', '60', '--continuing-prefix', '@@', '--max-token-length', '4', '--cased']
  writeFileSync(join(folder, 'cased.txt'), `Moon Moon moon\n${line}\n`)
  const { code, stdout } = await attempt('tokenize', '--train', join(folder, 'cased.txt'), '--out', out, ...words)
  assert.is(code, 0)
  assert.match(stdout, /: wordpiece, \d+ tokens from 2 texts of 14 words, /)
  const { model, normalizer } = JSON.parse(readFileSync(join(out, 'tokenizer.json'), 'utf8')) as {
    model: { vocab: Record<string, number>; continuing_subword_prefix: string }
    normalizer: { lowercase: boolean }
  }
  assert.equal([normalizer.lowercase, model.continuing_subword_prefix], [false, '@@'])
  const tokens = Object.keys(model.vocab)
  assert.ok(tokens.includes('M') && tokens.includes('@@o') && !tokens.some(token => token.startsWith('##')))
  assert.ok(tokens.every(token => token.startsWith('[') || token.replace('@@', '').length < 4))
})

test('wrong command lines are told what is missing', async () => {
  const out = join(temporaryFolder(), 'x')
  for (const [words, message] of [
    [[], /give --model, a folder to tokenize with, or --train, texts to learn from/],
    [['--train', texts], /--train needs --out/],
    [['--train', texts, '--model', folder, '--out', out], /leave one of them out/],
    [['--model', folder, '--out', out], /--out is for --train/],
    [['--train', texts, '--out', out, '--kind', 'bpe', '--cased'], /--cased is for --kind wordpiece/],
    [['--train', texts, '--out', out, '--kind', 'unigram'], /Allowed choices are wordpiece, bpe/],
    [['--train', texts, '--out', out, '--vocabulary-size', '0'], /Expected an integer of 1 or more/],
  ] as const) {
    const { code, stderr } = await attempt('tokenize', ...words)
    assert.is(code, 2, words.join(' '))
    assert.match(stderr, message)
  }
  const small = await attempt('tokenize', '--train', texts, '--out', out, '--vocabulary-size', '9')
  assert.is(small.code, 1)
  assert.match(
    small.stderr,
    /a vocabulary of 9 tokens cannot hold the 5 special tokens and the characters of the texts/,
  )
  writeFileSync(join(folder, 'empty.txt'), '\n')
  const empty = await attempt('tokenize', '--train', join(folder, 'empty.txt'), '--out', out)
  assert.is(empty.code, 1)
  assert.match(empty.stderr, /empty\.txt holds no words: 1 texts were read/)
  assert.not(existsSync(out))
})

test.run()
