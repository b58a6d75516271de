// The kernels of exact search, in the table of kernels.ts.
import { at, type KernelSpec, type Params, read, readInt, spec, u32, units, update, write } from './kernel-spec.js'

/** Channels of a vector that `nearest` has room for. */
export const NEAREST_WIDTH = 16384

export const searchKernels = {
  // The k best of each row of scores (rows, columns), and, unless fresh, of what values and indices (rows, k) hold already: value descending, ties
  // by the lower index; columns are indices first …; NaN counts as −∞. Missing entries are (−∞, −1). k ≤ 1024.
  // What values and indices hold must be as an earlier call left it.
  top_k: {
    tensors: { scores: read, values: update, indices: spec('update', 'i32') },
    params: { rows: u32, columns: u32, k: u32, first: u32, fresh: u32 },
    units: units('rows'),
  },
  // For each slice of corpus (rows, width), ⌈rows / slices⌉ rows rounded up to a multiple of 4, the k rows with the largest dot product with each
  // query (queries, width), and, unless fresh, what values and indices (slices, queries, k) hold already, which must be of lower rows; rows are
  // first …, in the order of top_k. width ≤ NEAREST_WIDTH. A processor's form of matmul and top_k: scores never leave its first cache.
  nearest: {
    tensors: { query: read, corpus: read, values: update, indices: spec('update', 'i32') },
    params: { queries: u32, rows: u32, width: u32, k: u32, slices: u32, first: u32, fresh: u32 },
    units: units('slices'),
    flops: (p: Params) => 2 * at(p, 'queries') * at(p, 'rows') * at(p, 'width'),
    needs: 'wasm',
  },
  // maxsim_forward's scores of dot products, alpha 1, all tokens kept, documents as they are stored: f32 (format FLOAT_FORMAT) or finite f16 (format 0),
  // two to a word, of an even width. A query without tokens has 0. width ≤ MAXSIM_WIDTH.
  maxsim_stored: {
    tensors: {
      query: read,
      document: spec('read', 'u32'),
      queryOffsets: readInt,
      documentOffsets: readInt,
      scores: write,
    },
    params: { queries: u32, columns: u32, queryTokens: u32, documentTokens: u32, width: u32, format: u32 },
    units: units('columns'),
    flops: (p: Params) => 2 * at(p, 'queryTokens') * at(p, 'documentTokens') * at(p, 'width'),
    needs: 'wasm',
  },
} as const satisfies Record<string, KernelSpec>
