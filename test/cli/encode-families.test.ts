// encode of ids as they are, with nothing in the folder but config.json and weights: every family, and what is wrong with a folder.
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openSafetensors } from '../../src/data/safetensors.js'
import { attempt } from '../support/cli.js'
import { readCase } from '../support/gradients.js'
import { maxDifference, readArrays, readIntegers, readPacked } from '../support/oracles.js'
import { needs } from '../support/shared.js'
import { temporaryFolder } from '../support/temporary.js'

/** Config and weights alone. */
function bareFolder(from: string): string {
  const folder = temporaryFolder()
  for (const name of readdirSync(from))
    if (name === 'config.json' || /^model.*safetensors/.test(name)) copyFileSync(`${from}/${name}`, `${folder}/${name}`)
  return folder
}

async function idLines(golden: string): Promise<string> {
  const { ids, offsets, typeIds } = await readPacked(golden)
  const lines = Array.from({ length: offsets.length - 1 }, (_, b) => {
    const cut = (all: Int32Array) => Array.from(all.subarray(offsets[b]!, offsets[b + 1]!))
    return JSON.stringify({ ids: cut(ids), ...(typeIds && { token_type_ids: cut(typeIds) }) })
  })
  return `${lines.join('\n')}\n`
}

for (const path of [
  'encoders/bert-pairs',
  'encoders/xlm-roberta',
  'encoders/distilbert',
  'encoders/mpnet',
  'encoders/modernbert',
  'decoders/llama-f16',
  'decoders/mistral',
  'decoders/qwen2-sharded',
  'decoders/qwen3-bf16',
  'decoders/gemma3',
]) {
  const from = needs(`oracles/${path}`)
  ;(from ? test : test.skip)(`${path}: every token's last hidden state`, async () => {
    const folder = bareFolder(from!)
    writeFileSync(`${folder}/in.jsonl`, await idLines(`${from}/golden.safetensors`))
    const output = `${folder}/out.safetensors`
    const args = ['encode', '--model', folder, '--input', `${folder}/in.jsonl`, '--output', output]
    const { code, stderr } = await attempt(...args, '--pooling', 'none', '--backend', 'wasm')
    assert.is(code, 0, stderr)
    const { last_hidden_state: expected } = await readArrays(`${from}/golden.safetensors`)
    const { embeddings } = await readArrays(output)
    const error = maxDifference(embeddings!, expected!)
    assert.ok(error <= 1e-5 * readCase(`${from}/golden.json`).largest_value, `${error} off`)
    assert.equal(await readIntegers(output, 'offsets'), await readIntegers(`${from}/golden.safetensors`, 'offsets'))
  })
}

const llama = needs('oracles/decoders/llama')
;(llama ? test : test.skip)('the last token’s state, from the older words of config.json', async () => {
  const folder = bareFolder(llama!)
  copyFileSync(`${llama}/config.old.json`, `${folder}/config.json`)
  writeFileSync(`${folder}/in.jsonl`, await idLines(`${llama}/golden.safetensors`))
  const output = `${folder}/out.safetensors`
  const args = ['encode', '--model', folder, '--input', `${folder}/in.jsonl`, '--output', output]
  const { code, stderr } = await attempt(...args, '--pooling', 'lasttoken', '--backend', 'wasm')
  assert.is(code, 0, stderr)
  const file = await openSafetensors(output)
  const vectors = await file.readF32('embeddings')
  await file.close()
  const { pooled } = await readArrays(`${llama}/golden.safetensors`)
  // Not scaled to length 1 here.
  const width = 40
  const unit = vectors.map((value, i) => {
    const row = vectors.subarray(i - (i % width), i - (i % width) + width)
    return value / Math.sqrt(row.reduce((sum, x) => sum + x * x, 0))
  })
  assert.ok(maxDifference(unit, pooled!) <= 1e-5)
})

;(llama ? test : test.skip)('what cannot be right is named: architecture, activation, rotation, tensors', async () => {
  const json = JSON.parse(readFileSync(`${llama}/config.json`, 'utf8'))
  const encoded = async (changes: object) => {
    const folder = bareFolder(llama!)
    assert.ok(existsSync(`${folder}/model.safetensors`))
    writeFileSync(`${folder}/config.json`, JSON.stringify({ ...json, ...changes }))
    writeFileSync(`${folder}/in.jsonl`, '{"ids": [1]}\n')
    const { code, stderr } = await attempt(
      ...['encode', '--model', folder, '--input', `${folder}/in.jsonl`],
      ...['--output', `${folder}/out.safetensors`, '--backend', 'wasm'],
    )
    assert.is(code, 1, stderr)
    return stderr
  }
  assert.match(
    await encoded({ model_type: 'mamba' }),
    /the architecture "mamba", supported: bert, roberta.*gemma3_text/,
  )
  assert.match(await encoded({ hidden_act: 'selu' }), /hidden_act is "selu", expected one of gelu, /)
  assert.match(
    await encoded({ rope_parameters: { rope_type: 'yarn', rope_theta: 1 } }),
    /rope_type is "yarn", expected one of default, linear, llama3/,
  )
  const wrong = await encoded({ attention_bias: true, num_hidden_layers: 1, intermediate_size: 80 })
  assert.match(wrong, /layers.1.mlp.up_proj.weight \[76, 40\] is there, but is no part of the model/)
  assert.match(
    await encoded({ attention_bias: true, intermediate_size: 80 }),
    /q_proj.bias is missing, expected \[40\]/,
  )
  assert.match(
    await encoded({ intermediate_size: 80 }),
    /layers.0.mlp.gate_proj.weight is \[76, 40\], expected \[80, 40\]/,
  )
})

test.run()
