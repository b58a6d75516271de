// Whether a variant of a product computes rightly on this adapter: against sums on the host, exactly.
import { type Backend, wholeView } from '../backend.js'
import { FLOAT_FORMAT, type Params } from '../kernels.js'
import type { TunedBackend, VariantTest } from './first-use.js'
import { type Variant, variants } from './variants.js'

/** Products whose variants are measured. */
export type Product = 'matmul' | 'matmul_f16'

export const form = { accumulate: 0, hasBias: 0, alpha: 1 }

export const ofKernel = (params: Params, kernel: Product): Params =>
  kernel === 'matmul' ? params : { ...params, format: FLOAT_FORMAT }

/** Of every variant but the plain one, by which the adapter was taken. */
export const productTests = (
  { backend, force, wanted = kernel => variants[kernel] }: TunedBackend,
  kernel: Product,
): readonly VariantTest[] => {
  let known: Reference | undefined
  return wanted(kernel)
    .slice(0, -1)
    .map(variant => ({
      ...{ kernel, variant },
      passes: () => {
        force(variant.name)
        known ??= createReference()
        return computesRightly(backend, variant.name, kernel, known)
      },
    }))
}

const [M, N, K] = [76, 140, 1020] // such that every share of split terms has some
/** Every so many elements are compared. */
const EVERY = 17
const FORMS = [
  [0, 1],
  [0, 0],
  [1, 0],
  [1, 1],
] as const

interface Reference {
  readonly a: Float32Array
  readonly b: Float32Array
  /** Of each of FORMS, every 17th element of the product. */
  readonly products: readonly Float32Array[]
}

/** Small whole numbers, whose sums are exact in any order. */
function createReference(): Reference {
  const a = Float32Array.from({ length: M * K }, (_, i) => (i % 13) - 6)
  const b = Float32Array.from({ length: K * N }, (_, i) => (i % 7) - 3)
  const products = FORMS.map(([transposeA, transposeB]) =>
    Float32Array.from({ length: Math.ceil((M * N) / EVERY) }, (_, i) => {
      const [m, n] = [Math.floor((i * EVERY) / N), (i * EVERY) % N]
      let sum = 0
      for (let k = 0; k < K; k++) sum += a[transposeA ? k * M + m : m * K + k]! * b[transposeB ? n * K + k : k * N + n]!
      return sum
    }),
  )
  return { a, b, products }
}

/** A variant that is forced, in every form that it can do. */
export async function computesRightly(
  backend: Backend,
  name: string,
  kernel: Product = 'matmul',
  { a, b, products } = createReference(),
): Promise<boolean> {
  const variant: Variant = (variants[kernel] as readonly Variant[]).find(each => each.name === name)!
  const views = [a, b, new Float32Array(M * N)].map(data => {
    const view = wholeView(backend.allocate(data.byteLength, 'tuning check'))
    backend.write(view, data)
    return view
  })
  const prepared = await backend.prepare([{ kernel, views: [views[0], views[1], undefined, views[2]] }])
  try {
    for (const [i, [transposeA, transposeB]] of FORMS.entries()) {
      const params = ofKernel({ ...form, M, N, K, transposeA, transposeB }, kernel)
      if (variant.can && !variant.can(params)) continue
      backend.run(prepared, [params])
      const found = new Float32Array(await backend.read(views[2]!))
      if (!products[i]!.every((value, j) => found[j * EVERY] === value)) return false
    }
    return true
  } finally {
    prepared.release()
    for (const { memory } of views) backend.free(memory)
  }
}
