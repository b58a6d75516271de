// Gradients of each domain's mean loss with regard to the linear weights of the last two layers, for weightings that look at their cosines (CGD, COCO-DR:
// Piratla et al. 2022, Yu et al. 2022). A query's loss reaches no other query's rows where its candidates are its own, so no pass is made for each
// domain: in the one backward pass dW_g = Σ over the domain's rows of dy xᵀ is summed beside dW, G = Σ_W ⟨dW_g, dW_h⟩ after the step's last micro-batch.
import type { Backend } from '../../backend/backend.js'
import type { PackedBatch } from '../../model/batch.js'
import type { Encoder } from '../../model/encoder.js'
import { freeTensors, readTensor, stateTensor } from '../../tensor/parameters.js'
import type { HostArray } from '../../tensor/program.js'
import type { Tensor, Values } from '../../tensor/tensor.js'
import { call, input, type Trace } from '../../tensor/trace.js'
import type { ContrastiveBatch } from '../contrastive.js'

/** Layers from the end whose gradients count. */
const LAYERS = 2

export interface DomainGradients {
  /** Of what is summed, in bytes. */
  readonly bytes: number
  /** In a trace that has a backward pass, before its forward pass: what the encoder with this prefix sums beside its gradients. */
  declare(trace: Trace, prefix: string): void
  /** What a whole side or a chunk of it gives; `domains`: of its sequences. */
  arrays(prefix: string, batch: PackedBatch, domains: Int32Array): { values: Values; inputs: Record<string, HostArray> }
  /** What turns weighted sums of this micro-batch's losses into its part of the domains' mean losses over the step. */
  factors(batch: ContrastiveBatch, step: readonly ContrastiveBatch[]): Values
  /** The products of the domains' gradients, and zeros in their place. */
  recordProducts(trace: Trace): void
  /** (domains, domains), as the last recorded products left it. */
  readProducts(): Promise<number[][]>
  release(): void
}

interface Summed {
  readonly weight: Tensor // (out, in)
  /** (domains, out · in), rows filled up to 256 bytes with zeros */
  readonly all: Tensor
  /** Rows of `all` in the weight's shape. */
  readonly parts: readonly Tensor[]
}

const domainsOf = ({ domains }: ContrastiveBatch): Int32Array => {
  if (domains) return domains
  throw new Error('gradients by domain need the domain of each query, and the batch has none')
}

/** The domains of all sequences of a side: of queries, of passages, or of queries and then passages. */
export function sequenceDomains(batch: ContrastiveBatch, prefix: string): Int32Array {
  const queries = domainsOf(batch)
  const perQuery = (batch.passage.offsets.length - 1) / queries.length
  const passages = Int32Array.from({ length: queries.length * perQuery }, (_, i) => queries[Math.floor(i / perQuery)]!)
  if (prefix === 'q.') return queries
  return prefix === 'p.' ? passages : Int32Array.from([...queries, ...passages])
}

/** `encoders` by their prefixes. Fails where none of their last layers is trained, or where the backend cannot bind a weight's sums. */
export function createDomainGradients(
  backend: Backend,
  domains: number,
  encoders: ReadonlyMap<string, Encoder>,
): DomainGradients {
  const indices = Array.from({ length: domains }, (_, g) => g)
  const summed = new Map([...encoders].map(([prefix, encoder]) => [prefix, lastWeights(encoder)] as const))
  const made: Tensor[] = []
  const sums = new Map<string, Summed[]>()
  try {
    for (const [prefix, weights] of summed)
      sums.set(
        prefix,
        weights.map(weight => sumOf(backend, weight, domains, made)),
      )
    if (made.length === 0)
      throw new Error(
        `none of the last ${LAYERS} layers is trained, but the weights of the domains need their gradients`,
      )
    made.push(stateTensor(backend, 'domain.products', [domains, domains]))
  } catch (error) {
    freeTensors(backend, made)
    throw error
  }
  const products = made.at(-1)!
  const all = [...sums.values()].flat()
  return {
    bytes: made.reduce((sum, { view }) => sum + view!.bytes, 0),
    declare(trace, prefix) {
      const rows = indices.map(g => input(trace, `${prefix}domain.${g}`, [`${prefix}domain.rows.${g}`]))
      const factor = (g: number) => (values: Values) =>
        values[`${prefix}domain.present.${g}`]! * values[`domain.factor.${g}`]!
      for (const { weight, parts } of sums.get(prefix)!)
        trace.rowGroups.set(
          weight,
          indices.map(g => ({ rows: rows[g]!, factor: factor(g), gradient: parts[g]! })),
        )
    },
    arrays: (prefix, batch, of) => rowArrays(prefix, batch, of, domains),
    factors(batch, step) {
      const factor = (g: number) => {
        const [count, total] = [countOf([batch], g), weightOf(batch, g)]
        return total > 0 ? count / total / countOf(step, g) : 0
      }
      return Object.fromEntries(indices.map(g => [`domain.factor.${g}`, factor(g)]))
    },
    recordProducts(trace) {
      for (const [i, { all: x }] of all.entries()) {
        const K = x.shape[1] as number
        const shape = { M: domains, N: domains, K, transposeA: 0, transposeB: 1, hasBias: 0, alpha: 1 }
        const tensors = { a: x, b: x, bias: undefined, c: products }
        call(trace, 'matmul', tensors, { ...shape, accumulate: i === 0 ? 0 : 1 })
        call(trace, 'fill', { x }, { count: domains * K, value: 0 })
      }
    },
    async readProducts() {
      const flat = Array.from(await readTensor(backend, products))
      return indices.map(g => flat.slice(g * domains, (g + 1) * domains))
    },
    release: () => freeTensors(backend, made),
  }
}

/** The trained factors of the linear layers of the last layers. */
function lastWeights({ config, weights, adapter }: Encoder): Tensor[] {
  const { form, layers } = config
  const last = Array.from({ length: Math.min(LAYERS, layers) }, (_, i) => layers - 1 - i)
  const names = last.flatMap(i => Object.values(form.linears).map(({ name }) => `${form.layer}.${i}.${name}`))
  return names.flatMap(name => {
    const low = adapter?.updates.get(name)
    return [weights(`${name}.weight`), ...(low ? [low.A, low.B] : [])].filter(tensor => tensor.needsGradient)
  })
}

function sumOf(backend: Backend, weight: Tensor, domains: number, made: Tensor[]): Summed {
  const elements = (weight.shape as readonly number[]).reduce((product, n) => product * n, 1)
  const row = Math.ceil(elements / 64) * 64
  const bytes = domains * row * 4
  if (bytes > backend.limits.binding)
    throw new Error(
      `the gradients of ${weight.name} by domain take ${bytes} bytes for ${domains} domains, and this backend binds at most ` +
        `${backend.limits.binding}; learn the weights with tdro.method = "lora"`,
    )
  const all = stateTensor(backend, `domain.${weight.name}`, [domains, row])
  made.push(all)
  const { memory, offset } = all.view!
  const parts = Array.from({ length: domains }, (_, g) => ({
    ...all,
    name: `domain.${g}.${weight.name}`,
    shape: weight.shape,
    view: { memory, offset: offset + g * row * 4, bytes: elements * 4 },
  }))
  return { weight, all, parts }
}

/** Rows of tokens by the domain of their sequence. A domain without any has the first row, which then counts 0 times. */
function rowArrays(prefix: string, { offsets }: PackedBatch, of: Int32Array, domains: number) {
  const rows: number[][] = Array.from({ length: domains }, () => [])
  for (let b = 0; b + 1 < offsets.length; b++) for (let t = offsets[b]!; t < offsets[b + 1]!; t++) rows[of[b]!]!.push(t)
  const values: Record<string, number> = {}
  const inputs: Record<string, HostArray> = {}
  for (const [g, own] of rows.entries()) {
    values[`${prefix}domain.rows.${g}`] = Math.max(1, own.length)
    values[`${prefix}domain.present.${g}`] = own.length > 0 ? 1 : 0
    inputs[`${prefix}domain.${g}`] = Int32Array.from(own.length > 0 ? own : [0])
  }
  return { values, inputs }
}

const countOf = (batches: readonly ContrastiveBatch[], domain: number): number =>
  batches.reduce((sum, batch) => sum + domainsOf(batch).filter(each => each === domain).length, 0)

const weightOf = (batch: ContrastiveBatch, domain: number): number =>
  batch.weights.reduce((sum, weight, i) => sum + (domainsOf(batch)[i] === domain ? weight : 0), 0)
