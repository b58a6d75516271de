// The model card (README.md) that lies beside written weights: front matter as the Hub reads it, what the model is, and how it is loaded.
// Source: https://huggingface.co/docs/hub/model-cards
import type { Adapter } from './peft.js'
import { type SentenceSettings, vectorWidth } from './sentence-transformers.js'

export interface CardFacts {
  /** What the model is called, for example its folder's name. */
  readonly name: string
  readonly settings: SentenceSettings
  /** Width of a hidden state. */
  readonly hidden: number
  /** A folder or an id of the Hub. */
  readonly baseModel?: string
  readonly adapter?: Adapter
  /** What else is to be said: a line each. */
  readonly notes?: readonly string[]
}

/** An id of the Hub: a folder's path says nothing to others. */
export const isHubId = (name: string): boolean => /^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(name)

/** A scalar of YAML: JSON's strings are YAML's. */
const yaml = (text: string): string => (/^[A-Za-z][\w./-]*$/.test(text) ? text : JSON.stringify(text))

function frontMatter({ baseModel, adapter }: CardFacts): string[] {
  const tags = ['sentence-transformers', 'sentence-similarity', 'feature-extraction', ...(adapter ? ['lora'] : [])]
  return [
    '---',
    `library_name: ${adapter ? 'peft' : 'sentence-transformers'}`,
    'pipeline_tag: sentence-similarity',
    'tags:',
    ...[...tags, 'wgpu-retrieve'].map(tag => `- ${tag}`),
    ...(baseModel && isHubId(baseModel) ? [`base_model: ${yaml(baseModel)}`] : []),
    '---',
  ]
}

function table({ settings, hidden, adapter, baseModel }: CardFacts): string[] {
  const { pooling, dense, normalize, similarity, maxLength, prompts, defaultPromptName, lateInteraction } = settings
  const vectors = lateInteraction
    ? `one of ${lateInteraction.projection.at(-1)!.outputs} columns a token (late interaction)`
    : `${vectorWidth(settings, hidden)} columns${normalize ? ', of length 1' : ''}`
  const targets = adapter && [...new Set([...adapter.targets.keys()].map(name => name.split('.').at(-1)))].sort()
  const rows: [string, string][] = [
    ...(baseModel ? [['Base model', baseModel] as [string, string]] : []),
    ...(adapter
      ? [['LoRA', `rank ${adapter.rank}, α ${adapter.alpha}, on ${targets!.join(', ')}`] as [string, string]]
      : []),
    ['Vectors', vectors],
    ...(lateInteraction ? [] : [['Pooling', pooling.join(' + ')] as [string, string]]),
    ...dense.map(({ inputs, outputs, activation }): [string, string] => [
      'Dense',
      `${inputs} → ${outputs}, ${activation}`,
    ]),
    ['Similarity', lateInteraction ? 'MaxSim' : similarity],
    ['Tokens of a text at most', String(maxLength)],
    ...Object.entries(prompts).map(([name, prompt]): [string, string] => [
      `Prompt \`${name}\`${name === defaultPromptName ? ' (default)' : ''}`,
      `\`${JSON.stringify(prompt)}\``,
    ]),
  ]
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
  return ['| | |', '|---|---|', ...rows.map(([what, value]) => `| ${cell(what)} | ${cell(value)} |`)]
}

/** The text of a README.md. */
export function modelCard(facts: CardFacts): string {
  const { name, settings, adapter, notes = [] } = facts
  const kind = settings.lateInteraction ? 'late-interaction retriever' : 'dense text retriever'
  const loader = settings.lateInteraction ? 'MultiVectorEncoder' : 'SentenceTransformer'
  return [
    ...frontMatter(facts),
    '',
    `# ${name}`,
    '',
    `A ${kind}${adapter ? ', as a LoRA adapter' : ''}, written by wgpu-retrieve.`,
    '',
    ...table(facts),
    '',
    ...notes.flatMap(note => [note, '']),
    '```sh',
    `wgpu-retrieve encode --model ${name} --input texts.jsonl --output vectors.safetensors`,
    '```',
    '',
    '```python',
    `from sentence_transformers import ${loader}`,
    `model = ${loader}(${JSON.stringify(name)})`,
    'vectors = model.encode(["a text"])',
    '```',
    '',
  ].join('\n')
}
