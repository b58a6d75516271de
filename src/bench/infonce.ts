// softmax-InfoNCE over so many passages that the matrix of scores is gone through by tiles: losses and gradients of all vectors, checked in f64 at
// sampled queries.
import type { Backend } from '../backend/backend.js'
import type { WebGpuBackend } from '../backend/webgpu/backend.js'
import { tiledCrossEntropy, tileWidth } from '../ops/contrastive-tiles.js'
import { freeTensors, frozenTensor, readTensor, stateTensor } from '../tensor/parameters.js'
import { createPlan, megabytes } from '../tensor/plan.js'
import { createPool, createProgram, poolBytes, releasePool } from '../tensor/program.js'
import type { Tensor } from '../tensor/tensor.js'
import { createTrace, input, output, runTape } from '../tensor/trace.js'
import { comparison, sampled } from './checks.js'
import { uniformValues } from './host.js'
import { placeOf, type Report } from './row.js'
import { milliseconds, takeTurns } from './timing.js'

export interface InfoNceShape {
  readonly queries: number
  readonly passages: number
  readonly width: number
}

const TEMPERATURE = 0.05
/** Tiles of a sixteenth of the passages. */
const TILES = 16
/** Of f32 sums of some thousand terms behind a softmax. */
const TOLERANCE = 1e-4

export async function benchInfoNce(
  backend: Backend,
  shape: InfoNceShape,
  rounds: number,
  report: Report,
): Promise<void> {
  const { queries, passages, width } = shape
  // Lengths of about 1, so that scores lie within some units.
  const vectors = (count: number, seed: number) => uniformValues(count * width, seed).map(x => x * Math.sqrt(3 / width))
  const [q, p] = [vectors(queries, 31), vectors(passages, 32)]
  const tensors = [table(backend, 'q', [queries, width], q), table(backend, 'p', [passages, width], p)] as const
  const pool = createPool(backend)
  const loss = stateTensor(backend, 'loss', [1])
  const own = [loss, ...tensors, ...tensors.map(({ gradient }) => gradient!)]
  try {
    const trace = createTrace({ training: true })
    const candidates = {
      targets: input(trace, 'targets', [queries, 3]),
      weights: input(trace, 'weights', [queries], 'f32'),
    }
    const settings = { temperature: TEMPERATURE, tiling: { tiles: TILES, width: 'W' }, name: 'infonce' }
    output(trace, 'losses', tiledCrossEntropy(trace, ...tensors, candidates, settings, loss, 0))
    runTape(trace)
    const program = createProgram(createPlan('infonce', trace), pool)
    const values = { W: tileWidth(passages, TILES) }
    const inputs = {
      targets: Int32Array.from({ length: 3 * queries }, (_, i) => [Math.floor(i / 3), 0, passages][i % 3]!),
      weights: new Float32Array(queries).fill(1 / queries),
    }
    await program.run(values, inputs)
    const found = { losses: await program.read('losses'), dq: await readTensor(backend, tensors[0].gradient!) }
    const error = errorOf(q, p, shape, found)
    const run = async () => {
      await program.run(values, inputs)
      await backend.finish()
    }
    const { medians } = await takeTurns([() => milliseconds(run)], rounds)
    report({
      name: 'infonce',
      shape: `${queries}×${passages}×${width}`,
      variant:
        backend.kind === 'wasm'
          ? 'simd'
          : await (backend as WebGpuBackend).variantOf('matmul', {
              M: queries,
              N: values.W,
              K: width,
              transposeA: 0,
              transposeB: 1,
            }),
      ...placeOf(backend),
      ...{ verified: error <= TOLERANCE, max_error: error, milliseconds: medians[0]! },
      // Three products; by tiles the first is done twice.
      gflops: (6 * queries * passages * width) / medians[0]! / 1e6,
      note: `forward and backward, ${megabytes(poolBytes(pool))} beside vectors and gradients; the scores would take ${megabytes(4 * queries * passages)}`,
    })
  } finally {
    releasePool(pool)
    freeTensors(backend, own)
  }
}

function table(backend: Backend, name: string, shape: [number, number], data: Float32Array): Tensor {
  return {
    ...frozenTensor(backend, name, shape, data),
    needsGradient: true,
    gradient: stateTensor(backend, `d${name}`, shape),
  }
}

function errorOf(
  q: Float32Array,
  p: Float32Array,
  { queries, passages, width }: InfoNceShape,
  found: { readonly losses: Float32Array; readonly dq: Float32Array },
): number {
  const [losses, gradients] = [comparison(), comparison()]
  for (const i of sampled(queries, 4)) {
    const scores = Array.from({ length: passages }, (_, j) => {
      let sum = 0
      for (let c = 0; c < width; c++) sum += q[i * width + c]! * p[j * width + c]!
      return sum / TEMPERATURE
    })
    const most = scores.reduce((a, b) => Math.max(a, b), -Infinity)
    const lse = most + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), 0))
    losses.add(found.losses[i]!, lse - scores[i]!)
    const shares = scores.map((score, j) => (Math.exp(score - lse) - (j === i ? 1 : 0)) / queries / TEMPERATURE)
    for (let c = 0; c < width; c++)
      gradients.add(
        found.dq[i * width + c]!,
        shares.reduce((sum, share, j) => sum + share * p[j * width + c]!, 0),
      )
  }
  return Math.max(losses.error(), gradients.error())
}
