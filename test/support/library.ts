// A small model of the library's tests and the runtimes': a random BERT with a vocabulary made from its texts, as the files of a folder; and texts,
// questions and judgements on three subjects.
import { parseConfig } from '../../src/model/config.js'
import { randomSource } from '../../src/model/load.js'
import { plainSettings } from '../../src/model/sentence-transformers.js'
import { writeModelFolder } from '../../src/model/writing.js'
import { memoryVolume, mountVolume, unmountVolume } from '../../src/runtime/volumes.js'
import { createWordPieceTokenizer } from '../../src/text/tokenizer.js'
import { makeVocabulary } from '../../src/text/vocabulary.js'

const subjects = {
  magnets: ['iron filings line up along the field of a magnet', 'opposite poles attract and like poles repel'],
  bread: ['yeast makes the dough rise before it is baked', 'a crust forms when the loaf loses its water'],
  tides: ['the moon pulls the sea and makes the tides', 'spring tides come when sun and moon pull together'],
}

/** Texts by id. */
export const documents: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(subjects).flatMap(([name, texts]) => texts.map((text, i) => [`${name}-${i}`, text])),
)

export const queries: Readonly<Record<string, string>> = {
  q1: 'how do magnets work on iron filings',
  q2: 'why does dough rise',
  q3: 'what makes the tides of the sea',
}

export const qrels: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  q1: { 'magnets-0': 2, 'magnets-1': 1 },
  q2: { 'bread-0': 2, 'bread-1': 1 },
  q3: { 'tides-0': 2, 'tides-1': 1 },
}

export const pairs = Object.entries(qrels).flatMap(([query, grades]) =>
  Object.keys(grades).map(id => ({ query: queries[query]!, positives: [documents[id]!] })),
)

const json = {
  architectures: ['BertModel'],
  model_type: 'bert',
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 64,
  hidden_act: 'gelu',
  max_position_embeddings: 64,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  pad_token_id: 0,
  initializer_range: 0.08,
}

/** The files of a sentence-transformers folder, by name; the same bits in every runtime. */
export async function smallModel(): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
  const texts = [...Object.values(documents), ...Object.values(queries)]
  const tokenizer = await createWordPieceTokenizer({
    vocabulary: makeVocabulary(texts, { size: 300 }),
    lowerCase: true,
  })
  const config = parseConfig({ ...json, vocab_size: tokenizer.vocabularySize }, 'the small model')
  const weights = randomSource(config, 7)
  const files = new Map<string, Blob>()
  const folder = mountVolume(memoryVolume(files))
  try {
    await writeModelFolder(`${folder}/model`, {
      config,
      settings: { ...plainSettings(64), normalize: true },
      tokenizer: await tokenizer.files(),
      readTensor: name => weights.readTensor(name),
    })
  } finally {
    unmountVolume(folder)
  }
  const read = [...files].map(async ([name, blob]) => {
    return [name.slice('model/'.length), new Uint8Array(await blob.arrayBuffer())] as const
  })
  return Object.fromEntries(await Promise.all(read))
}
