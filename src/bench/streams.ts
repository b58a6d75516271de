// Kernels of other families than BERT that do little but read and write memory, and those of embeddings and of the optimizer: cases to time, and their
// checks in f64 at sampled rows, columns or elements.
import { NORM_CHUNK, type Params } from '../backend/kernels.js'
import { dropoutParams } from '../backend/random.js'
import { comparison, sampled } from './checks.js'
import { integersBelow, uniformValues } from './host.js'
import type { KernelCase } from './kernel-cases.js'

type Check = KernelCase['check']

/** SiLU, of ACTIVATIONS. */
const SILU = 2
const HEAD_SIZE = 64

/** Gated activations are of (wideRows, wide). */
export function streamCases(rows: number, wideRows: number, width: number, wide: number): KernelCase[] {
  const matrix = { rows, columns: width }
  const shape = `${rows}×${width}`
  const gated = { shape: `${wideRows}×${wide}`, params: { count: wideRows * wide, kind: SILU }, tensors: () => ({}) }
  const branch = { accumulate: 1, hasBranch: 0, ...dropoutParams(0, 0, 0, 0) }
  const norm = { rows, columns: width, epsilon: 1e-6, plus: 0, hasResidual: 1, ...dropoutParams(0, 0, 0, 0) }
  const noTensors = () => ({})
  return [
    {
      ...{ name: 'rms_norm_forward', kernel: 'rms_norm_forward', shape, params: norm, check: checkRmsNormForward },
      tensors: () => ({ keys: undefined }),
    },
    {
      ...{ name: 'rms_norm_backward', kernel: 'rms_norm_backward', shape, check: checkRmsNormBackward },
      params: { ...matrix, plus: 0, ...branch },
      tensors: () => ({ keys: undefined, dbranch: undefined }),
    },
    {
      ...{ name: 'rms_norm_parameters', kernel: 'rms_norm_parameters', shape, params: matrix, tensors: noTensors },
      check: checkRmsNormParameters,
    },
    { name: 'swiglu_forward', kernel: 'gated_activation_forward', ...gated, check: checkSwiGluForward },
    { name: 'swiglu_backward', kernel: 'gated_activation_backward', ...gated, check: checkSwiGluBackward },
    ropeCase(rows, width),
    ...embeddings(rows, width),
    {
      ...{ name: 'sum_of_squares', kernel: 'sum_of_squares', shape: `${rows * width}`, tensors: noTensors },
      ...{ params: { count: rows * width, first: 0 }, check: checkSumOfSquares },
    },
  ]
}

const at = (p: Params, name: string): number => p[name] ?? 0

function ropeCase(rows: number, width: number): KernelCase {
  const positions = () => Int32Array.from({ length: rows }, (_, row) => row % 512)
  return {
    ...{ name: 'rope', kernel: 'rope', shape: `${rows}×${width}, heads of ${HEAD_SIZE}`, check: checkRope },
    params: { rows, columns: width, headSize: HEAD_SIZE, direction: 1 },
    tensors: () => ({ positions: positions(), table: uniformValues(512 * HEAD_SIZE, 7) }),
  }
}

/** As many rows of a table as are looked up. */
function embeddings(rows: number, width: number): KernelCase[] {
  const shape = `${rows} of ${rows}×${width}`
  const table = () => uniformValues(rows * width, 9)
  const all = () => Int32Array.from({ length: rows }, (_, row) => row)
  return [
    {
      ...{ name: 'gather_rows', kernel: 'gather_rows', shape, check: checkGather },
      params: { rows, columns: width, accumulate: 0 },
      tensors: () => ({ table: table(), index: Int32Array.from(integersBelow(rows, rows, 8)) }),
    },
    {
      ...{ name: 'scatter_rows', kernel: 'scatter_rows', shape, check: checkScatter },
      params: { count: rows, columns: width },
      tensors: () => ({
        ...{ dout: uniformValues(rows * width, 10), dtable: table(), targets: all().reverse() },
        ...{ order: all(), starts: Int32Array.from({ length: rows + 1 }, (_, row) => row) },
      }),
    },
  ]
}

const checkRmsNormForward: Check = (before, after, p) => {
  const all = comparison()
  const width = at(p, 'columns')
  for (const row of sampled(at(p, 'rows'))) {
    const sum = Array.from(
      { length: width },
      (_, c) => before.residual![row * width + c]! + before.x![row * width + c]!,
    )
    const rstd = 1 / Math.sqrt(sum.reduce((total, value) => total + value * value, 0) / width + at(p, 'epsilon'))
    sum.forEach((value, c) => {
      all.add(after.y![row * width + c]!, value * rstd * before.gamma![c]!)
    })
  }
  return all.error()
}

const checkRmsNormBackward: Check = (before, after, p) => {
  const all = comparison()
  const width = at(p, 'columns')
  for (const row of sampled(at(p, 'rows'))) {
    const rstd = before.stats![row]!
    const normal = Array.from({ length: width }, (_, c) => before.z![row * width + c]! * rstd)
    const g = normal.map((_, c) => before.dy![row * width + c]! * before.gamma![c]!)
    const mean = g.reduce((sum, value, c) => sum + value * normal[c]!, 0) / width
    g.forEach((value, c) => {
      const i = row * width + c
      all.add(after.dz![i]!, before.dz![i]! + rstd * (value - normal[c]! * mean))
    })
  }
  return all.error()
}

const checkRmsNormParameters: Check = (before, after, p) => {
  const all = comparison()
  const width = at(p, 'columns')
  for (const c of sampled(width)) {
    let sum = before.dgamma![c]!
    for (let row = 0; row < at(p, 'rows'); row++)
      sum += before.dy![row * width + c]! * before.z![row * width + c]! * before.stats![row]!
    all.add(after.dgamma![c]!, sum)
  }
  return all.error()
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

const checkSwiGluForward: Check = (before, after, p) => {
  const all = comparison()
  for (const i of sampled(at(p, 'count'), 4096)) {
    const gate = before.gate![i]!
    all.add(after.y![i]!, gate * sigmoid(gate) * before.up![i]!)
  }
  return all.error()
}

const checkSwiGluBackward: Check = (before, after, p) => {
  const [gates, ups] = [comparison(), comparison()]
  for (const i of sampled(at(p, 'count'), 4096)) {
    const [gate, dy] = [before.gate![i]!, before.dy![i]!]
    const s = sigmoid(gate)
    gates.add(after.dgate![i]!, dy * before.up![i]! * (s + gate * s * (1 - s)))
    ups.add(after.dup![i]!, dy * gate * s)
  }
  return Math.max(gates.error(), ups.error())
}

const checkRope: Check = (before, after, p) => {
  const all = comparison()
  const [width, size] = [at(p, 'columns'), at(p, 'headSize')]
  const half = size / 2
  for (const row of sampled(at(p, 'rows')))
    for (let c = 0; c < width; c++) {
      const d = c % size
      const first = before.positions![row]! * size + (d % half)
      const [cosine, sine] = [before.table![first]!, before.table![first + half]!]
      const other = before.x![row * width + (d < half ? c + half : c - half)]!
      all.add(after.y![row * width + c]!, before.x![row * width + c]! * cosine + (d < half ? -other : other) * sine)
    }
  return all.error()
}

const checkGather: Check = (before, after, p) => {
  const all = comparison()
  const width = at(p, 'columns')
  for (const row of sampled(at(p, 'rows')))
    for (let c = 0; c < width; c++)
      all.add(after.out![row * width + c]!, before.table![before.index![row]! * width + c]!)
  return all.error()
}

/** Every target has one row. */
const checkScatter: Check = (before, after, p) => {
  const all = comparison()
  const width = at(p, 'columns')
  for (const u of sampled(at(p, 'count'))) {
    const [from, to] = [before.order![u]!, before.targets![u]!]
    for (let c = 0; c < width; c++)
      all.add(after.dtable![to * width + c]!, before.dtable![to * width + c]! + before.dout![from * width + c]!)
  }
  return all.error()
}

const checkSumOfSquares: Check = (before, after, p) => {
  const all = comparison()
  const count = at(p, 'count')
  for (const chunk of sampled(Math.ceil(count / NORM_CHUNK), 4)) {
    const part = before.x!.subarray(chunk * NORM_CHUNK, Math.min((chunk + 1) * NORM_CHUNK, count))
    let sum = 0
    for (const value of part) sum += value * value
    all.add(after.partials![chunk]!, sum)
  }
  return all.error()
}
