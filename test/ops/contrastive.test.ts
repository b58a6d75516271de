// The InfoNCE family against PyTorch in f64: losses, and gradients with respect to the vectors.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import { crossEntropy, maskDuplicates, similarity } from '../../src/ops/contrastive.js'
import { l2Normalize } from '../../src/ops/pooling.js'
import { frozenTensor, stateTensor } from '../../src/tensor/parameters.js'
import { createPlan } from '../../src/tensor/plan.js'
import { createPool, createProgram } from '../../src/tensor/program.js'
import type { Tensor } from '../../src/tensor/tensor.js'
import { createTrace, input, output, runTape } from '../../src/tensor/trace.js'
import { candidatesOf } from '../../src/train/contrastive.js'
import { type Arrays, largest, maxDifference, readArrays, readIntegers } from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { needs } from '../support/shared.js'

interface Case {
  readonly file: string
  readonly similarity: 'dot' | 'cosine'
  readonly temperature: number
  readonly loss: number
}

/** A vector table whose gradient is kept. */
function trainedTable(backend: Backend, name: string, shape: [number, number], data: Float32Array): Tensor {
  const gradient = stateTensor(backend, `d${name}`, shape)
  return { ...frozenTensor(backend, name, shape, data), needsGradient: true, gradient }
}

/** Rows of candidates: every direction has its own. */
interface Direction {
  readonly from: 'query' | 'passage'
  readonly targets: Int32Array
  readonly weights: Float32Array
  /** Masks duplicates. */
  readonly labels?: Int32Array
}

async function lossAndGradients(
  backend: Backend,
  arrays: Arrays,
  { similarity: kind, temperature }: Case,
  directions: Direction[],
) {
  const width = 32
  const trace = createTrace({ training: true })
  const table = (name: string) => trainedTable(backend, name, [arrays[name]!.length / width, width], arrays[name]!)
  const raw = { query: table('query'), passage: table('passage') }
  const unit = (name: 'query' | 'passage') =>
    kind === 'cosine' ? l2Normalize(trace, raw[name], `${name}.unit`) : raw[name]
  const sides = { query: unit('query'), passage: unit('passage') }
  const loss = stateTensor(backend, 'loss', [1])
  const inputs: Record<string, Int32Array | Float32Array> = {}
  const losses = directions.map(({ from, targets, weights, labels }, i) => {
    const other = from === 'query' ? 'passage' : 'query'
    const rows = weights.length
    const candidates = {
      targets: input(trace, `targets.${i}`, [rows, 3]),
      weights: input(trace, `weights.${i}`, [rows], 'f32'),
    }
    Object.assign(inputs, { [`targets.${i}`]: targets, [`weights.${i}`]: weights })
    const scores = similarity(trace, sides[from], sides[other], temperature, `scores.${i}`)
    if (labels) {
      maskDuplicates(trace, scores, candidates.targets, input(trace, `labels.${i}`, [labels.length]))
      inputs[`labels.${i}`] = labels
    }
    return crossEntropy(trace, scores, candidates, loss, i === 0 ? 0 : 1)
  })
  losses.forEach((each, i) => {
    output(trace, `losses.${i}`, each)
  })
  runTape(trace)
  const program = createProgram(createPlan('loss', trace), createPool(backend))
  await program.run({}, inputs)
  const read = async (tensor: Tensor, count: number) =>
    new Float32Array(await backend.read({ ...tensor.view!, bytes: count * 4 }))
  return {
    loss: (await read(loss, 1))[0]!,
    losses: await Promise.all(directions.map((_, i) => program.read(`losses.${i}`))),
    query: await read(raw.query.gradient!, arrays.query!.length),
    passage: await read(raw.passage.gradient!, arrays.passage!.length),
  }
}

const folder = needs('oracles/losses')
const cases: Record<string, Case> = folder ? JSON.parse(readFileSync(`${folder}/cases.json`, 'utf8')) : {}

async function directionsOf(name: string, arrays: Arrays, path: string): Promise<Direction[]> {
  const [queries, passages] = [arrays.query!.length / 32, arrays.passage!.length / 32]
  const perQuery = passages / queries
  if (name === 'infonce-bidirectional') {
    const half = candidatesOf(queries, 1, true)
    const weights = half.weights.map(weight => weight / 2)
    return [
      { from: 'query', targets: half.targets, weights },
      { from: 'passage', targets: half.targets, weights },
    ]
  }
  const tdro = name.startsWith('tdro')
  const { targets, weights } = candidatesOf(queries, perQuery, !tdro)
  if (tdro) {
    const groups = await readIntegers(path, 'groups')
    const alpha = Array.from(groups, group => arrays.alpha![group]!)
    const total = alpha.reduce((sum, a) => sum + a, 0)
    return [{ from: 'query', targets, weights: Float32Array.from(alpha, a => a / total) }]
  }
  if (!arrays.weights) return [{ from: 'query', targets, weights }]
  const total = arrays.weights.reduce((sum, w) => sum + w, 0)
  return [{ from: 'query', targets, weights: arrays.weights.map(w => w / total) }]
}

const names = [
  'infonce-in-batch',
  'infonce-in-batch-dot',
  'infonce-hard-negatives',
  'infonce-large-scale',
  'infonce-bidirectional',
  'infonce-weighted',
  'tdro-proxy',
  'tdro-proxy-large-scale',
]
for (const backend of await backendsPresent())
  for (const name of names)
    (folder ? test : test.skip)(`${backend.kind}: ${name}`, async () => {
      const path = `${folder}/${cases[name]!.file}`
      const arrays = await readArrays(path)
      const directions = await directionsOf(name, arrays, path)
      const found = await lossAndGradients(backend, arrays, cases[name]!, directions)
      const expected = cases[name]!.loss
      assert.ok(
        Math.abs(found.loss - expected) <= 1e-5 * Math.abs(expected),
        `loss ${found.loss}, expected ${expected}`,
      )
      const rows = arrays.losses ?? arrays['losses.query_to_passage']!
      assert.ok(maxDifference(found.losses[0]!, rows) <= 1e-5 * largest(rows), 'losses of the rows')
      const tolerance = name.endsWith('large-scale') ? 2e-4 : 1e-5
      for (const side of ['query', 'passage'] as const) {
        const gradient = arrays[`grad.${side}`]!
        const error = maxDifference(found[side], gradient) / largest(gradient)
        assert.ok(error <= tolerance, `gradient of ${side} is ${error} off`)
      }
    })
for (const backend of await backendsPresent())
  test(`${backend.kind}: a passage that is there twice is no negative of its own queries`, async () => {
    const wave = (rows: number, seed: number) =>
      Float32Array.from({ length: rows * 32 }, (_, i) => Math.sin(seed * i + 1))
    const settings: Case = { file: '', similarity: 'cosine', temperature: 0.1, loss: 0 }
    const [query, passages] = [wave(3, 0.7), wave(3, 1.3)]
    const at = (row: number) => passages.subarray(row * 32, (row + 1) * 32)
    const twice = Float32Array.of(...at(0), ...at(1), ...at(0), ...at(2), ...at(1), ...at(0))
    const whole = candidatesOf(3, 1, true)
    const once = await lossAndGradients(backend, { query, passage: passages }, settings, [{ from: 'query', ...whole }])
    const targets = Int32Array.of(0, 0, 6, 4, 0, 6, 3, 0, 6)
    const labels = Int32Array.of(7, 8, 7, 9, 8, 7)
    // Each row sees the others' passages as often as they are there: only its own copies are left out.
    const masked = await lossAndGradients(backend, { query, passage: twice }, settings, [
      { from: 'query', targets, weights: whole.weights, labels },
    ])
    const score = (q: number, p: number) => {
      const [a, b] = [query.subarray(q * 32, (q + 1) * 32), at(p)]
      const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0)
      return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)) / 0.1
    }
    const copies = [3, 2, 1]
    const expected = [0, 1, 2].map(q => {
      const sum = [0, 1, 2].reduce((total, p) => total + (p === q ? 1 : copies[p]!) * Math.exp(score(q, p)), 0)
      return Math.log(sum) - score(q, q)
    })
    assert.ok(maxDifference(masked.losses[0]!, Float32Array.from(expected)) < 1e-5)
    assert.ok(maxDifference(once.losses[0]!, masked.losses[0]!) > 1e-2, 'copies of others count')
    const gradient = (row: number) => masked.passage.subarray(row * 32, (row + 1) * 32)
    const [first, copy] = [gradient(2), gradient(5)]
    assert.ok(
      maxDifference(first, copy) < 1e-6 && largest(first) > 1e-4,
      'copies are negatives of the other queries alike',
    )
  })

test('every case of the family is there', () => {
  if (folder) for (const name of names) assert.ok(cases[name], name)
})
test.run()
