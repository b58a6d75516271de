// Where a model's tensors will lie, decided before any of them is read: what each part takes, and whether it fits.
import type { Backend } from '../backend/backend.js'
import { type Dtype, dtypeBytes } from '../data/dtype.js'
import type { HalfType } from '../tensor/tensor.js'
import { type FrozenBits, quantizedBytes } from './group-quantization.js'
import type { Method, WeightSource } from './load.js'
import type { Adapter } from './peft.js'
import { quantizedNames } from './quantize.js'
import { type ExpectedTensor, linearLayers } from './tensors.js'

/** trained: with a gradient and two moments; half: in the 16 bits of the file; q8, q4: in groups; host: rows are uploaded with each batch. */
export type Place = 'trained' | 'f32' | 'half' | 'int8' | 'q8' | 'q4' | 'host'

/** The formats of 16 bits of files, as tensors name them. */
export const halfTypes: Readonly<Partial<Record<Dtype, HalfType>>> = { F16: 'f16', BF16: 'bf16' }

export interface PlacedTensor extends ExpectedTensor {
  readonly place: Place
  /** Where it lies. */
  readonly bytes: number
}

export interface PlacementOptions {
  readonly int8: boolean
  /** Of the frozen weights of linear layers; absent: as the file has them. */
  readonly frozenBits?: FrozenBits
  /** Widen frozen weights of 16 bits, rather than keep them as the file has them. */
  readonly widen?: boolean
  /** That stands beside the weights. */
  readonly adapter?: Adapter
  /** Whether the word embeddings stay on the host; absent: where the backend could not hold them. */
  readonly wordsOnHost?: boolean
}

export interface MemoryPlan {
  readonly tensors: readonly PlacedTensor[]
  /** Of a low-rank adapter, in the backend; with gradients and moments where it is trained. In bytes. */
  readonly adapter: number
  /** In bytes. */
  readonly backend: number
  readonly host: number
}

const countOf = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1)
const sumOf = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0)

/** Fails, with figures, where a model cannot fit. */
export function planMemory(
  backend: Pick<Backend, 'kind' | 'limits'>,
  source: WeightSource,
  method: Method['kind'],
  options: PlacementOptions,
): MemoryPlan {
  const host = options.wordsOnHost ?? false
  if (host && method === 'full')
    throw new Error(
      'word embeddings that are trained cannot stay on the host; train with LoRA, or leave them to the backend',
    )
  const plan = placed(source, method, options, host)
  const problem = misfit(backend, plan, method)
  if (!problem) return plan
  if (options.wordsOnHost === undefined && method !== 'full') {
    const other = placed(source, method, options, true)
    if (!misfit(backend, other, method)) return other
  }
  throw new Error(problem)
}

function placed(
  source: WeightSource,
  method: Method['kind'],
  { int8, frozenBits, widen, adapter: given }: PlacementOptions,
  wordsOnHost: boolean,
): MemoryPlan {
  const { config } = source
  const grouped = frozenBits ? quantizedNames(config) : new Set<string>()
  const inInt8 = int8 ? quantizedNames(config) : new Set<string>()
  const tensors = source.expected.map((tensor): PlacedTensor => {
    const count = countOf(tensor.shape)
    const dtype = source.stored?.(tensor.name)?.dtype ?? 'F32'
    const isWords = tensor.name === config.form.words
    if (method === 'full') return { ...tensor, place: 'trained', bytes: 16 * count }
    if (inInt8.has(tensor.name)) return { ...tensor, place: 'int8', bytes: count }
    if (frozenBits && grouped.has(tensor.name))
      return { ...tensor, place: `q${frozenBits}`, bytes: quantizedBytes(tensor.shape, frozenBits) }
    if (isWords && wordsOnHost) return { ...tensor, place: 'host', bytes: count * dtypeBytes[dtype] }
    const half = !widen && halfTypes[dtype] !== undefined && (isWords || tensor.linear)
    return half ? { ...tensor, place: 'half', bytes: 2 * count } : { ...tensor, place: 'f32', bytes: 4 * count }
  })
  const adapter = given ? adapterElements(given, source) * (method === 'lora' ? 16 : 4) : 0
  const bytesAt = (host: boolean) =>
    sumOf(tensors.filter(({ place }) => (place === 'host') === host).map(({ bytes }) => bytes))
  return { tensors, adapter, backend: bytesAt(false) + adapter, host: bytesAt(true) }
}

function adapterElements({ targets }: Adapter, { config }: WeightSource): number {
  const sizes = new Map(linearLayers(config).map(({ name, inputs, outputs }) => [name, inputs + outputs]))
  return sumOf([...targets].map(([name, { rank }]) => rank * (sizes.get(name) ?? 0)))
}

const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`
const amount = (bytes: number) => (bytes < 2 ** 29 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : gibibytes(bytes))

/** What does not fit, or undefined. Wasm's memory is one piece of 4 GiB at most; a GPU's is not known, but what it can bind is. */
function misfit({ kind, limits }: Pick<Backend, 'kind' | 'limits'>, plan: MemoryPlan, method: Method['kind']) {
  const bound = ({ place, shape, bytes }: PlacedTensor) =>
    place === 'host' ? 0 : place === 'trained' ? 4 * countOf(shape) : bytes
  const wide = plan.tensors.find(tensor => bound(tensor) > limits.binding)
  if (wide)
    return (
      `${wide.name} [${wide.shape.join(', ')}] takes ${amount(bound(wide))}, but the ${kind} backend binds ` +
      `${amount(limits.binding)} at once; ${method === 'full' ? 'train with LoRA' : 'use another adapter or backend'}`
    )
  if (kind !== 'wasm' || plan.backend <= limits.memory) return undefined
  const elements = sumOf(plan.tensors.map(({ shape }) => countOf(shape)))
  return (
    `the model's ${elements.toLocaleString('en-US')} weights take ${gibibytes(plan.backend)}${method === 'full' ? ' to train' : ''}, but the wasm ` +
    `backend has ${gibibytes(limits.memory)} at most; use --backend webgpu, or a smaller model`
  )
}

/** Worth a line where little is held otherwise. */
export const isLarge = ({ backend, host }: MemoryPlan): boolean => backend >= 2 ** 29 || host > 0

/** On one line, for people. */
export function describeMemory({ tensors, adapter, host }: MemoryPlan): string {
  const at = (place: Place) => sumOf(tensors.filter(each => each.place === place).map(({ bytes }) => bytes))
  const parts: readonly (readonly [string, number])[] = [
    ['weights', at('f32')],
    ['weights in 16 bits', at('half')],
    ['weights in 8 bits', at('int8') + at('q8')],
    ['weights in 4 bits', at('q4')],
    ['trained weights with gradients and moments', at('trained')],
    ['the adapter', adapter],
    ['embeddings on the host', host],
  ]
  return parts.flatMap(([what, bytes]) => (bytes > 0 ? [`${what} ${amount(bytes)}`] : [])).join(', ')
}
