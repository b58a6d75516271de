// MaxSim against PyTorch in f64: scores, losses on them, and gradients with respect to the token vectors.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import { openSafetensors } from '../../src/data/safetensors.js'
import { crossEntropy } from '../../src/ops/contrastive.js'
import { maxSim, ownersOf, scaleRows } from '../../src/ops/maxsim.js'
import { pairwiseSoftmax } from '../../src/ops/pairwise-softmax.js'
import { l2Normalize } from '../../src/ops/pooling.js'
import { freeTensors, frozenTensor, readTensor, stateTensor } from '../../src/tensor/parameters.js'
import { createPlan } from '../../src/tensor/plan.js'
import { createPool, createProgram } from '../../src/tensor/program.js'
import type { Tensor } from '../../src/tensor/tensor.js'
import { backward, createTrace, input, output, runTape, type Trace } from '../../src/tensor/trace.js'
import { candidatesOf } from '../../src/train/contrastive.js'
import { type Arrays, largest, maxDifference, readArrays, readIntegers } from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { needs } from '../support/shared.js'
import { offsetsOf, seededValues } from '../support/values.js'

type Side = 'query' | 'document'
interface Given {
  readonly query: Float32Array
  readonly document: Float32Array
  readonly width: number
  readonly offsets: { readonly query: Int32Array; readonly document: Int32Array }
  readonly keep?: Uint8Array | undefined
  readonly zeros?: boolean
  readonly similarity: 'dot' | 'cosine' | 'l2'
  readonly perQuery?: number
}

/** Runs MaxSim and what `onScores` records on it; then the backward pass. */
async function run(
  backend: Backend,
  given: Given,
  onScores: (trace: Trace, scores: Tensor, loss: Tensor) => Readonly<Record<string, Float32Array | Int32Array>>,
) {
  const { width, offsets, keep, zeros, similarity, perQuery } = given
  const trace = createTrace({ training: true })
  const table = (name: Side): Tensor => {
    const shape = [given[name].length / width, width]
    const gradient = stateTensor(backend, `d${name}`, shape)
    return { ...frozenTensor(backend, name, shape, given[name]), needsGradient: true, gradient }
  }
  const raw = { query: table('query'), document: table('document') }
  const unit = (name: Side) => (similarity === 'cosine' ? l2Normalize(trace, raw[name], `${name}.unit`) : raw[name])
  const side = (name: Side, vectors: Tensor) => ({
    vectors,
    offsets: input(trace, `${name}.offsets`, [offsets[name].length]),
    texts: offsets[name].length - 1,
    tokens: given[name].length / width,
  })
  const tokens = given.document.length / width
  const masked = keep && zeros ? input(trace, 'keep', [tokens], 'f32') : undefined
  const kept = keep && !zeros ? input(trace, 'keep', [tokens]) : undefined
  const documents = masked ? scaleRows(trace, unit('document'), masked, 'masked') : unit('document')
  const query = { ...side('query', unit('query')), owners: input(trace, 'owners', [given.query.length / width]) }
  const scores = maxSim(trace, query, side('document', documents), {
    ...{ similarity: similarity === 'l2' ? 'l2' : 'dot', name: 'scores' },
    ...(perQuery !== undefined && { perQuery }),
    ...(kept && { keep: kept }),
  })
  output(trace, 'scores', scores)
  const loss = stateTensor(backend, 'loss', [1])
  const more = onScores(trace, scores, loss)
  const program = createProgram(createPlan('maxsim', trace), createPool(backend))
  await program.run(
    {},
    {
      ...more,
      ...{ 'query.offsets': offsets.query, 'document.offsets': offsets.document, owners: ownersOf(offsets.query) },
      ...(keep && { keep: zeros ? Float32Array.from(keep) : Int32Array.from(keep) }),
    },
  )
  const found = {
    scores: await program.read('scores'),
    loss: (await readTensor(backend, loss))[0]!,
    query: await readTensor(backend, raw.query.gradient!),
    document: await readTensor(backend, raw.document.gradient!),
  }
  program.release()
  freeTensors(backend, [raw.query, raw.document, raw.query.gradient!, raw.document.gradient!, loss])
  return found
}

const folder = needs('oracles/losses')
const cases: Record<string, { file: string; similarity: 'dot' | 'cosine' | 'l2'; loss: number }> = folder
  ? JSON.parse(readFileSync(`${folder}/cases.json`, 'utf8'))
  : {}

async function givenOf(name: string): Promise<{ given: Given; arrays: Arrays }> {
  const { file, similarity } = cases[name]!
  const path = `${folder}/${file}`
  const arrays = await readArrays(path)
  const opened = await openSafetensors(path)
  const keep = opened.tensors.has('keep') ? await opened.readBytes('keep') : undefined
  await opened.close()
  const offsets = {
    query: await readIntegers(path, 'query_offsets'),
    document: await readIntegers(path, 'document_offsets'),
  }
  const shared = { query: arrays.query!, document: arrays.document!, width: 16, offsets, similarity }
  return { given: { ...shared, keep, zeros: name.endsWith('zero-vectors') }, arrays }
}

function checkGradients(found: Record<Side, Float32Array>, arrays: Arrays): void {
  for (const side of ['query', 'document'] as const) {
    const expected = arrays[`grad.${side}`]!
    const error = maxDifference(found[side], expected) / largest(expected)
    assert.ok(error <= 1e-5, `gradient of ${side} is ${error} off`)
  }
}

const similarities = ['dot', 'cosine', 'cosine-skip', 'l2', 'l2-skip', 'l2-zero-vectors']
const backends = await backendsPresent()
for (const backend of backends) {
  for (const name of similarities.map(each => `maxsim-${each}`))
    (folder ? test : test.skip)(`${backend.kind}: ${name}`, async () => {
      const { given, arrays } = await givenOf(name)
      const upstream = arrays.upstream!
      const found = await run(backend, given, (trace, scores) => {
        backward(trace, scores, input(trace, 'upstream', scores.shape, 'f32'))
        return { upstream }
      })
      assert.ok(maxDifference(found.scores, arrays.scores!) <= 1e-5 * largest(arrays.scores!), 'scores')
      checkGradients(found, arrays)
    })

  for (const name of ['colbert-pairwise-cosine', 'colbert-pairwise-l2'])
    (folder ? test : test.skip)(`${backend.kind}: ${name}`, async () => {
      const { given, arrays } = await givenOf(name)
      const rows = given.offsets.query.length - 1
      const found = await run(backend, { ...given, perQuery: 2 }, (trace, scores, loss) => {
        pairwiseSoftmax(trace, scores, { weights: input(trace, 'weights', [rows], 'f32'), loss, accumulate: 0 })
        runTape(trace)
        return { weights: new Float32Array(rows).fill(1 / rows) }
      })
      assert.ok(maxDifference(found.scores, arrays.pairs!) <= 1e-5 * largest(arrays.pairs!), 'scores of pairs')
      const expected = cases[name]!.loss
      assert.ok(
        Math.abs(found.loss - expected) <= 1e-5 * Math.abs(expected),
        `loss ${found.loss}, expected ${expected}`,
      )
      checkGradients(found, arrays)
    })

  test(`${backend.kind}: in-batch negatives, its gradient by differences`, async () => {
    const random = seededValues(77)
    const [width, lengths] = [6, { query: [3, 1, 4], document: [5, 2, 7, 1, 3, 4] }]
    const offsets = { query: offsetsOf(lengths.query), document: offsetsOf(lengths.document) }
    const vectors = { query: random.normal(8 * width), document: random.normal(22 * width) }
    const { targets, weights } = candidatesOf(3, 2, true)
    const loss = (given: typeof vectors) =>
      run(backend, { ...given, width, offsets, similarity: 'cosine' }, (trace, scores, to) => {
        const candidates = { targets: input(trace, 'targets', [3, 3]), weights: input(trace, 'weights', [3], 'f32') }
        crossEntropy(trace, scores, candidates, to, 0)
        runTape(trace)
        return { targets, weights }
      })
    const found = await loss(vectors)
    for (const side of ['query', 'document'] as const)
      for (const at of [0, 7, 29, 41]) {
        const moved = async (by: number) => {
          const values = vectors[side].map((value, i) => (i === at ? value + by : value))
          return (await loss({ ...vectors, [side]: values })).loss
        }
        const slope = ((await moved(4e-3)) - (await moved(-4e-3))) / 8e-3
        assert.ok(Math.abs(found[side][at]! - slope) < 2e-3, `${side} ${at}: ${found[side][at]}, expected ${slope}`)
      }
  })
}

test('the tokens of each query', () => {
  assert.equal(ownersOf(Int32Array.of(0, 2, 2, 5)), Int32Array.of(0, 0, 2, 2, 2))
})
test.run()
