// The kernels between a layer's last product and the loss: pooling, lengths, softmax in tiles, MaxSim and its gradients, the row sums that attention's
// backward pass takes; cases to time, and their checks in f64 at sampled rows.
import type { Params } from '../backend/kernels.js'
import { POOLINGS } from '../backend/layer-kernels.js'
import { comparison, sampled } from './checks.js'
import { type HostTensors, integersBelow, uniformValues } from './host.js'
import type { KernelCase } from './kernel-cases.js'

type Check = KernelCase['check']

const at = (p: Params, name: string): number => p[name] ?? 0
const sum = (count: number, term: (i: number) => number): number => {
  let total = 0
  for (let i = 0; i < count; i++) total += term(i)
  return total
}
const steps = (count: number, by: number): Int32Array => Int32Array.from({ length: count + 1 }, (_, i) => i * by)

const LENGTH = 32 // of a text
const EPSILON = 1e-12
const TOKEN_WIDTH = 128 // of late interaction
const QUERIES = 4

export function retrievalCases(tokens: number, width: number, heads: number): KernelCase[] {
  const shape = `${tokens}×${width}`
  const rows = { rows: tokens, columns: width }
  return [
    {
      ...{ name: 'attention_delta', kernel: 'attention_delta', shape: `${tokens}, ${heads} heads of ${width / heads}` },
      params: { rows: tokens, heads, headSize: width / heads },
      ...{ tensors: () => ({}), check: checkDelta },
    },
    ...poolCases(tokens, width),
    {
      ...{ name: 'l2_normalize_forward', kernel: 'l2_normalize_forward', shape, params: { ...rows, epsilon: EPSILON } },
      ...{ tensors: () => ({}), check: checkNormalize },
    },
    {
      ...{ name: 'l2_normalize_backward', kernel: 'l2_normalize_backward', shape, check: checkNormalizeBackward },
      params: { ...rows, epsilon: EPSILON },
      tensors: () => ({ norms: uniformValues(tokens, 3).map(x => 2 + x) }),
    },
    ...tileCases(tokens),
    ...maxsimCases(tokens),
  ]
}

function poolCases(tokens: number, width: number): KernelCase[] {
  const sequences = tokens / LENGTH
  const params = { sequences, columns: width, mode: POOLINGS.indexOf('mean'), hasStarts: 0 }
  const tensors = () => ({ offsets: steps(sequences, LENGTH), starts: undefined })
  const shape = `${sequences}×${LENGTH}×${width}`
  const dx = () => ({ ...tensors(), x: undefined, dx: uniformValues(tokens * width, 4) })
  const x = () => ({ ...tensors(), x: uniformValues(tokens * width, 5) })
  return [
    { name: 'pool_forward', kernel: 'pool_forward', shape, params, tensors: x, check: checkPool },
    {
      ...{ name: 'pool_backward', kernel: 'pool_backward', shape, check: checkPoolBackward, tensors: dx },
      params: { ...params, accumulate: 0 },
    },
  ]
}

/** Scores of a tile of InfoNCE: each row's target is one of its columns. */
function tileCases(columns: number): KernelCase[] {
  const rows = 256
  const shape = `${rows}×${columns}`
  const targets = () => Int32Array.from(Array.from({ length: rows }, (_, i) => [i, 0, columns]).flat())
  const scores = () => uniformValues(rows * columns, 6).map(x => 4 * x)
  const stats = () => uniformValues(3 * rows, 7).map((x, i) => [4, columns * (2 + x), 3][i % 3]!)
  const sizes = { rows, columns, first: 0, hasLabels: 0 }
  return [
    {
      ...{ name: 'softmax_tile_forward', kernel: 'softmax_tile_forward', shape, check: checkTile },
      params: { ...sizes, fresh: 1 },
      tensors: () => ({ scores: scores(), targets: targets(), labels: undefined }),
    },
    {
      ...{ name: 'softmax_tile_backward', kernel: 'softmax_tile_backward', shape, check: checkTileBackward },
      params: sizes,
      tensors: () => ({ scores: scores(), targets: targets(), labels: undefined, stats: stats() }),
    },
  ]
}

/** Each query against documents of LENGTH tokens. */
function maxsimCases(documentTokens: number): KernelCase[] {
  const documents = documentTokens / LENGTH
  const queryTokens = QUERIES * LENGTH
  const params = { queryTokens, columns: documents, width: TOKEN_WIDTH, l2: 0, alpha: 0.5 }
  const all = { ...params, queries: QUERIES, documentTokens, grouped: 0 }
  const offsets = () => ({ queryOffsets: steps(QUERIES, LENGTH), documentOffsets: steps(documents, LENGTH) })
  // A row of its own document for each column
  const best = () =>
    Int32Array.from(integersBelow(queryTokens * documents, LENGTH, 8), (row, i) => (i % documents) * LENGTH + row)
  const owners = Int32Array.from({ length: queryTokens }, (_, t) => Math.floor(t / LENGTH))
  const shape = `${queryTokens}×${documentTokens}×${TOKEN_WIDTH}`
  const flops = 2 * queryTokens * documents * TOKEN_WIDTH
  return [
    {
      ...{ name: 'maxsim_forward', kernel: 'maxsim_forward', shape, check: checkMaxSim },
      params: { ...all, hasKeep: 0, hasBest: 0 },
      tensors: () => ({ ...offsets(), keep: undefined, best: undefined }),
    },
    {
      ...{ name: 'maxsim_backward_query', kernel: 'maxsim_backward_query', shape, check: checkMaxSimQuery, flops },
      params: { ...params, accumulate: 0 },
      tensors: () => ({
        ...{ best: best(), owners, document: uniformValues(documentTokens * TOKEN_WIDTH, 9) },
        dscores: uniformValues(QUERIES * documents, 10),
      }),
    },
    {
      ...{ name: 'maxsim_backward_document', kernel: 'maxsim_backward_document', shape, flops },
      ...{ params: { ...all, documents, accumulate: 0 }, check: checkMaxSimDocument },
      tensors: () => ({
        ...{ ...offsets(), best: best(), document: uniformValues(documentTokens * TOKEN_WIDTH, 9) },
        ddocument: uniformValues(documentTokens * TOKEN_WIDTH, 11),
      }),
    },
  ]
}

const checkDelta: Check = (before, after, p) => {
  const all = comparison()
  const [pairs, size] = [at(p, 'rows') * at(p, 'heads'), at(p, 'headSize')]
  for (const i of sampled(pairs, 256))
    all.add(
      after.stats![pairs + i]!,
      sum(size, d => before.dout![i * size + d]! * before.out![i * size + d]!),
    )
  return all.error()
}

const checkPool: Check = (before, after, p) => {
  const all = comparison()
  const columns = at(p, 'columns')
  for (const s of sampled(at(p, 'sequences')))
    for (let c = 0; c < columns; c++)
      all.add(after.out![s * columns + c]!, sum(LENGTH, i => before.x![(s * LENGTH + i) * columns + c]!) / LENGTH)
  return all.error()
}

const checkPoolBackward: Check = (before, after, p) => {
  const all = comparison()
  const columns = at(p, 'columns')
  for (const row of sampled(at(p, 'sequences') * LENGTH))
    for (let c = 0; c < columns; c++)
      all.add(after.dx![row * columns + c]!, before.dout![Math.floor(row / LENGTH) * columns + c]! / LENGTH)
  return all.error()
}

const checkNormalize: Check = (before, after, p) => {
  const all = comparison()
  const columns = at(p, 'columns')
  for (const row of sampled(at(p, 'rows'))) {
    const x = (c: number) => before.x![row * columns + c]!
    const norm = Math.sqrt(sum(columns, c => x(c) ** 2))
    for (let c = 0; c < columns; c++) all.add(after.y![row * columns + c]!, x(c) / norm)
  }
  return all.error()
}

const checkNormalizeBackward: Check = (before, after, p) => {
  const all = comparison()
  const columns = at(p, 'columns')
  for (const row of sampled(at(p, 'rows'))) {
    const [y, dy] = [before.y!, before.dy!].map(x => (c: number) => x[row * columns + c]!)
    const along = sum(columns, c => y!(c) * dy!(c))
    for (let c = 0; c < columns; c++)
      all.add(after.dx![row * columns + c]!, (dy!(c) - y!(c) * along) / before.norms![row]!)
  }
  return all.error()
}

const checkTile: Check = (before, after, p) => {
  const [greatest, others] = [comparison(), comparison()]
  const columns = at(p, 'columns')
  for (const row of sampled(at(p, 'rows'))) {
    const scores = Array.from(before.scores!.slice(row * columns, (row + 1) * columns))
    const most = scores.reduce((a, b) => Math.max(a, b))
    greatest.add(after.stats![3 * row]!, most)
    greatest.add(after.stats![3 * row + 2]!, scores[row]!)
    others.add(
      after.stats![3 * row + 1]!,
      sum(columns, c => (c === row ? 0 : Math.exp(scores[c]! - most))),
    )
  }
  return Math.max(greatest.error(), others.error())
}

const checkTileBackward: Check = (before, after, p) => {
  const all = comparison()
  const columns = at(p, 'columns')
  for (const row of sampled(at(p, 'rows'))) {
    const [greatest, others, own] = [0, 1, 2].map(i => before.stats![3 * row + i]!) as [number, number, number]
    const factor = before.weights![row]! / (others + Math.exp(own - greatest))
    for (let c = 0; c < columns; c++) {
      const i = row * columns + c
      all.add(after.scores![i]!, factor * (c === row ? -others : Math.exp(before.scores![i]! - greatest)))
    }
  }
  return all.error()
}

const dot = (a: HostTensors[string], i: number, b: HostTensors[string], j: number): number =>
  sum(TOKEN_WIDTH, c => a[i * TOKEN_WIDTH + c]! * b[j * TOKEN_WIDTH + c]!)

const checkMaxSim: Check = (before, after, p) => {
  const all = comparison()
  for (const i of sampled(QUERIES * at(p, 'columns'), 8)) {
    const [query, document] = [Math.floor(i / at(p, 'columns')), i % at(p, 'columns')]
    const most = (t: number) =>
      Math.max(
        ...Array.from({ length: LENGTH }, (_, d) => dot(before.query!, t, before.document!, document * LENGTH + d)),
      )
    all.add(after.scores![i]!, at(p, 'alpha') * sum(LENGTH, t => most(query * LENGTH + t)))
  }
  return all.error()
}

const checkMaxSimQuery: Check = (before, after, p) => {
  const all = comparison()
  const columns = at(p, 'columns')
  for (const t of sampled(at(p, 'queryTokens'), 8))
    for (let c = 0; c < TOKEN_WIDTH; c++) {
      const term = (j: number) =>
        before.dscores![before.owners![t]! * columns + j]! *
        before.document![before.best![t * columns + j]! * TOKEN_WIDTH + c]!
      all.add(after.dquery![t * TOKEN_WIDTH + c]!, at(p, 'alpha') * sum(columns, term))
    }
  return all.error()
}

const checkMaxSimDocument: Check = (before, after, p) => {
  const all = comparison()
  const columns = at(p, 'columns')
  for (const row of sampled(at(p, 'documentTokens'), 8)) {
    const j = Math.floor(row / LENGTH)
    for (let c = 0; c < TOKEN_WIDTH; c++) {
      const term = (t: number) =>
        before.best![t * columns + j] === row
          ? before.dscores![Math.floor(t / LENGTH) * columns + j]! * before.query![t * TOKEN_WIDTH + c]!
          : 0
      all.add(after.ddocument![row * TOKEN_WIDTH + c]!, at(p, 'alpha') * sum(at(p, 'queryTokens'), term))
    }
  }
  return all.error()
}
