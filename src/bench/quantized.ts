// Products of a frozen layer whose weights are held in 8 or 4 bits: made of random ones, checked against f64 over what the codes stand for.
import type { KernelName } from '../backend/kernels.js'
import { emptyQuantized, type FrozenBits, quantizeRow, standIns } from '../model/group-quantization.js'
import { uniformValues } from './host.js'
import type { KernelCase } from './kernel-cases.js'
import { checkProduct, product } from './products.js'

/** x Wᵀ with W (N, K) in so many bits. */
export function quantizedProduct(bits: FrozenBits, M: number, N: number, K: number): KernelCase {
  const plain = product('NT', M, N, K)
  const weights = () => uniformValues(N * K, 2)
  return {
    ...plain,
    name: `${plain.name} ${bits} bits`,
    kernel: 'matmul_quantized' satisfies KernelName,
    params: { ...plain.params, bits },
    tensors: () => {
      const values = weights()
      const made = emptyQuantized([N, K], bits)
      const loss = { squared: 0, total: 0 }
      for (let n = 0; n < N; n++) quantizeRow(values.subarray(n * K, (n + 1) * K), n, bits, made, loss, 'b')
      return { b: made.codes, groups: made.groups, bias: undefined }
    },
    check: (before, after, params) => checkProduct({ ...before, b: standIns(weights(), [N, K], bits) }, after, params),
  }
}
