// What makes a folder one of late interaction, as PyLate writes it: the projection in 1_Dense, and what queries and documents are in
// config_sentence_transformers.json. Source: https://lightonai.github.io/pylate
import { jsonText } from '../data/json.js'
import { join } from '../runtime/files.js'
import { writeFile } from '../runtime/write.js'
import { denseTensors, writeDense } from './dense.js'
import type { LateInteractionSettings } from './late-interaction-settings.js'
import type { SentenceSettings } from './sentence-transformers.js'
import type { ReadTensor } from './writing.js'

const stored = ({ name, shape }: { name: string; shape: readonly number[] }, readTensor: ReadTensor, as = name) => ({
  ...{ name: as, dtype: 'F32' as const, shape },
  data: values(readTensor, name),
})

/** All but the transformer, into a folder that exists: its modules, the projection with its weights, lengths and markers. */
export async function writeLateModules(
  folder: string,
  settings: SentenceSettings,
  readTensor: ReadTensor,
): Promise<void> {
  const late = settings.lateInteraction!
  const modules = ['Transformer', ...late.projection.map(() => 'Dense')].map((kind, idx) => ({
    ...{ idx, name: String(idx), path: idx === 0 ? '' : `${idx}_Dense` },
    type: kind === 'Dense' ? 'pylate.models.Dense.Dense' : 'sentence_transformers.models.Transformer',
  }))
  await writeFile(join(folder, 'modules.json'), jsonText(modules))
  for (const [i, layer] of late.projection.entries()) {
    const own = denseTensors(late.projection).filter(({ name }) => name.startsWith(`dense.${i}.`))
    const tensors = own.map(each => stored(each, readTensor, each.name.replace(`dense.${i}`, 'linear')))
    await writeDense(folder, `${i + 1}_Dense`, layer, tensors, 'token_embeddings')
  }
  await writeFile(
    join(folder, 'sentence_bert_config.json'),
    jsonText({ max_seq_length: settings.maxLength, do_lower_case: settings.doLowerCase }),
  )
  await writeFile(join(folder, 'config_sentence_transformers.json'), jsonText(pylateJson(late)))
}

async function* values(readTensor: ReadTensor, name: string) {
  yield await readTensor(name)
}

const pylateJson = (late: LateInteractionSettings) => ({
  model_type: 'ColBERT',
  __version__: { sentence_transformers: '3.0.0' },
  prompts: {},
  default_prompt_name: null,
  similarity_fn_name: 'MaxSim',
  query_prefix: late.queryMarker,
  document_prefix: late.documentMarker,
  query_length: late.queryLength,
  document_length: late.documentLength,
  do_query_expansion: late.expansion !== undefined,
  attend_to_expansion_tokens: late.expansion?.attend ?? false,
  skiplist_words: late.skipWords,
})
