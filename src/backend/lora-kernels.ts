// The rows of the kernel table that low-rank updates (LoRA, Hu et al. 2021) are made of: up to three products that read one x, each with its own A
// (rank, columns) and B (outputs, rank), ranks 0 and tensors absent where there are fewer; and with a dropout of x of its own, under the keys (key0, key1),
// (key2, key3), (key4, key5), the mask as in `dropout`. `keys` may be absent where threshold is 0. The conventions are those of kernels.ts.
import { rankSum } from './grouped-kernels.js'
import { at, f32, type KernelSpec, optional, type Params, read, u32, units, update, write } from './kernel-spec.js'

/** The most products that one call serves. */
export const LORA_PRODUCTS = 3
/** Columns or rows of a unit of lora_weights. */
export const LORA_COLUMNS = 16

const ranks = { rank0: u32, rank1: u32, rank2: u32 }
const masks = { threshold: u32, scale: f32, key0: u32, key1: u32, key2: u32, key3: u32, key4: u32, key5: u32 }
const flops = (p: Params) => 2 * at(p, 'rows') * at(p, 'columns') * rankSum(p)

export const loraKernels = {
  // down_i (rows, rank_i) = (x · mask_i · scale) A_iᵀ, x (rows, columns); joined, they lie side by side in down0 (rows, Σ ranks)
  lora_down: {
    tensors: {
      ...{ x: read, keys: optional.keys, a0: read, a1: optional.read, a2: optional.read },
      ...{ down0: write, down1: optional.write, down2: optional.write },
    },
    params: { rows: u32, columns: u32, ...ranks, joined: u32, ...masks },
    units: units('rows'),
    flops,
  },
  // dx (rows, columns) = [dx +] Σ_i mask_i · scale · (ddown_i A_i)
  lora_input: {
    tensors: {
      ...{ keys: optional.keys, ddown0: read, ddown1: optional.read, ddown2: optional.read },
      ...{ a0: read, a1: optional.read, a2: optional.read, dx: update },
    },
    params: { rows: u32, columns: u32, ...ranks, accumulate: u32, ...masks },
    units: units('rows'),
    flops,
  },
  // dA (rank, columns) += ddownᵀ (x · mask · scale), dB (outputs, rank) += alpha · dyᵀ down: of one product, in one pass over x and dy; down
  // (rows, rank) are the columns of (rows, downColumns) from downFirst on
  lora_weights: {
    tensors: { dy: read, down: read, ddown: read, x: read, keys: optional.keys, dA: update, dB: update },
    params: {
      ...{ rows: u32, columns: u32, outputs: u32, rank: u32, downColumns: u32, downFirst: u32, alpha: f32 },
      ...{ threshold: u32, scale: f32, key0: u32, key1: u32 },
    },
    units: (p: Params) => Math.ceil(at(p, 'columns') / LORA_COLUMNS) + Math.ceil(at(p, 'outputs') / LORA_COLUMNS),
    flops: (p: Params) => 2 * at(p, 'rows') * at(p, 'rank') * (at(p, 'columns') + at(p, 'outputs')),
  },
} as const satisfies Record<string, KernelSpec>
