// A late-interaction folder on the command line: scores of a search against sentence-transformers' own, and eval.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readRun } from '../../src/data/trec.js'
import { attempt } from '../support/cli.js'
import { readArrays } from '../support/oracles.js'
import { needs } from '../support/shared.js'
import { folderWith, temporaryFolder } from '../support/temporary.js'

const folder = needs('oracles/sentence-transformers')
const lines = (rows: object[]) => rows.map(row => `${JSON.stringify(row)}\n`).join('')

for (const name of ['colbert', 'colbert-pylate'])
  (folder ? test : test.skip)(`search and eval with ${name}`, async () => {
    const golden = JSON.parse(readFileSync(`${folder}/${name}/golden.json`, 'utf8'))
    const { scores } = await readArrays(`${folder}/${name}/golden.safetensors`)
    // The first query is empty
    const queries = golden.queries.map((text: string, i: number) => ({ _id: `q${i}`, text })).slice(1)
    const data = folderWith({
      'corpus.jsonl': lines(golden.documents.map((text: string, i: number) => ({ _id: `d${i}`, title: '', text }))),
      'queries.jsonl': lines(queries),
      'qrels/test.tsv': `query-id\tcorpus-id\tscore\n${queries.map((_: object, i: number) => `q${i + 1}\td${i}\t1\n`).join('')}`,
    })
    const output = join(temporaryFolder(), 'late.trec')
    const chosen = ['--model', `${folder}/${name}`, '--data', data, '--backend', 'wasm', '-k', '9', '--quiet']
    const searched = await attempt('search', ...chosen, '--output', output)
    assert.is(searched.code, 0, searched.stderr)
    const run = await readRun(output)
    for (const [i] of queries.entries()) {
      const found = run.get(`q${i + 1}`)!
      assert.is(found.length, 9)
      for (const { id, score } of found) {
        const expected = scores![(i + 1) * 9 + Number(id.slice(1))]!
        assert.ok(Math.abs(score - expected) <= 2e-5, `query ${i + 1}, ${id}: ${score}, expected ${expected}`)
      }
    }
    const evaluated = await attempt('eval', ...chosen, '--json', '--measures', 'ndcg_at_5')
    assert.is(evaluated.code, 0, evaluated.stderr)
    const { fingerprint, scores: measures } = JSON.parse(evaluated.stdout)
    assert.match(fingerprint, /pooling=tokens.*maxsim/)
    assert.ok(measures.ndcg_at_5 > 0)
    const small = await attempt('eval', ...chosen, '--json', '--measures', 'ndcg_at_5', '--token-storage', 'residual')
    assert.is(small.code, 0, small.stderr)
    const packed = JSON.parse(small.stdout)
    assert.match(packed.fingerprint, / tokens=residual /)
    assert.ok(packed.token_bytes < JSON.parse(evaluated.stdout).token_bytes)
    const encoded = await attempt(
      'encode',
      '--model',
      `${folder}/${name}`,
      '--input',
      join(data, 'corpus.jsonl'),
      '--output',
      output,
    )
    assert.is(encoded.code, 1)
    assert.match(encoded.stderr, /late-interaction model: it makes one vector a token/)
  })
test.run()
