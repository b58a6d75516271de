// What encoding and training are timed on: a model folder with documents of a collection, or a random model of MiniLM's shape with random ids.
import { documentText, readDocuments } from '../data/collection.js'
import { type PackedBatch, selectSequences } from '../model/batch.js'
import { parseConfig } from '../model/config.js'
import { randomSource } from '../model/load.js'
import { plainSettings } from '../model/sentence-transformers.js'
import { inputTexts, type ModelSource } from '../run/model.js'
import { openNamedModel } from '../run/named-model.js'
import { integersBelow } from './host.js'

export interface BenchInput {
  readonly source: ModelSource
  readonly documents: PackedBatch
  /** For people: which model, which texts. */
  readonly label: string
}

/** Width, layers and heads: MiniLM's, BERT-base's; small: for processors that play a GPU. */
const shapes = { mini: [384, 6, 12], base: [768, 12, 12], small: [64, 2, 2] } as const

/** A model of random weights. */
export function randomModel(shape: keyof typeof shapes): ModelSource {
  const [hidden, layers, heads] = shapes[shape]
  const sizes = { hidden_size: hidden, num_hidden_layers: layers, num_attention_heads: heads }
  const raw = {
    model_type: 'bert',
    ...sizes,
    intermediate_size: 4 * hidden,
    vocab_size: RANDOM_VOCABULARY,
    max_position_embeddings: 512,
  }
  const config = parseConfig(raw, 'random model')
  return {
    name: `random BERT, ${layers} layers of ${hidden}`,
    weights: randomSource({ ...config, initializerRange: 0.05 }, 1),
    settings: { ...plainSettings(256), normalize: true },
    hash: 'random',
    close: async () => {},
  }
}

const RANDOM_VOCABULARY = 4096

/** Sequences of random ids of 16 to 255 tokens. */
export function randomDocuments(count: number, seed = 21): PackedBatch {
  const offsets = new Int32Array(count + 1)
  integersBelow(count, 240, seed).forEach((extra, i) => {
    offsets[i + 1] = offsets[i]! + 16 + extra
  })
  return { ids: Int32Array.from(integersBelow(offsets[count]!, RANDOM_VOCABULARY, seed + 1)), offsets }
}

/** `count` documents spread evenly over the collection, as the model reads them. */
export async function collectionDocuments(source: ModelSource, data: string, count: number): Promise<PackedBatch> {
  const all: string[] = []
  for await (const document of readDocuments(data)) all.push(documentText(document))
  const chosen = Math.min(count, all.length)
  const texts = Array.from({ length: chosen }, (_, i) => all[Math.floor((i * all.length) / chosen)]!)
  const maxLength = source.settings.maxLength ?? source.weights.config.maxPositions
  return source.tokenizer!.encode(inputTexts(source.settings, 'document', texts), { maxLength })
}

export async function benchInput(
  model: string | undefined,
  data: string | undefined,
  documents: number,
  small: boolean,
): Promise<BenchInput> {
  if (!model || !data) {
    const source = model ? await openNamedModel(model, { tokenizer: false }) : randomModel(small ? 'small' : 'mini')
    const count = Math.min(documents, small ? 16 : 64)
    return { source, documents: randomDocuments(count), label: `${source.name}, ${count} random texts` }
  }
  const source = await openNamedModel(model)
  return { source, documents: await collectionDocuments(source, data, documents), label: `${model} on ${data}` }
}

export const sequenceCount = ({ offsets }: PackedBatch): number => offsets.length - 1

export const firstSequences = (batch: PackedBatch, count: number): PackedBatch =>
  selectSequences(
    batch,
    Array.from({ length: Math.min(count, sequenceCount(batch)) }, (_, i) => i),
  )

/** The ids of every sequence, as rivals read them. */
export const idLists = ({ ids, offsets }: PackedBatch): number[][] =>
  Array.from({ length: offsets.length - 1 }, (_, i) => Array.from(ids.subarray(offsets[i]!, offsets[i + 1]!)))
