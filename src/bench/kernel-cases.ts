// The kernels that are timed, at the shapes of a small BERT (12 heads of 32, 384 wide), each with its check against f64.
import type { KernelName, Params } from '../backend/kernels.js'
import { dropoutParams, tokenKey } from '../backend/random.js'
import { attentionCase } from './attention.js'
import {
  checkAdamw,
  checkColumnSum,
  checkDropout,
  checkGeluBackward,
  checkGeluForward,
  checkLayerNormBackward,
  checkLayerNormForward,
  checkLayerNormParameters,
  checkTopK,
} from './checks.js'
import { groupCases } from './groups.js'
import { type Data, type HostTensors, uniformValues } from './host.js'
import { loraCases } from './lora.js'
import { product } from './products.js'
import { retrievalCases } from './retrieval-kernels.js'
import { streamCases } from './streams.js'

export interface KernelCase {
  readonly name: string
  readonly shape: string
  readonly kernel: KernelName
  readonly params: Params
  /** Tensors that are no random values in (−1, 1); undefined: absent. */
  readonly tensors: () => Readonly<Record<string, Data | undefined>>
  /** The largest error of sampled results against f64. */
  readonly check: (before: HostTensors, after: HostTensors, params: Params) => number
  /** Of `check`, where factors are narrower than f32. */
  readonly tolerance?: number
  /** Where the kernel table does not tell. */
  readonly flops?: number
}

const HEADS = 12
const HEAD_SIZE = 32
const WIDTH = HEADS * HEAD_SIZE
const WIDE = 4 * WIDTH
const RANK = 8 // of LoRA

/** `tokens`: 4096, fewer on a software adapter. `rows`: of what only reads and writes memory; more than a card's cache holds. */
export const kernelCases = (tokens: number, rows = tokens): KernelCase[] => [
  ...products(tokens),
  ...groupCases(tokens, WIDTH, WIDE, RANK),
  ...[64, 256].flatMap(length =>
    (['attention_forward', 'attention_backward_q', 'attention_backward_kv'] as const).flatMap(kernel =>
      [0, 0.1].map(rate => attentionCase(kernel, tokens, { length, heads: HEADS, size: HEAD_SIZE }, rate)),
    ),
  ),
  ...loraCases(tokens, WIDTH, RANK, () => keysOf(tokens)),
  ...memoryCases(rows),
  topKCase(tokens),
  ...retrievalCases(tokens, WIDTH, HEADS),
]

/** 96 MiB a tensor: several times a large card's cache, and within a binding of every adapter. */
export const CARD_ROWS = 65_536

/** Kernels that do little but read and write memory: matrices of rows × WIDTH, and of fewer rows of WIDE. */
export function memoryCases(rows: number): KernelCase[] {
  const wideRows = rows === CARD_ROWS ? rows / 4 : rows
  return [...elementwise(rows, wideRows), ...rowwise(rows, wideRows), ...streamCases(rows, wideRows, WIDTH, WIDE)]
}

/** Of tokens in sequences of 256. */
const keysOf = (tokens: number): Uint32Array =>
  Uint32Array.from({ length: tokens }, (_, t) => tokenKey(t >> 8, t & 255))

function products(tokens: number): KernelCase[] {
  const layers = [
    [WIDTH, WIDTH],
    [WIDE, WIDTH],
    [WIDTH, WIDE],
  ] as const
  return [
    ...layers.flatMap(([N, K]) => [
      product('NT', tokens, N, K),
      product('NN', tokens, N, K),
      product('TN', K, N, tokens),
    ]),
    product('NT', tokens, RANK, WIDTH),
    product('NT', tokens, WIDTH, RANK),
    product('TN', RANK, WIDTH, tokens),
    ...[1, 64].map(queries => product('NT', queries, 5 * tokens, WIDTH)),
  ]
}

const noTensors = () => ({})

function elementwise(tokens: number, wideRows: number): KernelCase[] {
  const activations = {
    shape: `${wideRows}×${WIDE}`,
    params: { count: wideRows * WIDE, kind: 0 },
    tensors: noTensors,
  }
  const adam = {
    count: tokens * WIDTH,
    rate: 1e-3,
    beta1: 0.9,
    oneMinusBeta1: 0.1,
    beta2: 0.999,
    oneMinusBeta2: 0.001,
    epsilon: 1e-8,
    decay: 0.01,
    correction1: 10,
    correction2: 1000,
    decoupled: 1,
  }
  return [
    { name: 'gelu_forward', kernel: 'activation_forward', ...activations, check: checkGeluForward },
    { name: 'gelu_backward', kernel: 'activation_backward', ...activations, check: checkGeluBackward },
    {
      name: 'adamw',
      shape: `${tokens * WIDTH}`,
      kernel: 'adamw',
      params: adam,
      tensors: () => ({
        state: Float32Array.of(1, 1, 1, 0),
        v: uniformValues(tokens * WIDTH, 5).map(Math.abs),
      }),
      check: checkAdamw,
    },
  ]
}

function rowwise(tokens: number, wideRows: number): KernelCase[] {
  const rows = { rows: tokens, columns: WIDTH }
  const shape = `${tokens}×${WIDTH}`
  const keys = () => ({ keys: keysOf(tokens) })
  const dropping = dropoutParams(0.1, 1, 2, 3)
  const keeping = dropoutParams(0, 0, 0, 0)
  const norm = { kernel: 'layer_norm_forward', shape, check: checkLayerNormForward } as const
  const normParams = { ...rows, epsilon: 1e-12, hasResidual: 1, hasBeta: 1 }
  return [
    {
      ...norm,
      name: 'layer_norm_forward',
      params: { ...normParams, ...keeping },
      tensors: () => ({ keys: undefined }),
    },
    { ...norm, name: 'layer_norm_forward dropout', params: { ...normParams, ...dropping }, tensors: keys },
    {
      name: 'layer_norm_backward',
      kernel: 'layer_norm_backward',
      shape,
      params: { ...rows, accumulate: 0, hasBranch: 0, ...keeping },
      tensors: () => ({ keys: undefined, dbranch: undefined }),
      check: checkLayerNormBackward,
    },
    {
      name: 'layer_norm_parameters',
      kernel: 'layer_norm_parameters',
      shape,
      params: { ...rows, hasBeta: 1 },
      tensors: noTensors,
      check: checkLayerNormParameters,
    },
    {
      name: 'column_sum',
      kernel: 'column_sum',
      shape: `${wideRows}×${WIDE}`,
      params: { rows: wideRows, columns: WIDE },
      tensors: noTensors,
      check: checkColumnSum,
    },
    {
      name: 'dropout',
      kernel: 'dropout',
      shape,
      params: { ...rows, ...dropping },
      tensors: keys,
      check: checkDropout,
    },
  ]
}

function topKCase(tokens: number): KernelCase {
  const [queries, candidates, k] = [64, 5 * tokens, 100]
  return {
    name: 'top_k',
    kernel: 'top_k',
    shape: `${queries}×${candidates}, k ${k}`,
    params: { rows: queries, columns: candidates, k, first: 0, fresh: 1 },
    tensors: () => ({ indices: new Int32Array(queries * k) }),
    check: checkTopK,
  }
}
