// PEFT adapters: files made here and files that peft wrote, read and written.
import { readdirSync, readFileSync, truncateSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { writeSafetensors } from '../../src/data/safetensors.js'
import { readConfig } from '../../src/model/config.js'
import { type Adapter, readAdapter } from '../../src/model/peft.js'
import { writeAdapter } from '../../src/model/peft-writing.js'
import { linearLayers } from '../../src/model/tensors.js'
import { needs } from '../support/shared.js'
import { failure, folderWith, temporaryFolder } from '../support/temporary.js'
import { tinyConfig } from '../support/tiny-bert.js'
import { seededValues } from '../support/values.js'

const layer = (i: number, part: string) => `encoder.layer.${i}.${part}`
const query = (i: number) => layer(i, 'attention.self.query')
const value = (i: number) => layer(i, 'attention.self.value')

const values = seededValues(3)
function target(name: string, rank: number, scale: number) {
  const { outputs, inputs } = linearLayers(tinyConfig).find(each => each.name === name) ?? { outputs: 0, inputs: 0 }
  return [name, { rank, scale, A: values.normal(rank * inputs), B: values.normal(outputs * rank) }] as const
}
const fresh = (targets: Adapter['targets'], more: Partial<Adapter> = {}): Adapter => ({
  rank: 2,
  alpha: 8,
  rslora: false,
  dropout: 0.1,
  targets,
  raw: {},
  ...more,
})
const queryAndValue = () => new Map([0, 1].flatMap(i => [target(query(i), 2, 4), target(value(i), 2, 4)]))

/** An adapter folder: the config, and A and B of these layers under these keys. */
async function adapterFolder(config: object, tensors: Record<string, number[]>): Promise<string> {
  const json = { peft_type: 'LORA', r: 2, lora_alpha: 8, target_modules: ['query'], ...config }
  const folder = folderWith({ 'adapter_config.json': JSON.stringify(json) })
  await writeSafetensors(
    `${folder}/adapter_model.safetensors`,
    Object.entries(tensors).map(([name, shape]) => ({
      name,
      dtype: 'F32',
      shape,
      data: values.normal(shape.reduce((a, b) => a * b, 1)),
    })),
  )
  return folder
}
const both = (name: string, rank = 2, inputs = 6, outputs = 6, before = 'base_model.model.') => ({
  [`${before}${name}.lora_A.weight`]: [rank, inputs],
  [`${before}${name}.lora_B.weight`]: [outputs, rank],
})
const queries = { ...both(query(0)), ...both(query(1)) }

test('an adapter is read, under each spelling of its keys', async () => {
  for (const before of ['base_model.model.', '', 'base_model.model.bert.']) {
    const tensors = { ...both(query(0), 2, 6, 6, before), ...both(query(1), 2, 6, 6, before) }
    const adapter = await readAdapter(await adapterFolder({ base_model_name_or_path: 'base' }, tensors), tinyConfig)
    assert.equal(
      [adapter.rank, adapter.alpha, adapter.rslora, adapter.dropout, adapter.baseModel],
      [2, 8, false, 0, 'base'],
    )
    assert.equal([...adapter.targets.keys()], [query(0), query(1)])
    assert.equal(
      [...adapter.targets.values()].map(({ scale, A, B }) => [scale, A.length, B.length]),
      [
        [4, 12, 12],
        [4, 12, 12],
      ],
    )
  }
  // Names in the config are those of the adapter's own model.
  const prefixed = await adapterFolder(
    { target_modules: `bert\\.${query(1)}` },
    both(query(1), 2, 6, 6, 'base_model.model.bert.'),
  )
  assert.equal([...(await readAdapter(prefixed, tinyConfig)).targets.keys()], [query(1)])
  // An adapter that was trained on every dense layer has one for the pooler, which is left out.
  const dense = await adapterFolder(
    { target_modules: ['intermediate.dense', 'pooler.dense'], use_rslora: true, r: 4, lora_dropout: 0.5 },
    {
      ...both(layer(0, 'intermediate.dense'), 4, 6, 10),
      ...both(layer(1, 'intermediate.dense'), 4, 6, 10),
      ...both('pooler.dense', 4),
    },
  )
  const adapter = await readAdapter(dense, tinyConfig)
  assert.equal(
    [adapter.targets.size, adapter.dropout, adapter.targets.get(layer(0, 'intermediate.dense'))?.scale],
    [2, 0.5, 4],
  )
})

test('an adapter that contradicts its config or the model: every difference is named', async () => {
  const message = await failure(
    readAdapter(
      await adapterFolder(
        { target_modules: ['query', 'value'], rank_pattern: { query: 3 } },
        { ...queries, ...both(value(0), 2, 8), ...both(layer(7, 'x')) },
      ),
      tinyConfig,
    ),
  )
  for (const part of [
    `${query(0)}.lora_A is [2, 6], expected [3, 6]`,
    `${query(1)}.lora_B is [6, 2], expected [6, 3]`,
    `${value(0)}.lora_A is [2, 8], expected [2, 6]`,
    `${value(1)}.lora_B is missing, expected [6, 2]`,
    `${layer(7, 'x')}.lora_A is there, but is no target`,
  ])
    assert.ok(message.includes(part), `${part}\nin ${message}`)
  assert.match(
    await failure(readAdapter(await adapterFolder({ target_modules: ['q_proj'] }, {}), tinyConfig)),
    /target_modules matches no linear layer/,
  )
  assert.match(
    await failure(
      readAdapter(
        await adapterFolder(
          {},
          { ...queries, 'base_model.model.embeddings.word_embeddings.lora_embedding_A': [2, 11] },
        ),
        tinyConfig,
      ),
    ),
    /base_model.model.embeddings.word_embeddings.lora_embedding_A is there, but is no LoRA weight/,
  )
})

test('an adapter_config.json with missing or impossible values; files that are not there or cut short', async () => {
  const refused = async (config: object) => failure(readAdapter(await adapterFolder(config, queries), tinyConfig))
  assert.match(
    await refused({ r: 0, lora_alpha: '8', lora_dropout: 1 }),
    /r is 0.*lora_alpha is "8".*lora_dropout is 1/,
  )
  assert.match(await refused({ r: undefined }), /r is missing/)
  assert.match(
    await refused({ rank_pattern: { query: 1.5 } }),
    /the rank of encoder.layer.0.attention.self.query is 1.5/,
  )
  assert.match(await refused({ use_dora: true }), /query.lora_magnitude_vector is missing, expected \[6\]/)
  assert.match(await refused({ lora_bias: true }), /asks for what is not supported: lora_bias is true/)
  assert.match(
    await failure(readAdapter('/nowhere', tinyConfig)),
    /cannot read \/nowhere\/adapter_config.json: no such file/,
  )
  const alone = folderWith({
    'adapter_config.json': '{"peft_type":"LORA","r":2,"lora_alpha":8,"target_modules":["query"]}',
  })
  assert.match(await failure(readAdapter(alone, tinyConfig)), /has no adapter_model.safetensors/)
  const cut = await adapterFolder({}, queries)
  truncateSync(`${cut}/adapter_model.safetensors`, 300)
  assert.match(await failure(readAdapter(cut, tinyConfig)), /the file is cut short/)
})

const json = (folder: string) => JSON.parse(readFileSync(`${folder}/adapter_config.json`, 'utf8'))

test('written in the keys that peft reads, and read back bit for bit', async () => {
  const written = async (adapter: Adapter) => {
    const folder = `${temporaryFolder()}/adapter`
    await writeAdapter(folder, adapter, tinyConfig)
    const { raw, ...again } = await readAdapter(folder, tinyConfig)
    const { raw: _, ...before } = adapter
    assert.equal({ ...again, targets: [...again.targets].sort() }, { ...before, targets: [...before.targets].sort() })
    return { config: json(folder), folder }
  }
  const { config, folder } = await written(fresh(queryAndValue(), { baseModel: 'base' }))
  assert.equal(config, {
    alpha_pattern: {},
    base_model_name_or_path: 'base',
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    lora_alpha: 8,
    lora_dropout: 0.1,
    modules_to_save: null,
    peft_type: 'LORA',
    r: 2,
    rank_pattern: {},
    revision: null,
    target_modules: ['query', 'value'],
    task_type: 'FEATURE_EXTRACTION',
    use_dora: false,
    use_rslora: false,
  })
  assert.equal(readdirSync(folder), ['adapter_config.json', 'adapter_model.safetensors'])

  const some = await written(fresh(new Map([target(query(1), 2, 4)])))
  assert.equal(some.config.target_modules, [query(1)])
  const dense = new Map(
    [0, 1].flatMap(i =>
      ['attention.output', 'intermediate', 'output'].map(part => target(layer(i, `${part}.dense`), 2, 4)),
    ),
  )
  assert.is((await written(fresh(dense))).config.target_modules.length, 6, 'the suffix would mean the pooler too')
  const narrowed = {
    peft_type: 'LORA',
    target_modules: ['query'],
    layers_to_transform: [1],
    exclude_modules: 'x',
    later: 1,
  }
  const widened = (await written(fresh(queryAndValue(), { raw: narrowed }))).config
  assert.equal([widened.layers_to_transform, widened.exclude_modules, widened.later], [null, null, 1])
  const mixed = new Map([target(query(0), 3, 8 / Math.sqrt(3)), target(query(1), 2, 12 / Math.sqrt(2))])
  const patterns = (await written(fresh(mixed, { rslora: true }))).config
  assert.equal(patterns.rank_pattern, { 'layer\\.0\\.attention\\.self\\.query': 3 })
  assert.equal(patterns.alpha_pattern, { 'layer\\.1\\.attention\\.self\\.query': 12 })
})

test('a write that fails leaves nothing', async () => {
  const parent = temporaryFolder()
  const short = queryAndValue()
  short.set(query(1), { rank: 2, scale: 4, A: new Float32Array(12), B: new Float32Array(3) })
  assert.match(
    await failure(writeAdapter(`${parent}/a`, fresh(short), tinyConfig)),
    /lora_B.weight" of shape \[6, 2\] takes 48 bytes, its data has 12/,
  )
  const unknown = new Map([
    ['encoder.layer.9.x', { rank: 2, scale: 4, A: new Float32Array(12), B: new Float32Array(12) }],
  ])
  assert.match(
    await failure(writeAdapter(`${parent}/a`, fresh(unknown), tinyConfig)),
    /the adapter has encoder.layer.9.x, expected linear layers/,
  )
  assert.match(await failure(writeAdapter(`${parent}/a`, fresh(new Map()), tinyConfig)), /the adapter has no targets/)
  assert.equal(readdirSync(parent), [])
})

/** Reads what peft wrote and writes it again: the config must say the same, the weights be the same bytes. */
async function copied(folder: string, base: string): Promise<Adapter> {
  const config = await readConfig(base)
  const adapter = await readAdapter(folder, config)
  const copy = `${temporaryFolder()}/copy`
  await writeAdapter(copy, adapter, config)
  assert.equal(json(copy), json(folder))
  assert.is(
    Buffer.compare(
      readFileSync(`${copy}/adapter_model.safetensors`),
      readFileSync(`${folder}/adapter_model.safetensors`),
    ),
    0,
  )
  return adapter
}

const small = needs('oracles/encoders/bert-small')
for (const name of ['oracles/gradients/c-bert-lora', 'oracles/training/lora-start']) {
  const folder = needs(name)
  ;(folder && small ? test : test.skip)(`${name}: rank 4, alpha 8, query and value`, async () => {
    const { rank, alpha, dropout, targets } = await copied(folder as string, small as string)
    assert.equal([rank, alpha, dropout, targets.size], [4, 8, 0, 4])
    for (const { scale, A, B } of targets.values()) assert.equal([scale, A.length, B.length], [2, 128, 128])
  })
}

const peft = needs('oracles/peft')
const minilm = needs('models/all-MiniLM-L6-v2')
;(peft && minilm ? test : test.skip)('adapters that peft wrote for all-MiniLM-L6-v2', async () => {
  const read = (name: string) => copied(`${peft}/${name}`, minilm as string)
  const r8 = await read('minilm-r8')
  assert.equal(
    [r8.rank, r8.alpha, r8.dropout, r8.targets.size, r8.baseModel],
    [8, 32, 0.1, 12, 'sentence-transformers/all-MiniLM-L6-v2'],
  )
  assert.ok([...r8.targets.values()].every(({ rank, scale }) => rank === 8 && scale === 4))

  const rslora = await read('minilm-rslora')
  assert.ok(
    [...rslora.targets.values()].every(({ rank, scale }) => rank === 4 && scale === 4),
    'α/√r',
  )

  const { targets } = await read('minilm-patterns')
  assert.is(targets.size, 18)
  for (let i = 0; i < 6; i++) {
    const expected = {
      query: i === 0 ? [5, 10] : [2, 8],
      key: i >= 4 ? [1, 8] : [2, 8],
      value: [i === 5 ? 4 : 3, i >= 1 && i <= 3 ? 12 : 8],
    }
    for (const [part, [rank, alpha]] of Object.entries(expected) as [string, [number, number]][]) {
      const target = targets.get(layer(i, `attention.self.${part}`))
      assert.equal([target?.rank, target?.scale], [rank, alpha / rank], `${part} of layer ${i}`)
    }
  }

  const regex = await read('minilm-regex-targets')
  assert.equal(
    [...regex.targets.keys()],
    [0, 1, 2].flatMap(i => [layer(i, 'attention.output.dense'), layer(i, 'intermediate.dense')]),
  )
  assert.is(regex.targets.get(layer(2, 'intermediate.dense'))?.B.length, 1536)

  const dora = await read('minilm-dora')
  assert.ok([...dora.targets.values()].every(({ magnitude }) => magnitude?.length === 384))
  assert.match(await failure(read('qwen2-all-linear')), /layers.0.mlp.down_proj.lora_A is there, but is no target/)
})

test.run()
