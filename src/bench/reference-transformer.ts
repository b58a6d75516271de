// The transformer's forward pass in f64 and as plain as can be, for one sequence: what encoding is checked against. Of the form it reads what
// model/transformer.ts reads, and shares no code with it but the names of tensors.
import { relativeBuckets } from '../model/batch.js'
import {
  attentionOf,
  headSizeOf,
  keyValueHeadsOf,
  type LayerAttention,
  type LinearRole,
  type ModelConfig,
} from '../model/config.js'
import type { WeightSource } from '../model/load.js'
import { type Rope, ropeFrequencies } from '../model/rope.js'
import type { SentenceSettings } from '../model/sentence-transformers.js'

/** (rows, columns), row after row */
type Matrix = Float64Array

/** Φ's error function: its series near 0, else the continued fraction of erfc (Abramowitz & Stegun 7.1.5, 7.1.14). */
export function erf(x: number): number {
  const size = Math.abs(x)
  if (size > 6) return Math.sign(x)
  if (size < 2.5) {
    let [term, sum] = [x, x]
    for (let n = 1; n < 80; n++) {
      term *= (-x * x) / n
      sum += term / (2 * n + 1)
    }
    return (2 / Math.sqrt(Math.PI)) * sum
  }
  let fraction = 0
  for (let n = 120; n > 0; n--) fraction = n / 2 / (size + fraction)
  return Math.sign(x) * (1 - Math.exp(-size * size) / Math.sqrt(Math.PI) / (size + fraction))
}

export const gelu = (x: number, tanh: boolean): number =>
  tanh
    ? 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
    : 0.5 * x * (1 + erf(x / Math.SQRT2))

/** x (T, inputs) → (T, outputs) */
function linear(x: Matrix, weight: Float32Array, bias: Float32Array | undefined, inputs: number): Matrix {
  const outputs = weight.length / inputs
  const out = new Float64Array((x.length / inputs) * outputs)
  // Rows of the weight outside: each is read from far memory once.
  for (let o = 0; o < outputs; o++)
    for (let t = 0; t < x.length / inputs; t++) {
      let sum = bias?.[o] ?? 0
      for (let i = 0; i < inputs; i++) sum += x[t * inputs + i]! * weight[o * inputs + i]!
      out[t * outputs + o] = sum
    }
  return out
}

interface Norm {
  readonly gamma: Float32Array
  readonly beta: Float32Array | undefined
}

/** Over groups of as many columns as gamma has. */
function normed(x: Matrix, { gamma, beta }: Norm, { form, normEpsilon }: ModelConfig): Matrix {
  const width = gamma.length
  const out = Float64Array.from(x)
  for (let at = 0; at < out.length; at += width) {
    const row = out.subarray(at, at + width)
    const mean = form.norm.kind === 'rms' ? 0 : row.reduce((sum, value) => sum + value, 0) / width
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width
    row.forEach((value, i) => {
      const factor = gamma[i]! + (form.norm.addOne ? 1 : 0)
      row[i] = ((value - mean) / Math.sqrt(variance + normEpsilon)) * factor + (beta?.[i] ?? 0)
    })
  }
  return out
}

/** Each head of x (T, n · size) turned by its row's position. */
function turned(x: Matrix, size: number, rope: Rope, rows: number): Matrix {
  const frequencies = ropeFrequencies(rope, size)
  const width = x.length / rows
  return x.map((value, at) => {
    const [position, channel] = [Math.floor(at / width), at % size]
    const d = channel % (size / 2)
    const angle = position * frequencies[d]!
    const other = channel < size / 2 ? -x[at + size / 2]! : x[at - size / 2]!
    return value * Math.cos(angle) + other * Math.sin(angle)
  })
}

interface Heads {
  readonly heads: number
  readonly keyValueHeads: number
  readonly size: number
  readonly scale: number
  readonly seen: LayerAttention
  /** Added to the score of query i and key j. */
  readonly bias: (head: number, i: number, j: number) => number
}

/** q (T, heads · size), k and v (T, keyValueHeads · size) → (T, heads · size) */
function attention(q: Matrix, k: Matrix, v: Matrix, { heads, keyValueHeads, size, scale, seen, bias }: Heads): Matrix {
  const [width, narrow] = [heads * size, keyValueHeads * size]
  const rows = q.length / width
  const { before = Number.POSITIVE_INFINITY, after = Number.POSITIVE_INFINITY } = seen
  const out = new Float64Array(q.length)
  for (let head = 0; head < heads; head++) {
    const shared = Math.floor((head * keyValueHeads) / heads)
    for (let i = 0; i < rows; i++) {
      const scores = Array.from({ length: rows }, (_, j) => {
        if (i - j > before || j - i > after) return Number.NEGATIVE_INFINITY
        let score = 0
        for (let c = 0; c < size; c++) score += q[i * width + head * size + c]! * k[j * narrow + shared * size + c]!
        return score * scale + bias(head, i, j)
      })
      const most = Math.max(...scores)
      const weights = scores.map(score => Math.exp(score - most))
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      for (let c = 0; c < size; c++)
        out[i * width + head * size + c] =
          weights.reduce((sum, weight, j) => sum + weight * v[j * narrow + shared * size + c]!, 0) / total
    }
  }
  return out
}

const activations: Record<ModelConfig['activation'], (x: number) => number> = {
  gelu: x => gelu(x, false),
  gelu_tanh: x => gelu(x, true),
  silu: x => x / (1 + Math.exp(-x)),
  relu: x => Math.max(0, x),
}

/** Of x (T, columns) the columns [from, from + width). */
const columnsFrom = (x: Matrix, columns: number, from: number, width: number): Matrix =>
  new Float64Array((x.length / columns) * width).map(
    (_, at) => x[Math.floor(at / width) * columns + from + (at % width)]!,
  )

const plus = (x: Matrix, y: Matrix): Matrix => x.map((value, i) => value + y[i]!)

/** The hidden states (T, C) of one sequence of ids, all of type 0, after the last layer and its norm. */
export async function referenceStates(source: WeightSource, ids: ArrayLike<number>): Promise<Float64Array> {
  const { config } = source
  const { form, hidden: width } = config
  let x = await embeddings(source, ids)
  for (let i = 0; i < config.layers; i++) {
    const name = (part: string | undefined) => part && `${form.layer}.${i}.${part}`
    const { norms } = form
    const plain = i === 0 && form.firstInputPlain
    const attended = await selfAttention(source, i, plain ? x : await normOf(source, x, name(norms.attentionInput)))
    x = plus(x, await normOf(source, attended, name(norms.attentionOutput)))
    x = await normOf(source, x, name(norms.attentionSum))
    const fed = await feedForward(source, i, await normOf(source, x, name(norms.feedForwardInput)))
    x = plus(x, await normOf(source, fed, name(norms.feedForwardOutput)))
    x = await normOf(source, x, name(norms.feedForwardSum))
  }
  if (x.length !== ids.length * width) throw new Error(`${x.length} values for ${ids.length} tokens of ${width}`)
  return normOf(source, x, form.finalNorm)
}

/** x itself where there is no norm. */
async function normOf(source: WeightSource, x: Matrix, name: string | undefined): Promise<Matrix> {
  if (!name) return x
  const beta = source.config.form.norm.beta ? await source.readTensor(`${name}.bias`) : undefined
  return normed(x, { gamma: await source.readTensor(`${name}.weight`), beta }, source.config)
}

async function embeddings(source: WeightSource, ids: ArrayLike<number>): Promise<Matrix> {
  const { hidden: width, form } = source.config
  const words = await source.readTensor(form.words)
  const positions = form.positions ? await source.readTensor(form.positions.table) : undefined
  const types = form.types ? await source.readTensor(form.types) : undefined
  let place = form.positions?.offset ?? 0
  const places = Array.from(ids, id => (id === form.positions?.skip ? form.positions!.offset - 1 : place++))
  const summed = new Float64Array(ids.length * width).map((_, at) => {
    const [t, c] = [Math.floor(at / width), at % width]
    const sum = words[ids[t]! * width + c]! + (positions?.[places[t]! * width + c] ?? 0) + (types?.[c] ?? 0)
    return sum * (form.embeddingScale ?? 1)
  })
  return normOf(source, summed, form.embeddingNorm)
}

async function dense(source: WeightSource, i: number, x: Matrix, role: LinearRole, inputs: number): Promise<Matrix> {
  const { form } = source.config
  const { name, bias } = form.linears[role]!
  const read = (part: string) => source.readTensor(`${form.layer}.${i}.${name}.${part}`)
  return linear(x, await read('weight'), bias ? await read('bias') : undefined, inputs)
}

async function selfAttention(source: WeightSource, i: number, x: Matrix): Promise<Matrix> {
  const { config } = source
  const { form, hidden, heads } = config
  const rows = x.length / hidden
  const [size, keyValueHeads] = [headSizeOf(config), keyValueHeadsOf(config)]
  const [wide, narrow] = [heads * size, keyValueHeads * size]
  const project = async (): Promise<Matrix[]> => {
    if (!form.linears.qkv)
      return Promise.all((['query', 'key', 'value'] as const).map(role => dense(source, i, x, role, hidden)))
    const all = await dense(source, i, x, 'qkv', hidden)
    const cut = (from: number, columns: number) => columnsFrom(all, wide + 2 * narrow, from, columns)
    return [cut(0, wide), cut(wide, narrow), cut(wide + narrow, narrow)]
  }
  const [q, k, v] = await project()
  const seen = attentionOf(config, i)
  const placed = async (y: Matrix, role: 'query' | 'key') => {
    const name = form.norms[role]
    const even = await normOf(source, y, name && `${form.layer}.${i}.${name}`)
    return seen.rope ? turned(even, size, seen.rope, rows) : even
  }
  const table = form.relative && (await source.readTensor(form.relative.table))
  const buckets = form.relative && relativeBuckets(form.relative)
  const reach = form.relative?.maxDistance ?? 0
  const bias = (head: number, a: number, b: number) =>
    table ? table[buckets![Math.min(Math.max(a - b, -reach), reach) + reach]! * heads + head]! : 0
  const shape = { heads, keyValueHeads, size, scale: config.attentionScale ?? 1 / Math.sqrt(size), seen, bias }
  const mixed = attention(await placed(q!, 'query'), await placed(k!, 'key'), v!, shape)
  return dense(source, i, mixed, 'attentionOutput', wide)
}

async function feedForward(source: WeightSource, i: number, x: Matrix): Promise<Matrix> {
  const { form, hidden, intermediate, activation } = source.config
  const act = activations[activation]
  const gated = (gate: Matrix, up: Matrix) => gate.map((value, at) => act(value) * up[at]!)
  const wide = async (): Promise<Matrix> => {
    if (form.linears.gate)
      return gated(await dense(source, i, x, 'gate', hidden), await dense(source, i, x, 'up', hidden))
    if (!form.linears.gateUp) return (await dense(source, i, x, 'up', hidden)).map(act)
    const both = await dense(source, i, x, 'gateUp', hidden)
    const half = (from: number) => columnsFrom(both, 2 * intermediate, from, intermediate)
    return gated(half(0), half(intermediate))
  }
  return dense(source, i, await wide(), 'down', intermediate)
}

/** The vector of one sequence of ids of type 0: pooled, and of length 1 where the model has that. */
export async function referenceVector(
  source: WeightSource,
  { pooling, normalize }: Pick<SentenceSettings, 'pooling' | 'normalize'>,
  ids: ArrayLike<number>,
): Promise<Float64Array> {
  const width = source.config.hidden
  const x = await referenceStates(source, ids)
  const mode: string = pooling[0] ?? 'mean'
  if (!['mean', 'cls', 'lasttoken'].includes(mode)) throw new Error(`no reference for the pooling ${mode}`)
  const first = mode === 'lasttoken' ? ids.length - 1 : 0
  const rows = mode === 'mean' ? ids.length : 1
  const vector = new Float64Array(width)
  for (let at = first * width; at < (first + rows) * width; at++) vector[at % width]! += x[at]! / rows
  const length = normalize ? Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)) : 1
  return vector.map(value => value / length)
}
