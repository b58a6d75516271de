// Attention by matrix units beside attention in f32 on the same device: a driver that offers the units and computes wrongly with them is found out
// before anything is trained.
import { type Backend, wholeView } from '../backend.js'
import { type KernelName, NO_LIMIT, type Params, TILE_STRIDE } from '../kernels.js'
import type { TunedBackend, VariantTest } from './first-use.js'
import { type Variant, variants } from './variants.js'

const BIAS = 'attention_backward_q_bias'
const kernels = ['attention_forward', 'attention_backward_q', BIAS, 'attention_backward_kv'] as const
type Attention = (typeof kernels)[number]

/** Of the largest value: f16 has 11 bits, and what a wrong lane gives is off by all of it. */
const TOLERANCE = 0.02
/** Of sums in another order. */
const TOLERANCE_F32 = 1e-4
/** More than a block of 32 rows, in part of a second one. */
const ROWS = 45
const HEADS = 2
const BIAS_ROWS = 3

/** Of those in vectors of four, and of those with matrix units; both beside f32 in single elements. */
export function attentionTests({
  backend,
  force,
  wanted = kernel => variants[kernel],
}: TunedBackend): readonly VariantTest[] {
  const testsOf = (kernel: KernelName, form: Attention) => {
    const passes = async ({ name, header, matrices }: Variant) => {
      const headSize = Number(header!.CHANNELS)
      force(`${form}_${headSize}`)
      const expected = await resultsOf(backend, form, form, headSize)
      force(name)
      const found = await resultsOf(backend, kernel, form, headSize)
      return found.every((values, i) => near(values, expected[i]!, matrices ? TOLERANCE : TOLERANCE_F32))
    }
    return wanted(kernel)
      .filter(({ matrices, hardware }) => matrices || hardware)
      .map(variant => ({ kernel, variant, passes: () => passes(variant) }))
  }
  const mixed = kernels.flatMap(kernel => testsOf(`${kernel}_f16`, kernel))
  return [...kernels.flatMap(kernel => testsOf(kernel, kernel)), ...mixed]
}

/** Names of the variants whose results are not those of f32. `only`: those that are asked about; default: all with matrix units. */
export async function wrongAttention(tuned: TunedBackend, only?: readonly string[]): Promise<string[]> {
  const wrong: string[] = []
  for (const { variant, passes } of attentionTests(tuned))
    if ((!only || only.includes(variant.name)) && !(await passes())) wrong.push(variant.name)
  return wrong
}

function near(found: Float32Array, expected: Float32Array, tolerance: number): boolean {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  return largest > 0 && found.every((value, i) => Math.abs(value - expected[i]!) <= tolerance * largest)
}

/** What a kernel writes, over one sequence of values that differ from place to place. */
async function resultsOf(backend: Backend, kernel: KernelName, form: Attention, headSize: number) {
  const width = HEADS * headSize
  const vectors = (seed: number) => Float32Array.from({ length: ROWS * width }, (_, i) => Math.sin(seed * (i + 1)))
  const tiles = new Int32Array(TILE_STRIDE)
  tiles.set([0, 0, ROWS, ROWS])
  const [q, k, v, dout] = [vectors(0.37), vectors(0.71), vectors(1.13), vectors(1.91)]
  // Near what log Σ exp is of scores of about 0, no delta, and a bias of zeros.
  const stats = new Float32Array((2 * ROWS + BIAS_ROWS) * HEADS).fill(Math.log(ROWS), 0, ROWS * HEADS)
  const out = () => new Float32Array(ROWS * width)
  const given = {
    attention_forward: { read: [q, k, v, tiles, undefined], written: [out(), new Float32Array(ROWS * HEADS)] },
    attention_backward_q: { read: [q, k, v, out(), dout, stats, tiles], written: [out()] },
    [BIAS]: { read: [q, k, v, dout, stats, tiles], written: [out(), new Float32Array(BIAS_ROWS * HEADS)] },
    attention_backward_kv: { read: [q, k, v, dout, stats, tiles], written: [out(), out()] },
  }[form]
  const place = (data: Float32Array | Int32Array | undefined) => {
    if (!data) return undefined
    const view = wholeView(backend.allocate(data.byteLength, 'attention check'))
    backend.write(view, data)
    return view
  }
  const [read, written] = [given.read.map(place), given.written.map(place)]
  const prepared = await backend.prepare([{ kernel, views: [...read, ...written] }])
  try {
    backend.run(prepared, [paramsOf(headSize, form === BIAS ? BIAS_ROWS : 0)])
    const results = written.flatMap(view => (view ? [backend.read(view)] : []))
    return (await Promise.all(results)).map(bytes => new Float32Array(bytes))
  } finally {
    prepared.release()
    for (const view of [...read, ...written]) if (view) backend.free(view.memory)
  }
}

const paramsOf = (headSize: number, biasRows: number): Params => ({
  ...{ rows: ROWS, tiles: 1, tileRows: ROWS, heads: HEADS, keyValueHeads: HEADS, headSize },
  ...{ softmaxScale: 1 / Math.sqrt(headSize), before: NO_LIMIT, after: NO_LIMIT, biasRows },
  ...{ threshold: 0, scale: 1, key0: 0, key1: 0 },
})
