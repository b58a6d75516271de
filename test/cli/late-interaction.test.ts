// A late-interaction folder on the command line: scores of a search against sentence-transformers' own, and eval.
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Run, readRun } from '../../src/data/trec.js'
import { attempt } from '../support/cli.js'
import { maxDifference, readArrays, readIntegers } from '../support/oracles.js'
import { needs } from '../support/shared.js'
import { folderWith, temporaryFolder } from '../support/temporary.js'

const folder = needs('oracles/sentence-transformers')
/** With all documents as candidates the second stage ranks as one stage does; with few, those alone. */
async function twoStages(chosen: readonly string[], whole: Run): Promise<void> {
  const output = join(temporaryFolder(), 'two.trec')
  for (const by of ['pooled', 'bm25']) {
    const searched = async (...more: string[]) => {
      const { code, stderr } = await attempt('search', ...chosen, '--output', output, '--first-stage', by, ...more)
      assert.is(code, 0, stderr)
      return readRun(output)
    }
    const all = await searched()
    for (const [query, found] of all)
      assert.equal(
        found,
        whole.get(query)!.filter(({ id }) => found.some(each => each.id === id)),
        `${by}, query ${query}`,
      )
    if (by === 'pooled')
      assert.equal(
        [...all.values()].map(({ length }) => length),
        Array(all.size).fill(9),
      )
    const few = await searched('--candidates', '2', '-k', '2')
    assert.ok([...few.values()].every(({ length }) => length <= 2))
    assert.ok([...few].every(([query, found]) => found.every(each => all.get(query)!.some(({ id }) => id === each.id))))
  }
  const evaluated = await attempt('eval', ...chosen, '--json', '--first-stage', 'pooled', '--measures', 'ndcg_at_5')
  assert.match(JSON.parse(evaluated.stdout).fingerprint, / first_stage=pooled:200 /)
  const wrong = await attempt('search', ...chosen, '--output', output, '--candidates', '3')
  assert.is(wrong.code, 2)
  assert.match(wrong.stderr, /--candidates are those of a first stage/)
}

/** Written once, then read; refused for another length of texts, in another form, and where it is cut off. */
async function fromFile(chosen: readonly string[], output: string): Promise<void> {
  const file = join(temporaryFolder(), 'tokens.safetensors')
  const run = (...more: string[]) => attempt('search', ...chosen, '--output', output, '--token-file', file, ...more)
  const once = await run('--token-storage', 'f16')
  assert.is(once.code, 0, once.stderr)
  const [trec, written] = [readFileSync(output, 'utf8'), statSync(file)]
  const again = await run('--first-stage', 'pooled')
  assert.is(again.code, 0, again.stderr)
  assert.is(readFileSync(output, 'utf8'), trec)
  assert.is(statSync(file).mtimeMs, written.mtimeMs)
  const evaluated = await attempt('eval', ...chosen, '--json', '--token-file', file, '--measures', 'ndcg_at_5')
  assert.match(JSON.parse(evaluated.stdout).fingerprint, / tokens=f16 /)
  const shorter = await run('--max-length', '7')
  assert.is(shorter.code, 1)
  assert.match(shorter.stderr, /belongs to another model, another collection or another length of texts; name another/)
  const other = await run('--token-storage', 'residual')
  assert.match(other.stderr, /holds token vectors as f16, not as residual/)
  writeFileSync(file, readFileSync(file).subarray(0, written.size - 9))
  const cut = await run()
  assert.is(cut.code, 1)
  assert.match(cut.stderr, /tokens\.safetensors/)
}

const lines = (rows: object[]) => rows.map(row => `${JSON.stringify(row)}\n`).join('')

for (const name of ['colbert', 'colbert-pylate'])
  (folder ? test : test.skip)(`search and eval with ${name}`, async () => {
    const golden = JSON.parse(readFileSync(`${folder}/${name}/golden.json`, 'utf8'))
    const expected = await readArrays(`${folder}/${name}/golden.safetensors`)
    const { scores } = expected
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
        const wanted = scores![(i + 1) * 9 + Number(id.slice(1))]!
        assert.ok(Math.abs(score - wanted) <= 2e-5, `query ${i + 1}, ${id}: ${score}, expected ${wanted}`)
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
    await twoStages(chosen, run)
    await fromFile(chosen, output)
    for (const side of ['query', 'document'] as const) {
      const vectors = join(temporaryFolder(), `${side}.safetensors`)
      const input = join(data, 'texts.jsonl')
      writeFileSync(input, lines(golden[side === 'query' ? 'queries' : 'documents'].map((text: string) => ({ text }))))
      const encode = (...more: string[]) =>
        attempt(
          'encode',
          '--model',
          `${folder}/${name}`,
          '--input',
          input,
          '--output',
          vectors,
          '--backend',
          'wasm',
          ...more,
        )
      const encoded = await encode('--side', side)
      assert.is(encoded.code, 0, encoded.stderr)
      const { embeddings } = await readArrays(vectors)
      const offsets = await readIntegers(vectors, 'offsets')
      assert.equal(offsets, await readIntegers(`${folder}/${name}/golden.safetensors`, `${side}_offsets`))
      assert.ok(maxDifference(embeddings!, expected[side]!) <= 2e-5, side)
      const wrong = await encode('--dimensions', '4')
      assert.is(wrong.code, 2)
      assert.match(wrong.stderr, /--dimensions is for vectors of texts, but .* is a late-interaction model/)
    }
  })
test.run()
