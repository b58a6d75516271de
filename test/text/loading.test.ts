// From files: what a folder may hold, and what is refused.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWordPieceTokenizer, loadTokenizer, tokenizerFromFiles } from '../../src/text/tokenizer.js'
import { failure, folderWith } from '../support/temporary.js'

const tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'hello', 'wor', '##ld', 'É', '!']
const vocabulary = `${tokens.join('\n')}\n`

const added = (id: number, content: string, flags: object = {}) => ({
  ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: false },
  ...flags,
})

const complete = {
  version: '1.0',
  truncation: { max_length: 3, strategy: 'LongestFirst', stride: 0 },
  padding: { strategy: { Fixed: 16 }, pad_id: 0 },
  added_tokens: [added(2, '[CLS]'), added(3, '[SEP]')],
  normalizer: {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] },
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    ...{ type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100 },
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
  },
}

const load = (json: object) =>
  tokenizerFromFiles({ 'tokenizer.json': new TextEncoder().encode(JSON.stringify(json)) }, 'x')

const idsOf = async (json: object, text: string) => [...(await load(json)).encode([text]).ids]

test('tokenizer.json: its truncation and padding are not applied', async () => {
  assert.equal(await idsOf(complete, 'Hello world! hello hello'), [2, 5, 6, 7, 9, 5, 5, 3])
  assert.equal(await idsOf({ ...complete, post_processor: null }, 'hello'), [5])
})

test('tokenizer.json: a template with several tokens on a side', async () => {
  const piece = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } })
  const text = (id: string, type_id: number) => ({ Sequence: { id, type_id } })
  const post_processor = {
    type: 'TemplateProcessing',
    single: [piece('[CLS]', 0), text('A', 0), piece('end', 0)],
    pair: [piece('[CLS]', 0), text('B', 1), piece('end', 0), text('A', 0)],
    special_tokens: {
      '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
      end: { id: 'end', ids: [3, 4], tokens: ['[SEP]', '[MASK]'] },
    },
  }
  const tokenizer = await load({ ...complete, post_processor })
  assert.equal([...tokenizer.encode(['hello hello'], { maxLength: 4 }).ids], [2, 5, 3, 4])
  const pair = tokenizer.encodePairs(['hello'], ['world'])
  assert.equal([...pair.ids], [2, 6, 7, 3, 4, 5])
  assert.equal([...pair.typeIds], [0, 1, 1, 0, 0, 0])
})

test('added tokens: as written, normalised, the longest, only as single words', async () => {
  const added_tokens = [
    added(10, 'new york', { normalized: true }),
    added(11, 'new yorker', { normalized: true }),
    added(12, 'Hello W'),
    added(13, 'ld', { single_word: true }),
    added(14, '<e>', { lstrip: true, rstrip: true }),
    added(15, 'dx'),
    added(16, ' of ', { normalized: true }),
  ]
  const json = { ...complete, added_tokens, post_processor: null }
  assert.equal(await idsOf(json, 'hello NEW YÖRK! New Yorkers hello'), [5, 10, 9, 11, 1, 5])
  assert.equal(await idsOf(json, 'Hello World hello W'), [12, 1, 5, 1])
  assert.equal(await idsOf(json, 'ld!ld world _ld'), [13, 9, 13, 6, 7, 1, 1])
  assert.equal(await idsOf(json, 'hello <e>  <e>hello'), [5, 14, 14, 5])
  // Within a token that does not stand alone no other is looked for.
  assert.equal(await idsOf(json, 'ldx dx'), [1, 15])
  assert.equal(await idsOf(json, 'hello  OF hello of'), [5, 16, 5, 1])
  const tokenizer = await load(json)
  assert.is(tokenizer.vocabularySize, 17)
  assert.is(tokenizer.tokenOf(11), 'new yorker')
  // Cut at white space, a long text would lose the token that contains some.
  const long = tokenizer.encode([`hello${'new york '.repeat(60_000)}`])
  assert.equal([long.ids.length, ...new Set(long.ids)], [60_001, 5, 10])
})

test('added tokens have the ids that the reference gives them, whatever the file says: known ones, then one behind the other', async () => {
  const added_tokens = [added(50, 'X'), added(5, 'Y', { special: true }), added(7, 'hello'), added(40, 'Z')]
  const json = { ...complete, added_tokens, post_processor: null }
  assert.equal(await idsOf(json, 'X Y Z hello'), [10, 11, 12, 5])
  // As it is listed last.
  const twice = [added(10, 'X'), added(30, 'X', { rstrip: true }), added(31, 'Y')]
  assert.equal(await idsOf({ ...json, added_tokens: twice }, 'X  Y'), [10, 11])
  const { ids, spans } = await (await load({ ...json, added_tokens: twice })).encodeWithSpans(['X  Y'])
  assert.equal(
    [[...ids], [...spans]],
    [
      [10, 11],
      [0, 3, 3, 4],
    ],
  )
  // Entries of the vocabulary are counted, not its ids.
  const model = { type: 'WordLevel', unk_token: '?', vocab: { '?': 0, a: 5 } }
  assert.equal(
    await idsOf({ ...json, normalizer: null, model, added_tokens: [added(9, 'X'), added(6, 'Y')] }, 'X Y a'),
    [2, 3, 5],
  )
})

test('vocab.txt: alone it is uncased; tokenizer_config.json decides otherwise', async () => {
  const alone = await loadTokenizer(folderWith({ 'vocab.txt': vocabulary }))
  assert.equal([...alone.encode(['HELLO world[MASK]É']).ids], [2, 5, 6, 7, 4, 1, 3])
  assert.equal(alone.special, { cls: 2, sep: 3, pad: 0, unk: 1, mask: 4 })
  const config = {
    do_lower_case: false,
    tokenizer_class: 'BertTokenizerFast',
    cls_token: { content: '[CLS]' },
    mask_token: '!',
  }
  const folder = folderWith({
    'vocab.txt': vocabulary.replaceAll('\n', '\r\n'),
    'tokenizer_config.json': JSON.stringify(config),
  })
  const cased = await loadTokenizer(folder)
  assert.equal([...cased.encode(['HELLO hello É']).ids], [2, 1, 5, 8, 3])
  assert.is(cased.special.mask, 9)
  const more = { ...config, added_tokens_decoder: { 10: added(10, 'Foo', { normalized: true }) } }
  const extended = await loadTokenizer(
    folderWith({
      'vocab.txt': vocabulary,
      'tokenizer_config.json': JSON.stringify(more),
      'added_tokens.json': '{"bar": 11}',
    }),
  )
  assert.equal([...extended.encode(['Foobarfoo']).ids], [2, 10, 11, 1, 3])
})

test('files: those it came from byte by byte, and generated ones that load as the same tokenizer', async () => {
  const folder = { 'vocab.txt': vocabulary, 'tokenizer_config.json': '{ "do_lower_case" : false }' }
  const files = await (await loadTokenizer(folderWith(folder))).files()
  assert.equal(Object.keys(files).sort(), [
    'special_tokens_map.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'vocab.txt',
  ])
  for (const [name, text] of Object.entries(folder)) assert.is(new TextDecoder().decode(files[name]), text)
  const text = 'hello HELLO world É [MASK]!'
  const made = await createWordPieceTokenizer({ vocabulary: tokens, lowerCase: false, stripAccents: true })
  const ids = [...made.encode([text]).ids]
  const all = await made.files()
  const { 'tokenizer.json': json, ...older } = all
  for (const some of [all, { 'tokenizer.json': json }, older]) {
    const again = await tokenizerFromFiles(some as Record<string, Uint8Array>, 'generated')
    assert.equal([...again.encode([text]).ids], ids)
    assert.equal(again.special, made.special)
  }
})

test('a folder that is missing, empty or damaged is refused', async () => {
  assert.match(await failure(loadTokenizer('/no/such/folder')), /tokenizer from \/no\/such\/folder: no such folder/)
  assert.match(await failure(loadTokenizer(folderWith({}))), /has no tokenizer\.json and no vocab\.txt/)
  const cut = JSON.stringify(complete).slice(0, -20)
  assert.match(await failure(loadTokenizer(folderWith({ 'tokenizer.json': cut }))), /tokenizer\.json is not valid JSON/)
  const config = folderWith({ 'vocab.txt': vocabulary, 'tokenizer_config.json': '{"do_lower_case": "no"}' })
  assert.match(await failure(loadTokenizer(config)), /tokenizer_config\.json: do_lower_case: .*"no"/)
})

test('what is not supported is refused by name', async () => {
  const refused: [object, RegExp][] = [
    [
      { model: { type: 'Morfessor', vocab: {} } },
      /model is Morfessor, which is not supported \(supported: WordPiece, BPE, Unigram, WordLevel\)/,
    ],
    [{ normalizer: { type: 'ByteLevel' } }, /normalizer is ByteLevel, which is not supported/],
    [
      { normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Odd' }] } },
      /normalizer\.normalizers\.1 is Odd/,
    ],
    [
      { normalizer: { type: 'Replace', pattern: { Regex: '\\d*' }, content: '' } },
      /expression "\\\\d\*": it may match nothing at all, which is not/,
    ],
    [{ normalizer: { type: 'Prepend', prepend: 'x'.repeat(49) } }, /normalizer\.prepend has over 48 bytes/],
    [
      { pre_tokenizer: { type: 'ByteLevel' } },
      /pre_tokenizer has ByteLevel, which is supported with the model BPE only/,
    ],
    [{ pre_tokenizer: { type: 'UnicodeScripts' } }, /pre_tokenizer is UnicodeScripts/],
    [
      { pre_tokenizer: { type: 'Split', pattern: { Regex: '\\bx' }, behavior: 'Isolated', invert: false } },
      /tokenizer.json has the expression "\\\\bx": it has \\b, which is not supported/,
    ],
    [
      { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Metaspace' }, { type: 'Digits' }] } },
      /pre_tokenizer\.pretokenizers\.1 is Digits behind what makes ▁ of spaces/,
    ],
    [{ pre_tokenizer: { type: 'Metaspace', replacement: '_' } }, /pre_tokenizer\.replacement is "_", only "▁"/],
    [{ post_processor: { type: 'Odd' } }, /post_processor is Odd/],
    [{ decoder: { type: 'CTC' } }, /decoder is CTC, which is not supported/],
    [{ model: undefined }, /x\/tokenizer\.json: model: /],
    [{ model: { ...complete.model, vocab: [['a', 0]] } }, /model\.vocab: /],
    [{ model: { ...complete.model, vocab: { a: -1 } } }, /model\.vocab: "a" has id -1/],
    [
      { model: { type: 'WordLevel', unk_token: '?', vocab: { '?': 0, a: 2 } }, added_tokens: [added(3, 'x')] },
      /"x" has id 2, which belongs to "a"/,
    ],
  ]
  for (const [change, message] of refused) assert.match(await failure(load({ ...complete, ...change })), message)
  const japanese = { 'vocab.txt': vocabulary, 'tokenizer_config.json': '{"tokenizer_class": "BertJapaneseTokenizer"}' }
  assert.match(
    await failure(loadTokenizer(folderWith(japanese))),
    /BertJapaneseTokenizer is not supported.*BertTokenizer/,
  )
})

test('a config beside tokenizer.json: what transformers takes from it, by class', async () => {
  const folder = (json: object, config: object) =>
    loadTokenizer(
      folderWith({ 'tokenizer.json': JSON.stringify(json), 'tokenizer_config.json': JSON.stringify(config) }),
    )
  const normalizer = { ...complete.normalizer, type: 'BertNormalizer', lowercase: false }
  const vocab = { '[UNK]': 0, the: 1, The: 2, cafe: 3, Café: 4, café: 5, 中: 6, 文: 7, 中文: 8 }
  const model = { type: 'WordPiece', unk_token: '[UNK]', vocab }
  const bert = { normalizer, pre_tokenizer: { type: 'BertPreTokenizer' }, model }
  const idsBy = async (config: object) => [...(await folder(bert, config)).encode(['The Café 中文']).ids]
  // transformers 5.23.
  const own = { tokenizer_class: 'BertTokenizer' }
  assert.equal(await idsBy(own), [1, 3, 6, 7])
  assert.equal(await idsBy({ ...own, do_lower_case: false }), [2, 4, 6, 7])
  assert.equal(await idsBy({ ...own, strip_accents: false }), [1, 5, 6, 7])
  assert.equal(await idsBy({ ...own, tokenize_chinese_chars: false, do_lower_case: false }), [2, 4, 8])
  assert.equal(await idsBy({ tokenizer_class: 'PreTrainedTokenizerFast', do_lower_case: true }), [2, 4, 6, 7])
  const bytes = (add_prefix_space: boolean) => ({
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab: { a: 0, Ġ: 1 }, merges: [] },
  })
  const prefixed = async (inFile: boolean, config: object) =>
    (await folder(bytes(inFile), config)).encode(['a']).ids.length === 2
  assert.is(await prefixed(false, { tokenizer_class: 'GPT2Tokenizer', add_prefix_space: true }), true)
  assert.is(await prefixed(true, { tokenizer_class: 'GPT2TokenizerFast', add_prefix_space: false }), false)
  assert.is(await prefixed(true, { tokenizer_class: 'RobertaTokenizer' }), false)
  assert.is(await prefixed(false, { tokenizer_class: 'PreTrainedTokenizerFast', add_prefix_space: true }), false)
  assert.is(await prefixed(true, { add_prefix_space: false }), true)
  assert.match(
    await failure(folder(bert, { split_special_tokens: true })),
    /split_special_tokens true is not supported/,
  )
})

test('options that are not known are refused by name, in every component', async () => {
  const parts: [string, object][] = [
    ['normalizer', { type: 'BertNormalizer' }],
    ['normalizer', { type: 'NFC' }],
    ['normalizer', { type: 'Lowercase' }],
    ['normalizer', { type: 'Prepend', prepend: 'x' }],
    ['normalizer', { type: 'Sequence', normalizers: [] }],
    ['pre_tokenizer', { type: 'Whitespace' }],
    ['pre_tokenizer', { type: 'Digits', individual_digits: true }],
    ['pre_tokenizer', { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }],
    ['post_processor', { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true }],
    ['post_processor', { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] }],
    ['post_processor', complete.post_processor],
    ['decoder', { type: 'WordPiece', prefix: '##', cleanup: true }],
    ['decoder', { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true }],
    ['decoder', { type: 'Fuse' }],
    ['model', complete.model],
  ]
  for (const [key, part] of parts) {
    await load({ ...complete, [key]: part })
    const message = await failure(load({ ...complete, [key]: { ...part, novel: 1 } }))
    assert.match(
      message,
      new RegExp(`tokenizer\\.json: ${key}\\.novel is an option that is not known \\(known: `),
      message,
    )
  }
  assert.match(await failure(load({ ...complete, novel: 1 })), /tokenizer\.json: novel is an option that is not known/)
  const odd = { ...added(10, 'x'), novel: true }
  assert.match(await failure(load({ ...complete, added_tokens: [odd] })), /added_tokens\.0\.novel is an option/)
})

test('vocabularies that contradict themselves are refused', async () => {
  const lines = folderWith({ 'vocab.txt': `${vocabulary}wor\n` })
  assert.match(await failure(loadTokenizer(lines)), /vocab\.txt: the vocabulary has "wor" twice, with ids 6 and 10/)
  const shared = { ...complete, model: { ...complete.model, vocab: { ...complete.model.vocab, twin: 5 } } }
  assert.match(await failure(load(shared)), /"hello" and "twin" share the id 5/)
  const twice = JSON.stringify(complete).replace('"hello":5', '"hello":5,"hello":5')
  assert.match(await failure(loadTokenizer(folderWith({ 'tokenizer.json': twice }))), /the key "hello" occurs twice/)
  const { '[UNK]': _, ...without } = complete.model.vocab
  const unknown = { ...complete, model: { ...complete.model, vocab: without } }
  assert.match(await failure(load(unknown)), /the unknown token "\[UNK\]" is not in the vocabulary/)
  assert.match(await failure(createWordPieceTokenizer({ vocabulary: ['a'] })), /the unknown token "\[UNK\]"/)
  const named = createWordPieceTokenizer({ vocabulary: tokens, special: { cls: '<s>' } })
  assert.match(await failure(named), /has no "<s>", named as its cls token/)
  assert.match(
    await failure(loadTokenizer(folderWith({ 'vocab.txt': '[UNK]\na\n' }))),
    /vocab\.txt of 2 entries has no "\[CLS\]"/,
  )
})

test.run()
