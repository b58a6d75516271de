// What a user sees who hands over something wrong: the message, the exit code (1 at run time, 2 for a wrong command line), and nothing written.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { attempt, contents, refused, start, tinyCollection, tinyModel } from '../support/cli.js'
import { folderWith, temporaryFolder } from '../support/temporary.js'
import { tinyJson } from '../support/tiny-bert.js'

const model = await tinyModel()
const data = tinyCollection()
const texts = join(folderWith({ 'texts.jsonl': '{"text":"red cat"}\n{"text":"a dog"}\n' }), 'texts.jsonl')

/** encode of `input` with `model` into an empty folder, which must stay empty. */
async function encodeRefused(model: string, input: string, message: RegExp): Promise<void> {
  const out = temporaryFolder()
  const output = join(out, 'v.safetensors')
  const words = ['encode', '--model', model, '--input', input, '--output', output, '--backend', 'wasm']
  refused(await attempt(...words), 1, message)
  assert.equal(contents(out), [])
}

test('files and folders that are not there', async () => {
  const none = join(temporaryFolder(), 'none')
  const output = join(temporaryFolder(), 'out')
  const run = join(folderWith({ 'run.trec': 'q1 Q0 d1 1 0.5 x\n' }), 'run.trec')
  const qrels = join(data, 'qrels/test.tsv')
  const wasm = ['--backend', 'wasm']
  const cases: [string[], RegExp][] = [
    [['eval', '--model', none, '--data', data, ...wasm], /the model folder .*none does not exist; check the path/],
    [['eval', '--model', texts, '--data', data, ...wasm], /texts\.jsonl is a file, expected a model folder/],
    [['eval', '--model', data, '--data', data, ...wasm], /is no model folder: it has no config\.json/],
    [['eval', '--model', model, '--data', none, ...wasm], /no such folder: .*none; expected a BEIR collection/],
    [['eval', '--model', model, '--data', model, ...wasm], /has no corpus\.jsonl .*it holds config\.json/],
    [['search', '--model', model, '--data', none, '--output', output, ...wasm], /no such folder: .*none/],
    [
      ['eval', '--model', model, '--data', data, '--split', 'dev', ...wasm],
      /has no split "dev" \(.*qrels\/dev\.tsv does not exist\); it has test/,
    ],
    [['eval', '--qrels', none, '--run', run], /cannot read .*none: no such file or folder; check the path/],
    [['eval', '--qrels', qrels, '--run', none], /cannot read .*none: no such file or folder; check the path/],
    [['tokenize', '--model', none], /cannot load a tokenizer from .*none: no such folder/],
    [['tokenize', '--model', model, '--input', none], /cannot read .*none: no such file/],
  ]
  for (const [words, message] of cases) refused(await attempt(...words), 1, message)
  await encodeRefused(model, none, /cannot read .*none: no such file or folder; check the path/)
  await encodeRefused(model, data, /cannot read .*: it is a folder, expected a file/)
  await encodeRefused(none, texts, /the model folder .*none does not exist/)
})

/** A model folder with one file changed: cut, replaced or left out. */
async function changed(name: string, change: (bytes: Buffer) => Uint8Array | string): Promise<string> {
  const folder = await tinyModel()
  writeFileSync(join(folder, name), change(readFileSync(join(folder, name))))
  return folder
}

/** A safetensors file with this header and so many bytes of data. */
function safetensors(header: string, bytes: number): Uint8Array {
  const json = Buffer.from(header)
  const file = Buffer.alloc(8 + json.length + bytes)
  file.writeBigUInt64LE(BigInt(json.length))
  json.copy(file, 8)
  return file
}

test('weights that are cut short, damaged or hostile', async () => {
  const entry = (shape: string, begin: number, end: number) =>
    `{"dtype":"F32","shape":${shape},"data_offsets":[${begin},${end}]}`
  const overlap = `{"a":${entry('[1]', 0, 4)},"b":${entry('[1]', 0, 4)}}`
  const huge = `{"a":${entry('[4294967296,4294967296]', 0, 4)}}`
  const cases: [(bytes: Buffer) => Uint8Array | string, RegExp][] = [
    [bytes => bytes.subarray(0, -4), /holds \d+ bytes of data, its header promises \d+: the file is cut short; fetch/],
    [bytes => bytes.subarray(0, 1000), /the header ends at byte \d+, the file at 1000: the file is cut short/],
    [bytes => bytes.subarray(0, 5), /is 5 bytes long, a safetensors file has at least 8/],
    [() => '', /is 0 bytes long/],
    [() => '<!DOCTYPE html><html>no such page</html>', /the header is said to be \d+ bytes long, at most 100000000/],
    [() => 'version https://git-lfs.github.com/spec/v1\noid sha256:1\n', /is a pointer of Git LFS.*git lfs pull/],
    [() => safetensors(overlap, 4), /tensor "b" begins at byte 0, expected 4: .* no gaps or overlaps/],
    [() => safetensors(huge, 4), /tensor "a": the size of shape \[4294967296, 4294967296\] overflows/],
    [() => safetensors(`{"a":${entry('[1]', 0, 4)},"a":${entry('[1]', 0, 4)}}`, 4), /the key "a" occurs twice/],
    [() => safetensors('{}', 0), /contradicts the config\.json beside it:\n.*word_embeddings\.weight is missing/],
  ]
  for (const [change, message] of cases) {
    const folder = await changed('model.safetensors', change)
    await encodeRefused(folder, texts, new RegExp(`model\\.safetensors.*${message.source}`, 's'))
  }
})

test('models that are not supported, or that contradict themselves', async () => {
  const config = (change: object) => JSON.stringify({ ...tinyJson, ...change })
  const mamba = config({ architectures: ['MambaForCausalLM'], model_type: 'mamba' })
  const of = (files: Record<string, string>) => tinyModel(files)
  await encodeRefused(await changed('config.json', () => mamba), texts, /the architecture "mamba", supported: bert/)
  await encodeRefused(
    await changed('config.json', () => config({ hidden_size: 8 })),
    texts,
    /contradicts the config\.json.*\n {2}embeddings\.word_embeddings\.weight is \[11, 6\], expected \[11, 8\](\n.*){10}\n {2}and \d+ more\n$/,
  )
  await encodeRefused(
    await changed('config.json', () => config({ num_attention_heads: 4 })),
    texts,
    /hidden_size is 6, expected a multiple of num_attention_heads, which is 4/,
  )
  await encodeRefused(await changed('config.json', () => '{"model_type":'), texts, /config\.json is not valid JSON/)
  await encodeRefused(await of({ 'vocab.txt': 'a\nb\n' }), texts, /vocab\.txt of 2 entries has no "\[CLS\]"/)
  await encodeRefused(
    await of({ 'tokenizer.json': '{}' }),
    texts,
    /tokenizer\.json: model: expected a value, found nothing/,
  )
  const pooling = JSON.stringify({ embedding_dimension: 6, pooling_mode: 'median' })
  const modules = JSON.stringify([
    { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
    { idx: 1, name: '1', path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
  ])
  await encodeRefused(
    await of({ 'modules.json': modules, '1_Pooling/config.json': pooling }),
    texts,
    /pooling mode "median" is not supported; supported: .*mean/,
  )
})

test('a tokenizer that knows more than the weights', async () => {
  const words = [...'abcdefghij']
  const folder = await tinyModel({
    'vocab.txt': `${['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...words].join('\n')}\n`,
  })
  const input = join(folderWith({ 'in.jsonl': '{"text":"a b"}\n{"text":"a j"}\n' }), 'in.jsonl')
  await encodeRefused(
    folder,
    input,
    /text 2 has the id 14, but the model's vocabulary has 11 entries; do tokenizer and weights belong together\?/,
  )
})

/** eval and search of a collection with some files changed; neither may leave anything. */
async function collectionRefused(files: Record<string, string>, message: RegExp): Promise<void> {
  const folder = tinyCollection(files)
  const out = temporaryFolder()
  const words = ['--model', model, '--data', folder, '--backend', 'wasm', '--output', join(out, 'run.trec')]
  refused(await attempt('eval', ...words), 1, message)
  refused(await attempt('search', ...words), 1, message)
  assert.equal(contents(out), [])
}

test('collections with mistakes in them', async () => {
  const good = '{"_id":"d1","text":"cat"}\n'
  await collectionRefused(
    { 'corpus.jsonl': `${good}\nnot JSON\n` },
    /corpus\.jsonl:3: expected a JSON object, found "not JSON"/,
  )
  await collectionRefused(
    { 'corpus.jsonl': `${good}["d2"]\n` },
    /corpus\.jsonl:2: expected a JSON object, found a list/,
  )
  await collectionRefused({ 'corpus.jsonl': `${good}{"_id":"d2"}\n` }, /corpus\.jsonl:2: expected a string as "text"/)
  await collectionRefused({ 'corpus.jsonl': `${good}{"text":"x"}\n` }, /corpus\.jsonl:2: expected a string.*as "_id"/)
  await collectionRefused({ 'queries.jsonl': 'oops\n' }, /queries\.jsonl:1: expected a JSON object, found "oops"/)
  await collectionRefused(
    { 'corpus.jsonl': good + good },
    /corpus\.jsonl: the id "d1" is given twice, on lines 1 and 2; ids must be distinct/,
  )
  await collectionRefused({ 'corpus.jsonl': '' }, /corpus\.jsonl is empty: expected a JSON object a line/)
  await collectionRefused({ 'queries.jsonl': '\n' }, /queries\.jsonl is empty/)
  const header = 'query-id\tcorpus-id\tscore\n'
  await collectionRefused({ 'qrels/test.tsv': header }, /qrels\/test\.tsv holds no judgements/)
  await collectionRefused({ 'qrels/test.tsv': `${header}q1\td1\tgood\n` }, /test\.tsv:2: expected an integer grade/)
  await collectionRefused(
    { 'qrels/test.tsv': `${header}x\td1\t1\n` },
    /none of the 1 queries of .*test\.tsv is in .*queries\.jsonl \(the first is "x"\)/,
  )
})

test('empty texts are allowed; judgements of what is not there are warned of and counted', async () => {
  const words = ['--model', model, '--data', data, '--backend', 'wasm']
  const scored = await attempt('eval', ...words, '--json')
  assert.is(scored.code, 0, scored.stderr)
  assert.match(
    scored.stderr,
    /warning: .*test\.tsv judges 1 document that the corpus does not hold \(the first is "d9"\): counted as not found\n/,
  )
  assert.match(
    scored.stderr,
    /warning: .* judges 1 query that queries\.jsonl does not hold \(the first is "q7"\): left out of the means\n/,
  )
  const { scores, queries, documents } = JSON.parse(scored.stdout)
  assert.equal([queries, documents], [2, 3])
  assert.is(
    scores.recall_at_100,
    (1 + 1 / 2) / 2,
    'all documents of the corpus are found: q1 has one of one, q2 one of two',
  )
  assert.is((await attempt('eval', ...words, '--quiet')).stderr, '')

  const out = temporaryFolder()
  const input = join(folderWith({ 'in.jsonl': '{"text":""}\n\n{"text":"  "}\n' }), 'in.jsonl')
  const encode = ['encode', '--model', model, '--input', input, '--output', join(out, 'v.safetensors')]
  const encoded = await attempt(...encode, '--backend', 'wasm')
  assert.is(encoded.code, 0, encoded.stderr)
  assert.match(encoded.stdout, /^2 texts, 4 tokens, /)
  assert.equal(contents(out), ['v.ids.txt', 'v.safetensors'])
  const tokenized = await start(['tokenize', '--model', model], { input: '""\n\n" "\n' })
  assert.equal([tokenized.code, tokenized.stdout], [0, '[2,3]\n[2,3]\n'])
})

test('encode: lines that are no input, each named by file and line', async () => {
  const cases: [string, RegExp][] = [
    ['', /in\.jsonl is empty: expected a JSON object a line .*; there is nothing to encode/],
    ['{"text":"a"}\nred\n', /in\.jsonl:2: expected a JSON object, found "red"/],
    ['{"text":"a"}\n\n{"ids":[2,3]}\n', /in\.jsonl:3: lines with "text" and lines with "ids" in one file/],
    ['{"id":7}\n', /in\.jsonl:1: expected a string as "text" \(or "ids"\), found nothing; the line has the keys id/],
    ['{"text":7}\n', /in\.jsonl:1: expected a string as "text" \(or "ids"\), found the number 7/],
    ['{"text":"a","title":7}\n', /in\.jsonl:1: expected a string as "title", found the number 7/],
    ['{"text":"a","_id":"x\\ny"}\n', /in\.jsonl:1: expected a string on one line as "_id"/],
    ['{"ids":[2,3]}\n\n{"ids":[2,11]}\n', /in\.jsonl:3: id 11 is outside the model's vocabulary of 11/],
    ['{"ids":[2,-1]}\n', /in\.jsonl:1: "ids" is \[2,-1\], expected a list of one or more integers of 0 or more/],
    ['{"ids":[2,5.5]}\n', /in\.jsonl:1: "ids" is \[2,5\.5\]/],
    ['{"ids":[]}\n', /in\.jsonl:1: "ids" is \[\], expected a list of one or more/],
    ['{"ids":[2,5,5,5,5,5,5,5,3]}\n', /in\.jsonl:1: 9 ids, but the model has 8 positions/],
    ['{"ids":[2,3],"token_type_ids":[0]}\n', /in\.jsonl:1: 2 ids but 1 token_type_ids; expected one for each id/],
    ['{"ids":[2,3],"token_type_ids":[0,2]}\n', /in\.jsonl:1: token type 2, but the model has 2 of them \(from 0\)/],
  ]
  for (const [text, message] of cases)
    await encodeRefused(model, join(folderWith({ 'in.jsonl': text }), 'in.jsonl'), message)
})

test('tokenize: a line that is no JSON string', async () => {
  const input = (text: string) => ['--input', join(folderWith({ 'in.jsonl': text }), 'in.jsonl')]
  const cases = [
    ['"a"\ncat\n', /in\.jsonl:2: expected a JSON string such as "some text", found "cat"/],
    ['{"text":"cat"}\n', /in\.jsonl:1: expected a JSON string such as "some text", found "\{\\"text\\"/],
    ['7\n', /in\.jsonl:1: expected a JSON string/],
  ] as const
  for (const [text, message] of cases) refused(await attempt('tokenize', '--model', model, ...input(text)), 1, message)
  const short = await attempt('tokenize', '--model', model, '--max-length', '1', ...input('"a"\n'))
  refused(short, 1, /special tokens alone are 2/)
})

test('places that cannot be written to', async () => {
  const file = join(folderWith({ file: 'kept' }), 'file')
  const wasm = ['--backend', 'wasm']
  const encode = ['encode', '--model', model, '--input', texts, ...wasm, '--output']
  const search = ['search', '--model', model, '--data', data, ...wasm, '--output']
  const evaluate = ['eval', '--model', model, '--data', data, ...wasm, '--output']
  for (const words of [encode, search, evaluate]) {
    const below = await attempt(...words, join(file, 'x/out'))
    refused(below, 1, /cannot write .*file\/x\/out: a part of the path is a file, expected a folder/)
    assert.not.match(below.stderr, /backend:/, 'before anything is computed')
    refused(await attempt(...words, data), 1, /cannot write .*: it is a folder, expected a file/)
  }
  assert.is(readFileSync(file, 'utf8'), 'kept')
  // A folder that is not there is made.
  const output = join(temporaryFolder(), 'a/b/run.trec')
  assert.is((await attempt(...search, output)).code, 0)
  assert.is(readFileSync(output, 'utf8').split('\n').length, 2 * 3 + 1)
})

test.run()
