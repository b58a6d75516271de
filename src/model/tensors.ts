// The tensors that a model of a config has, by the names of Hugging Face's bare models.
import {
  headSizeOf,
  keyValueHeadsOf,
  type LinearRole,
  type ModelConfig,
  type NormRole,
  type TransformerForm,
} from './config.js'

export interface ExpectedTensor {
  readonly name: string
  readonly shape: readonly number[]
  /** The weight of a linear layer, which a low-rank update may stand beside. */
  readonly linear?: true
  /** Of layers that read one x in one product: alike for all of them. */
  readonly group?: string
}

export interface LinearLayer {
  readonly name: string
  readonly outputs: number
  readonly inputs: number
}

/** Of the heads side by side: queries' (and the attention's output), and keys' and values'. */
export function attentionWidths(config: ModelConfig): { readonly queries: number; readonly keys: number } {
  const size = headSizeOf(config)
  return { queries: size * config.heads, keys: size * keyValueHeadsOf(config) }
}

/** (outputs, inputs) of a linear layer. */
export function linearShape(config: ModelConfig, role: LinearRole): readonly [number, number] {
  const { hidden: C, intermediate: F } = config
  const { queries, keys } = attentionWidths(config)
  const shapes: Record<LinearRole, readonly [number, number]> = {
    query: [queries, C],
    key: [keys, C],
    value: [keys, C],
    qkv: [queries + 2 * keys, C],
    attentionOutput: [C, queries],
    gate: [F, C],
    up: [F, C],
    gateUp: [2 * F, C],
    down: [C, F],
  }
  return shapes[role]
}

/** The parts of a layer in the order of computation; a form has some of them. */
const parts: readonly ({ readonly linear: LinearRole } | { readonly norm: NormRole })[] = [
  { norm: 'attentionInput' },
  { linear: 'qkv' },
  { linear: 'query' },
  { linear: 'key' },
  { linear: 'value' },
  { norm: 'query' },
  { norm: 'key' },
  { linear: 'attentionOutput' },
  { norm: 'attentionOutput' },
  { norm: 'attentionSum' },
  { norm: 'feedForwardInput' },
  { linear: 'gateUp' },
  { linear: 'gate' },
  { linear: 'up' },
  { linear: 'down' },
  { norm: 'feedForwardOutput' },
  { norm: 'feedForwardSum' },
]

/** Which of them read one x. */
const groups: Readonly<Partial<Record<LinearRole, string>>> = {
  ...{ query: 'attention', key: 'attention', value: 'attention' },
  ...{ gate: 'feedForward', up: 'feedForward' },
}

/** The name of what a layer reads first, or undefined where that is not normalised. */
export const inputNorm = ({ norms, layer, firstInputPlain }: TransformerForm, i: number): string | undefined =>
  norms.attentionInput && !(i === 0 && firstInputPlain) ? `${layer}.${i}.${norms.attentionInput}` : undefined

/** In the order of computation; linear weights are (out, in). Heads and poolers are not among them: nothing uses them. */
export function expectedTensors(config: ModelConfig): ExpectedTensor[] {
  const { hidden: C, form } = config
  const norm = (name: string, width = C): ExpectedTensor[] => [
    { name: `${name}.weight`, shape: [width] },
    ...(form.norm.beta ? [{ name: `${name}.bias`, shape: [width] }] : []),
  ]
  const linear = (i: number, role: LinearRole, { name, bias }: { name: string; bias: boolean }): ExpectedTensor[] => {
    const shape = linearShape(config, role)
    const full = `${form.layer}.${i}.${name}`
    const group = groups[role] && { group: `${i}.${groups[role]}` }
    return [
      { name: `${full}.weight`, shape, linear: true, ...group },
      ...(bias ? [{ name: `${full}.bias`, shape: [shape[0]], ...group }] : []),
    ]
  }
  const layer = (i: number): ExpectedTensor[] =>
    parts.flatMap(part => {
      if ('linear' in part) {
        const found = form.linears[part.linear]
        return found ? linear(i, part.linear, found) : []
      }
      const name = part.norm === 'attentionInput' ? inputNorm(form, i) : undefined
      const found = form.norms[part.norm]
      if (part.norm === 'attentionInput') return name ? norm(name) : []
      const width = part.norm === 'query' || part.norm === 'key' ? headSizeOf(config) : C
      return found ? norm(`${form.layer}.${i}.${found}`, width) : []
    })
  const { positions, types, relative } = form
  return [
    { name: form.words, shape: [config.vocabulary, C] },
    ...(positions ? [{ name: positions.table, shape: [config.maxPositions + positions.offset, C] }] : []),
    ...(types ? [{ name: types, shape: [config.typeVocabulary, C] }] : []),
    ...(form.embeddingNorm ? norm(form.embeddingNorm) : []),
    ...(relative ? [{ name: relative.table, shape: [relative.buckets, config.heads] }] : []),
    ...Array.from({ length: config.layers }, (_, i) => layer(i)).flat(),
    ...(form.finalNorm ? norm(form.finalNorm) : []),
  ]
}

/** The linear layers, in the order of computation. */
export const linearLayers = (config: ModelConfig): LinearLayer[] =>
  expectedTensors(config)
    .filter(({ linear }) => linear)
    .map(({ name, shape: [outputs, inputs] }) => ({
      name: name.slice(0, -'.weight'.length),
      outputs: outputs as number,
      inputs: inputs as number,
    }))
