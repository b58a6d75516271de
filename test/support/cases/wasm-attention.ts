// Attention on which wasm kernels are split: tiles of several heights, hidden keys, dropout, fewer key heads, windows, biases.
import { NO_LIMIT, type Params } from '../../../src/backend/kernels.js'
import { dropoutParams, tokenKey } from '../../../src/backend/random.js'
import { runReference } from '../../reference/reference.js'
import { offsetsOf, seededValues } from '../values.js'
import { type Case, inF64 } from './wasm-products.js'

const random = seededValues(27)
const dropping = dropoutParams(0.3, 1, 2, 3)
const keeping = dropoutParams(0, 0, 0, 0)

/** Tiles of `tileRows` rows over sequences of these lengths, of which the last key of every second one is hidden. */
function attentionCase(
  lengths: number[],
  tileRows: number,
  heads: number,
  headSize: number,
  drop: object,
  form: { keyValueHeads?: number; before?: number; after?: number; biasRows?: number } = {},
): Case {
  const offsets = offsetsOf(lengths)
  const rows = offsets.at(-1)!
  const tiles = lengths.flatMap((length, s) => {
    const [start, end] = [offsets[s]!, offsets[s + 1]!]
    const firsts = Array.from({ length: Math.ceil(length / tileRows) }, (_, i) => start + i * tileRows)
    return firsts.map(first => [first, start, end, s % 2 ? end - 1 : end, tokenKey(s, 0), 0, 0, 0])
  })
  const size = rows * heads * headSize
  const { keyValueHeads = heads, before = NO_LIMIT, after = NO_LIMIT, biasRows = 0 } = form
  const keySize = rows * keyValueHeads * headSize
  const [q, k, v, dout] = [random.normal(size), random.normal(keySize), random.normal(keySize), random.normal(size)]
  const shape = { rows, tiles: tiles.length, tileRows, heads, keyValueHeads, headSize, before, after, biasRows }
  const params = { ...shape, softmaxScale: headSize ** -0.5, ...drop } as Params
  const statistics = { out: new Float32Array(size), lse: new Float32Array(rows * heads) }
  const bias = random.normal(biasRows * heads)
  const tensors = { q, k, v, tiles: Int32Array.from(tiles.flat()), bias, ...statistics }
  const wide = inF64({ ...tensors })
  runReference('attention_forward', wide, params)
  // lse as the forward pass gives it, else probabilities would exceed 1; delta may be anything
  const stats = Float32Array.of(...wide.lse!, ...new Float32Array(rows * heads).fill(0.1), ...bias)
  const dbias = biasRows ? random.normal(tiles.length * biasRows * heads) : undefined
  return { params, tensors: { ...tensors, dout, stats, dq: q.slice(), dk: k.slice(), dv: k.slice(), dbias } }
}

export const attentions = [
  attentionCase([13, 1, 40, 150, 290], 32, 2, 16, keeping),
  attentionCase([13, 2, 40, 150], 37, 3, 12, dropping),
  attentionCase([7, 64, 9], 5, 1, 20, dropping),
  attentionCase([300], 48, 2, 32, dropping),
  attentionCase([13, 1, 40, 150, 290], 32, 4, 16, keeping, { keyValueHeads: 2, before: 40, after: 0 }),
  attentionCase([13, 2, 40, 150], 37, 3, 12, dropping, { before: 9, after: 5, biasRows: 11 }),
]
