// BERT's encoder (Devlin et al. 2019), over packed sequences, with optional low-rank updates. Reads as the paper's figure: embeddings, then
// layers of attention and feed-forward, each with a residual sum and a LayerNorm after it.

import { activate } from '../ops/activation.js'
import { attention } from '../ops/attention.js'
import { type Dropout, drop } from '../ops/dropout.js'
import { embed } from '../ops/embedding.js'
import { type LowRank, linear } from '../ops/linear.js'
import { layerNorm, residualLayerNorm } from '../ops/normalization.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Trace } from '../tensor/trace.js'
import type { BatchTensors } from './batch.js'
import type { ModelConfig } from './config.js'

/** A model's weights by their Hugging Face names. */
export type Weights = (name: string) => Tensor

/** Low-rank updates by the name of the linear layer they belong to, for example encoder.layer.0.attention.self.query. */
export interface AdapterTensors {
  readonly updates: ReadonlyMap<string, { readonly A: Tensor; readonly B: Tensor; readonly scale: number }>
  /** Of the low-rank branch's input, in training. */
  readonly dropout: number
}

/** Rates in effect: all 0 in evaluation. `site` keeps two encoders of one trace apart. */
export interface DropoutRates {
  readonly hidden: number
  readonly attention: number
  readonly adapter: number
  readonly site: number
}

export const noDropout: DropoutRates = { hidden: 0, attention: 0, adapter: 0, site: 0 }

/** Sites of a layer: more than there are dropouts in one. */
const SITES = 64
const site = { attention: 0, attentionOutput: 1, output: 2, adapter: 8 } as const
const linearNames = [
  'attention.self.query',
  'attention.self.key',
  'attention.self.value',
  'attention.output.dense',
  'intermediate.dense',
  'output.dense',
]

const withoutGradient = (tensor: Tensor): Tensor => ({ ...tensor, needsGradient: false })

/** → hidden states (T, C) of the last layer; `onHidden` sees the embeddings' output and each layer's. */
export function bertForward(
  trace: Trace,
  weights: Weights,
  adapter: AdapterTensors | undefined,
  batch: BatchTensors,
  config: ModelConfig,
  rates: DropoutRates,
  onHidden: (hidden: Tensor, index: number) => void = () => {},
): Tensor {
  const { keys, prefix } = batch
  const dropout = (rate: number, at: number): Dropout | undefined =>
    rate > 0 ? { rate, site: rates.site + at, keys } : undefined
  const norm = (name: string) => ({
    gamma: weights(`${name}.weight`),
    beta: weights(`${name}.bias`),
    epsilon: config.layerNormEpsilon,
  })

  const lookups = [
    { table: weights('embeddings.word_embeddings.weight'), index: batch.ids, groups: batch.groups?.ids },
    {
      table: weights('embeddings.position_embeddings.weight'),
      index: batch.positions,
      groups: batch.groups?.positions,
    },
    { table: weights('embeddings.token_type_embeddings.weight'), index: batch.typeIds, groups: batch.groups?.typeIds },
  ]
  const embedded = layerNorm(
    trace,
    embed(trace, lookups, `${prefix}embeddings`),
    norm('embeddings.LayerNorm'),
    `${prefix}embeddings.norm`,
  )
  let x = drop(trace, embedded, dropout(rates.hidden, 0))
  onHidden(x, 0)

  for (let i = 0; i < config.layers; i++) {
    const layer = `encoder.layer.${i}`
    const first = SITES * (i + 1)
    const dense = (from: Tensor, name: string) => {
      const low = adapter?.updates.get(`${layer}.${name}`)
      const update: LowRank | undefined = low && {
        ...low,
        dropout: dropout(rates.adapter, first + site.adapter + linearNames.indexOf(name)),
      }
      const bias = weights(`${layer}.${name}.bias`)
      // The key's bias adds a constant to all scores of a query, which the softmax ignores: its gradient is exactly 0 and not computed.
      const pair = {
        weight: weights(`${layer}.${name}.weight`),
        bias: name === 'attention.self.key' ? withoutGradient(bias) : bias,
      }
      return linear(trace, from, pair, update, `${prefix}${i}.${name}`)
    }
    const [q, k, v] = [
      dense(x, 'attention.self.query'),
      dense(x, 'attention.self.key'),
      dense(x, 'attention.self.value'),
    ]
    const attended = attention(
      trace,
      q,
      k,
      v,
      batch,
      { heads: config.heads, keyValueHeads: config.heads, headSize: config.hidden / config.heads },
      dropout(rates.attention, first + site.attention),
      `${prefix}${i}.attention`,
    )
    const mixed = dense(attended, 'attention.output.dense')
    const atAttention = dropout(rates.hidden, first + site.attentionOutput)
    x = residualLayerNorm(
      trace,
      mixed,
      x,
      norm(`${layer}.attention.output.LayerNorm`),
      atAttention,
      `${prefix}${i}.attention.norm`,
    )

    const wide = activate(trace, dense(x, 'intermediate.dense'), config.activation, `${prefix}${i}.activation`)
    const narrow = dense(wide, 'output.dense')
    x = residualLayerNorm(
      trace,
      narrow,
      x,
      norm(`${layer}.output.LayerNorm`),
      dropout(rates.hidden, first + site.output),
      `${prefix}${i}.norm`,
    )
    onHidden(x, i + 1)
  }
  return x
}
