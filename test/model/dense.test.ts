// Dense modules: what their folders say, what is refused by name, and that they are written as they were read.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openSafetensors, writeSafetensors } from '../../src/data/safetensors.js'
import { type DenseLayer, denseTensors, openDense, readDenseConfig, writeDense } from '../../src/model/dense.js'
import { failure, folderWith, temporaryFolder } from '../support/temporary.js'

const torch = 'torch.nn.modules.'
const read = (config: object, inputs = 4) =>
  readDenseConfig(
    folderWith({ '2_Dense/config.json': JSON.stringify(config) }),
    '2_Dense',
    inputs,
    'sentence_embedding',
  )

test('a config.json is checked against what comes in', async () => {
  const sizes = { in_features: 4, out_features: 3 }
  assert.equal(await read(sizes), { path: '2_Dense', inputs: 4, outputs: 3, bias: true, activation: 'tanh' })
  for (const [name, activation] of [
    ['linear.Identity', 'identity'],
    ['activation.ReLU', 'relu'],
    ['activation.GELU', 'gelu'],
    ['activation.SiLU', 'silu'],
  ])
    assert.is((await read({ ...sizes, activation_function: `${torch}${name}` })).activation, activation)
  assert.match(
    await failure(read({ ...sizes, activation_function: 'my.Module', use_residual: true })),
    /"my.Module" is not supported; supported: torch.nn.modules.linear.Identity.*use_residual is true/,
  )
  assert.match(await failure(read(sizes, 5)), /in_features is 4, but what comes in has 5 columns/)
  assert.match(
    await failure(read({ ...sizes, module_input_name: 'token_embeddings' })),
    /module_input_name is "token_embeddings", expected "sentence_embedding"/,
  )
})

const layer: DenseLayer = { path: '2_Dense', inputs: 2, outputs: 3, bias: true, activation: 'relu' }
const weight = { name: 'linear.weight', dtype: 'F32', shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) } as const
const bias = { name: 'linear.bias', dtype: 'F32', shape: [3], data: Float32Array.of(7, 8, 9) } as const

test('weights written are read back under the names that they have in the model', async () => {
  const folder = temporaryFolder()
  await writeDense(folder, '2_Dense', layer, [weight, bias])
  assert.equal(await readDenseConfig(folder, '2_Dense', 2, 'sentence_embedding'), layer)
  assert.equal(
    denseTensors([layer, { ...layer, bias: false }]).map(({ name }) => name),
    ['dense.0.weight', 'dense.0.bias', 'dense.1.weight'],
  )
  const opened = await openDense(folder, [layer])
  assert.equal(await opened.readTensor('dense.0.weight'), weight.data)
  assert.equal(await opened.readTensor('dense.0.bias'), bias.data)
  await opened.close()
  const file = await openSafetensors(`${folder}/2_Dense/model.safetensors`)
  assert.equal(file.metadata, { format: 'pt' })
  await file.close()
})

test('missing and mis-shaped weights are named, all at once', async () => {
  const folder = temporaryFolder()
  assert.match(await failure(openDense(folder, [layer])), /the Dense module has no 2_Dense\/model.safetensors$/)
  const pickled = folderWith({ '2_Dense/pytorch_model.bin': 'x' })
  assert.match(await failure(openDense(pickled, [layer])), /pytorch_model.bin is not read: convert it/)
  await writeSafetensors(`${folder}/2_Dense/model.safetensors`, [{ ...weight, shape: [2, 3] }])
  assert.match(
    await failure(openDense(folder, [layer])),
    /linear.weight is \[2, 3\], expected \[3, 2\]\n.*linear.bias is missing, expected \[3\]/,
  )
})

test.run()
