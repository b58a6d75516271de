// Writes the settings of a sentence-transformers folder: modules.json, the modules' folders, lengths, prompts, similarity. In the legacy spelling,
// which every release reads.
import { type JsonObject, jsonText } from '../data/json.js'
import { join, makeFolder } from '../runtime/files.js'
import { writeFile } from '../runtime/write.js'
import { legacyKeys, type SentenceSettings } from './sentence-transformers.js'

/** The legacy booleans; `pooling_mode` where they would put several modes into another order. */
function poolingJson({ pooling, includePrompt }: SentenceSettings, hidden: number): JsonObject {
  const legacy = Object.entries(legacyKeys)
  const ordered = legacy.map(([name]) => name).filter(name => (pooling as readonly string[]).includes(name))
  if (ordered.join() !== pooling.join())
    return { embedding_dimension: hidden, pooling_mode: pooling, include_prompt: includePrompt }
  const flags = legacy.map(([name, key]) => [key, ordered.includes(name)])
  return { word_embedding_dimension: hidden, ...Object.fromEntries(flags), include_prompt: includePrompt }
}

interface WrittenModule {
  readonly kind: 'Transformer' | 'Pooling' | 'Dense' | 'Normalize'
  readonly path: string
}

/** The modules in order, each but the first in a folder that begins with its number. */
export function modulesOf({ dense, normalize }: Pick<SentenceSettings, 'dense' | 'normalize'>): WrittenModule[] {
  const after: WrittenModule['kind'][] = dense.flatMap(({ normalizeFirst }) =>
    normalizeFirst ? ['Normalize', 'Dense'] : ['Dense'],
  )
  const kinds: WrittenModule['kind'][] = [
    'Transformer',
    'Pooling',
    ...after,
    ...(normalize ? ['Normalize' as const] : []),
  ]
  return kinds.map((kind, i) => ({ kind, path: i === 0 ? '' : `${i}_${kind}` }))
}

/**
 * Writes the settings' files into a folder that exists (`writeModelFolder` makes the whole appear at once); not the Dense modules, which hold
 * weights.
 */
export async function writeSentenceSettings(folder: string, settings: SentenceSettings, hidden: number): Promise<void> {
  const modules = modulesOf(settings)
  const list = modules.map(({ kind, path }, idx) => ({
    idx,
    name: String(idx),
    path,
    type: `sentence_transformers.models.${kind}`,
  }))
  await writeFile(join(folder, 'modules.json'), jsonText(list))
  await writeFile(join(folder, '1_Pooling', 'config.json'), jsonText(poolingJson(settings, hidden)))
  for (const { kind, path } of modules) if (kind === 'Normalize') await makeFolder(join(folder, path))
  await writeFile(
    join(folder, 'sentence_bert_config.json'),
    jsonText({ max_seq_length: settings.maxLength, do_lower_case: settings.doLowerCase }),
  )
  await writeFile(
    join(folder, 'config_sentence_transformers.json'),
    jsonText({
      __version__: { sentence_transformers: '3.0.0' }, // the release whose form of files this is
      prompts: settings.prompts,
      default_prompt_name: settings.defaultPromptName ?? null,
      similarity_fn_name: settings.similarity,
    }),
  )
}
