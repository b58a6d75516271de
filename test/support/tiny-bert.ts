// A BERT small enough to be written out in a test: its config.json, its weights, and a folder of both.
import { writeSafetensors } from '../../src/data/safetensors.js'
import { type ModelConfig, parseConfig } from '../../src/model/config.js'
import { expectedTensors } from '../../src/model/tensors.js'
import { folderWith } from './temporary.js'
import { seededValues } from './values.js'

export const tinyJson = {
  architectures: ['BertModel'],
  model_type: 'bert',
  hidden_size: 6,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 10,
  hidden_act: 'gelu',
  vocab_size: 11,
  max_position_embeddings: 8,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.2,
  pad_token_id: 0,
  initializer_range: 0.02,
}

export const tinyConfig: ModelConfig = parseConfig(tinyJson, 'tiny')

export interface NamedValues {
  name: string
  shape: readonly number[]
  data: Float32Array
}

/** Every tensor that the config asks for, filled with numbers of its own. */
export function tinyTensors(config: ModelConfig = tinyConfig): NamedValues[] {
  const values = seededValues(7)
  return expectedTensors(config).map(({ name, shape }) => ({
    name,
    shape,
    data: values.normal(shape.reduce((product, size) => product * size, 1)),
  }))
}

/** A folder with config.json, model.safetensors and other files. */
export async function tinyFolder(
  files: Record<string, string | Uint8Array> = {},
  tensors: readonly NamedValues[] = tinyTensors(),
  config: object = tinyJson,
): Promise<string> {
  const folder = folderWith({ 'config.json': JSON.stringify(config), ...files })
  await writeSafetensors(
    `${folder}/model.safetensors`,
    tensors.map(tensor => ({ ...tensor, dtype: 'F32' as const })),
  )
  return folder
}
