// BERT's forward pass (Devlin et al. 2019, arXiv:1810.04805) in f64 and as plain as can be, for one sequence: what encoding is checked against.
import type { WeightSource } from '../model/load.js'
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
function linear(x: Matrix, weight: Float32Array, bias: Float32Array): Matrix {
  const outputs = bias.length
  const inputs = weight.length / outputs
  const out = new Float64Array((x.length / inputs) * outputs)
  for (let t = 0; t < x.length / inputs; t++)
    for (let o = 0; o < outputs; o++) {
      let sum = bias[o]!
      for (let i = 0; i < inputs; i++) sum += x[t * inputs + i]! * weight[o * inputs + i]!
      out[t * outputs + o] = sum
    }
  return out
}

function layerNorm(x: Matrix, gamma: Float32Array, beta: Float32Array, epsilon: number): Matrix {
  const width = gamma.length
  return x.map((_, at) => {
    if (at % width === 0) normalizeRow(x.subarray(at, at + width), epsilon)
    return x[at]! * gamma[at % width]! + beta[at % width]!
  })
}

/** In place. */
function normalizeRow(row: Float64Array, epsilon: number): void {
  const mean = row.reduce((sum, value) => sum + value, 0) / row.length
  const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length
  row.forEach((value, i) => {
    row[i] = (value - mean) / Math.sqrt(variance + epsilon)
  })
}

/** q, k, v (T, width) → (T, width) */
function attention(q: Matrix, k: Matrix, v: Matrix, width: number, heads: number): Matrix {
  const size = width / heads
  const rows = q.length / width
  const out = new Float64Array(q.length)
  for (let head = 0; head < heads; head++)
    for (let i = 0; i < rows; i++) {
      const weights = Array.from({ length: rows }, (_, j) => {
        let score = 0
        for (let c = head * size; c < (head + 1) * size; c++) score += q[i * width + c]! * k[j * width + c]!
        return Math.exp(score / Math.sqrt(size))
      })
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      for (let c = head * size; c < (head + 1) * size; c++)
        out[i * width + c] = weights.reduce((sum, weight, j) => sum + weight * v[j * width + c]!, 0) / total
    }
  return out
}

/** The vector of one sequence of ids of type 0: pooled, and of length 1 where the model has that. */
export async function referenceVector(
  source: WeightSource,
  { pooling, normalize }: Pick<SentenceSettings, 'pooling' | 'normalize'>,
  ids: ArrayLike<number>,
): Promise<Float64Array> {
  const { hidden: width, layers, heads, normEpsilon, activation } = source.config
  const read = (name: string) => source.readTensor(name)
  const dense = async (x: Matrix, name: string) => linear(x, await read(`${name}.weight`), await read(`${name}.bias`))
  const norm = async (x: Matrix, name: string) =>
    layerNorm(x, await read(`${name}.weight`), await read(`${name}.bias`), normEpsilon)
  const add = (x: Matrix, y: Matrix) => x.map((value, i) => value + y[i]!)

  const [words, positions, types] = [
    await read('embeddings.word_embeddings.weight'),
    await read('embeddings.position_embeddings.weight'),
    await read('embeddings.token_type_embeddings.weight'),
  ]
  const embedded = new Float64Array(ids.length * width).map((_, at) => {
    const [t, c] = [Math.floor(at / width), at % width]
    return words[ids[t]! * width + c]! + positions[at]! + types[c]!
  })
  let x = await norm(embedded, 'embeddings.LayerNorm')
  for (let i = 0; i < layers; i++) {
    const layer = `encoder.layer.${i}`
    const [q, k, v] = [
      await dense(x, `${layer}.attention.self.query`),
      await dense(x, `${layer}.attention.self.key`),
      await dense(x, `${layer}.attention.self.value`),
    ]
    const mixed = await dense(attention(q, k, v, width, heads), `${layer}.attention.output.dense`)
    x = await norm(add(mixed, x), `${layer}.attention.output.LayerNorm`)
    const wide = (await dense(x, `${layer}.intermediate.dense`)).map(value => gelu(value, activation === 'gelu_tanh'))
    x = await norm(add(await dense(wide, `${layer}.output.dense`), x), `${layer}.output.LayerNorm`)
  }
  const rows = pooling[0] === 'cls' ? 1 : ids.length
  const vector = new Float64Array(width)
  for (let at = 0; at < rows * width; at++) vector[at % width]! += x[at]! / rows
  const length = normalize ? Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)) : 1
  return vector.map(value => value / length)
}
