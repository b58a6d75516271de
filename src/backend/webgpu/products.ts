// The variants of the products: see variants.ts.
import { groupedColumns, groupedTerms } from '../grouped-kernels.js'
import { FLOAT_FORMAT, type KernelName, type Params } from '../kernels.js'
import { SCRATCH_BYTES, type Target, type Variant } from './variants.js'

const at = (p: Params, name: string): number => p[name] ?? 0
const tiles = (p: Params, tileM: number, tileN: number) => Math.ceil(at(p, 'M') / tileM) * Math.ceil(at(p, 'N') / tileN)

/** What a product is of, in elements and in vectors of four. */
const ELEMENTS = ['common/product', 'common/product_scalar', 'common/matmul']
const ROWS = ['common/product', 'common/product_rows']
const VECTORS = [...ROWS, 'common/product_vector', 'common/write_vector']

/** A workgroup computes a tile of c, an invocation some rows and columns of it. */
const matmul = (
  tile: readonly [number, number],
  thread: readonly [number, number],
  when?: Variant['when'],
  files: readonly string[] = [...ELEMENTS, 'matmul'],
  f16?: true,
): Variant => ({
  name: `${f16 ? 'matmul_f16' : files.at(-1)}_${tile[0]}x${tile[1]}`,
  files,
  header: {
    ...{ TILE_M: tile[0], TILE_N: tile[1], TILE_K: 16, THREAD_M: thread[0], THREAD_N: thread[1] },
    TileElement: f16 ? 'f16' : 'f32',
  },
  ...(f16 && { f16 }),
  ...(when && { when }),
  workgroups: p => tiles(p, tile[0], tile[1]),
})

/** Whole vectors of four in every row of a, b and c. */
const inVectors = (p: Params): boolean =>
  at(p, 'N') % 4 === 0 && at(p, p.transposeA ? 'M' : 'K') % 4 === 0 && (!p.transposeB || at(p, 'K') % 4 === 0)

/** The terms of each tile are shared among so many workgroups. */
const SPLITS = 16

/** A tile in vectors, the next one read meanwhile. `split`: with a second dispatch that adds partial sums. */
function matmulVec4(
  tile: readonly [number, number, number],
  thread: readonly [number, number],
  split: boolean,
  when: Variant['when'],
  files: readonly string[] = ['common/matmul_vec4', 'matmul_vec4'],
  f16?: true,
): Variant {
  const [TILE_M, TILE_N, TILE_K] = tile
  const splits = split ? SPLITS : 1
  const name = `${f16 ? 'matmul_f16_vec4' : files.at(-1)}_${TILE_M}x${TILE_N}${split ? '_split' : ''}`
  return {
    name,
    files: [...VECTORS, ...files],
    header: {
      ...{ TILE_M, TILE_N, TILE_K, THREAD_M: thread[0], THREAD_N: thread[1], SPLITS: splits },
      TileElement: f16 ? 'f16' : 'f32',
    },
    ...(f16 && { f16, ...(!split && TILE_M > 16 && TILE_N > 16 && { unlessMatrices: true }) }),
    can: p => inVectors(p) && (!split || 4 * SPLITS * at(p, 'M') * at(p, 'N') <= SCRATCH_BYTES),
    ...(when && { when }),
    hardware: true,
    workgroups: p => splits * tiles(p, TILE_M, TILE_N),
    ...(split && {
      second: {
        name: `${name}_sum`,
        files: ['matmul_sum'],
        header: { SPLITS },
        constants: { WORKGROUP_SIZE: 64 },
        workgroups: (p: Params) => Math.ceil((at(p, 'M') * at(p, 'N')) / 256),
      },
    }),
  }
}

const many = (p: Params, tileM: number, tileN: number) => tiles(p, tileM, tileN) >= 128
/** So few tiles and so many terms that most of a GPU would have nothing to do. */
const deep = (p: Params, tileM: number, tileN: number) => tiles(p, tileM, tileN) < 64 && at(p, 'K') >= 1024

/** So many workgroups keep a large GPU busy; a processor needs one a core. */
const enough = (target: Target) => (target.software ? 2 : 128)

/** In vectors of four, whatever b's numbers are read from. */
const vectorTiles = (files?: readonly string[], f16?: true): Variant[] => [
  matmulVec4([16, 128, 8], [4, 4], false, p => at(p, 'M') <= 16, files, f16),
  matmulVec4([128, 16, 8], [4, 4], false, p => at(p, 'N') <= 16, files, f16),
  matmulVec4([128, 128, 8], [8, 8], false, p => many(p, 128, 128), files, f16),
  matmulVec4([128, 64, 8], [8, 8], false, p => many(p, 128, 64), files, f16),
  matmulVec4([64, 64, 16], [8, 4], false, p => many(p, 64, 64), files, f16),
  matmulVec4([32, 64, 16], [4, 4], false, undefined, files, f16),
]

/** A few rows, such as one query's tokens, by a narrow weight. */
const fewRowsSplit = (files?: readonly string[], f16?: true): Variant =>
  matmulVec4([16, 64, 16], [4, 4], true, p => deep(p, 16, 64) && at(p, 'M') <= 16, files, f16)

/** Gradients of small weights over many tokens, too. */
const splitTiles = (files?: readonly string[], f16?: true): Variant[] => [
  matmulVec4([64, 64, 16], [8, 4], true, p => deep(p, 64, 64) && at(p, 'M') > 16 && at(p, 'N') > 16, files, f16),
  fewRowsSplit(files, f16),
  matmulVec4([64, 16, 16], [4, 4], true, p => deep(p, 64, 16) && at(p, 'N') <= 16, files, f16),
]

/**
 * Twice the terms of a tile in workgroup memory that large cards have: half the barriers, half the places to work out a product, and a block to read for every
 * invocation, where the tile of 8 terms has one for every other. Taken where it was measured.
 */
const deepTile: Variant = {
  ...matmulVec4([128, 128, 16], [8, 8], false, () => false),
  name: 'matmul_vec4_128x128x16',
  workgroupMemory: 4 * 2 * 16 * (128 + 128),
}

const EITHER = ['common/half', 'common/either_vector']
const EITHER_VECTORS = [...EITHER, 'common/matmul_vec4', 'matmul_half_vec4']
const halfFiles = [...EITHER, 'common/half_vector']
const HALF_VECTORS = ['common/half', 'common/half_vector', 'common/matmul_vec4', 'matmul_half_vec4']
const QUANTIZED_VECTORS = ['common/quantized', 'common/quantized_vector', 'common/matmul_vec4', 'matmul_quantized_vec4']

/** In tiles of 32 × 32 and larger ones, by the sizes of c. */
const tiled = (files: readonly string[], f16?: true): Variant[] => [
  matmul([64, 16], [8, 4], p => at(p, 'N') <= 16, files, f16),
  matmul([16, 64], [4, 8], p => at(p, 'M') <= 16, files, f16),
  matmul([64, 64], [8, 8], (p, target) => tiles(p, 64, 64) >= enough(target), files, f16),
  matmul([32, 32], [4, 4], undefined, files, f16),
]

const MATRICES = ['common/subgroup_matrix']

/** By matrix units, four subgroups a workgroup. */
const subgroupMatmul = (
  tile: number,
  when: Variant['when'],
  files: readonly string[],
  top = 'matmul_subgroup',
): Variant => ({
  name: `matmul_subgroup_${tile}x${tile}`,
  files: [...files, ...MATRICES, ...ROWS, 'common/write_vector', 'common/matmul_subgroup', top],
  header: { TILE_M: tile, TILE_N: tile, WAVES_M: 2, WAVES_N: 2 },
  f16: true,
  matrices: true,
  // Both tiles of f16, and a matrix of sums for each subgroup
  workgroupMemory: 2 * 2 * tile * (32 + 8) + 4 * 4 * 16 * 20,
  can: inVectors,
  ...(when && { when }),
  workgroups: p => tiles(p, tile, tile),
})

const subgroupTiles = (files: readonly string[], top?: string): Variant[] => [
  subgroupMatmul(128, (p, target) => target.matrices && many(p, 128, 128), files, top),
  subgroupMatmul(64, (p, target) => target.matrices && at(p, 'M') > 16 && at(p, 'N') > 16, files, top),
]

/** Of each product of the kernel table. Large tiles reuse more; small ones make more workgroups and waste less at the edges. */
const plainProducts = {
  matmul: [...splitTiles(), ...vectorTiles(), deepTile, ...tiled([...ELEMENTS, 'matmul'])],
  matmul_half: [
    fewRowsSplit(HALF_VECTORS),
    ...vectorTiles(HALF_VECTORS),
    ...tiled(['common/half', ...ELEMENTS, 'matmul_half']),
  ],
  matmul_quantized: [
    ...vectorTiles(QUANTIZED_VECTORS),
    ...tiled(['common/quantized', ...ELEMENTS, 'matmul_quantized']),
  ],
  matmul_f16: [
    ...subgroupTiles(EITHER),
    ...splitTiles(EITHER_VECTORS, true),
    ...vectorTiles(EITHER_VECTORS, true),
    ...tiled(['common/half', ...ELEMENTS, 'matmul_f16'], true),
  ],
  // In the same tiles and under the same names, since the same is best and the same may be refused
  matmul_f16_quantized: [
    ...subgroupTiles(['common/quantized', 'common/quantized_vector'], 'matmul_quantized_subgroup'),
    ...vectorTiles(QUANTIZED_VECTORS, true),
    ...tiled(['common/quantized', ...ELEMENTS, 'matmul_quantized'], true),
  ],
}

const isInVectors = ({ files }: Variant): boolean => files.includes('common/write_vector')

/** Those of a plain product with an epilogue: named as they are, since the same is best and the same may be refused. */
const withEpilogue = (list: readonly Variant[]): Variant[] =>
  list.map(variant => {
    const top = variant.files.at(-1)!
    const inVectors = isInVectors(variant)
    const width = inVectors ? 'vector' : 'scalar'
    const cells = [width, `activation_${width}`, `low_rank_${width}`].map(name => `common/${name}`)
    const finishing = ['common/activation', ...cells, 'common/epilogue']
    const { can = () => true, second } = variant
    return {
      ...variant,
      files: [...finishing, 'common/epilogue_tile', ...variant.files.slice(0, -1), `${top}_epilogue`],
      ...(inVectors && { can: (p: Params) => can(p) && at(p, 'rank') % 4 === 0 }),
      ...(second && {
        second: { ...second, files: [...finishing, 'common/write_vector', 'matmul_sum_epilogue'] },
      }),
    }
  })

/** A group of products as one: its columns side by side, or its terms one after the other. */
const asGroup = (p: Params): Params => ({ M: p.M!, N: groupedColumns(p), K: p.K!, transposeA: 0, transposeB: 1 })
const asSum = (p: Params): Params => ({ M: p.M!, N: p.N!, K: groupedTerms(p), transposeA: 0, transposeB: 0 })

/** The two lowest bits of all numbers that say how long a group's rows are. */
const groupBits = (p: Params): number =>
  at(p, 'K') | at(p, 'N0') | at(p, 'N1') | at(p, 'N2') | at(p, 'rank0') | at(p, 'rank1') | at(p, 'rank2')
const sumBits = (p: Params): number => at(p, 'N') | at(p, 'K0') | at(p, 'K1') | at(p, 'K2')

/** Factors of 32 bits and of 16 are one kernel's in groups. */
const ofEither: readonly Variant[] = [
  ...[...plainProducts.matmul, ...plainProducts.matmul_half].filter(isInVectors),
  ...plainProducts.matmul.filter(variant => !isInVectors(variant)),
]

/** Of a group of products, or of a sum of them, in the same tiles and under the same names as one. */
const grouped = (list: readonly Variant[], sum: boolean): Variant[] =>
  list
    .filter(({ second }) => !second)
    .map(variant => {
      const { when, header, matrices } = variant
      const [own, top, as, bits] = sum
        ? (['common/grouped_sum', 'matmul_grouped_sum', asSum, sumBits] as const)
        : (['common/grouped', 'matmul_grouped', asGroup, groupBits] as const)
      const vectors = isInVectors(variant)
      const half = variant.files.includes('common/half')
      const cells = vectors ? 'vector' : 'scalar'
      const finishing = [`common/${cells}`, 'common/activation', `common/activation_${cells}`]
      const core = matrices
        ? [...EITHER, ...MATRICES, `${own}_vector`, 'common/matmul_subgroup', `${top}_subgroup`]
        : vectors
          ? [
              ...variant.files.filter(file => halfFiles.includes(file)),
              `${own}_vector`,
              'common/matmul_vec4',
              `${top}${half ? '_half' : ''}_vec4`,
            ]
          : ['common/half', 'common/matmul', top]
      const either = variant.files.includes('common/either_vector')
      const takes = (p: Params) => either || (at(p, 'format') === FLOAT_FORMAT) !== half
      const [tileM, tileN] = [header!.TILE_M as number, header!.TILE_N as number]
      return {
        ...variant,
        files: [...(sum ? [] : finishing), own, ...core],
        ...(vectors && { can: p => takes(p) && bits(p) % 4 === 0 }),
        ...(when && { when: (p, target) => when(as(p), target) }),
        // Of a gated group a tile has half its columns from each product.
        workgroups: p => Math.ceil(at(p, 'M') / tileM) * Math.ceil(at(as(p), 'N') / (p.gated ? tileN / 2 : tileN)),
      }
    })

export const products = {
  ...plainProducts,
  matmul_grouped: grouped(ofEither, false),
  matmul_grouped_sum: grouped(ofEither, true),
  matmul_f16_grouped: grouped(plainProducts.matmul_f16, false),
  matmul_f16_grouped_sum: grouped(plainProducts.matmul_f16, true),
  matmul_epilogue: withEpilogue(plainProducts.matmul),
  matmul_half_epilogue: withEpilogue(plainProducts.matmul_half.filter(({ second }) => !second)),
  matmul_quantized_epilogue: withEpilogue(plainProducts.matmul_quantized),
  matmul_f16_epilogue: withEpilogue(plainProducts.matmul_f16.filter(({ second }) => !second)),
  matmul_f16_quantized_epilogue: withEpilogue(plainProducts.matmul_f16_quantized),
} satisfies Partial<Record<KernelName, readonly Variant[]>>
