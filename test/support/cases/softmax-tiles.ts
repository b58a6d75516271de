// Tiles of rows of scores: the first, one in the middle, the last; with labels and without; targets within, before and behind.
import { seededValues } from '../values.js'
import { caseOf, type KernelCase, referenceOutput } from './case.js'

const random = seededValues(211)

interface Tile {
  readonly name: string
  readonly rows: number
  /** Of the tile, and of whole rows. */
  readonly columns: number
  readonly first: number
  readonly all: number
  readonly spread: number
  readonly labelled: boolean
}

const tiles: Tile[] = [
  { name: 'one column', rows: 1, columns: 1, first: 0, all: 1, spread: 1, labelled: false },
  { name: 'all columns', rows: 5, columns: 37, first: 0, all: 37, spread: 3, labelled: true },
  { name: 'first', rows: 9, columns: 64, first: 0, all: 200, spread: 20, labelled: false },
  { name: 'middle', rows: 9, columns: 64, first: 64, all: 200, spread: 20, labelled: true },
  { name: 'last, ±500', rows: 13, columns: 72, first: 128, all: 200, spread: 500, labelled: true },
  { name: 'wide', rows: 7, columns: 1500, first: 1000, all: 4000, spread: 5, labelled: false },
  { name: 'no columns', rows: 4, columns: 0, first: 64, all: 64, spread: 1, labelled: false },
]

function inputsOf({ rows, columns, first, all, spread, labelled }: Tile) {
  const targets = new Int32Array(rows * 3)
  for (let row = 0; row < rows; row++) {
    const target = (row * 29 + first) % all
    const begin = row % 3 === 0 ? 0 : Math.floor(target / 2)
    targets.set([target, begin, row % 3 === 2 ? target + Math.ceil((all - target) / 2) : all], row * 3)
  }
  return {
    scores: random.uniform(Math.max(1, rows * columns), -spread, spread),
    targets,
    labels: labelled ? Int32Array.from({ length: all }, (_, column) => (column * 7) % Math.ceil(all / 2)) : undefined,
    params: { rows, columns, first, hasLabels: labelled ? 1 : 0 },
    spread,
  }
}

/** What earlier tiles may have left. */
function statsBefore(rows: number, spread: number): Float32Array {
  const [greatest, others, own] = [
    random.uniform(rows, spread / 2, spread),
    random.uniform(rows, 1, 30),
    random.uniform(rows, -spread, spread / 2),
  ]
  return Float32Array.from({ length: rows * 3 }, (_, i) => [greatest, others, own][i % 3]![Math.floor(i / 3)]!)
}

export const softmaxTileForwardCases = (): KernelCase[] =>
  tiles.flatMap(tile => {
    const { scores, targets, labels, params, spread } = inputsOf(tile)
    const options = { terms: tile.columns, interleaved: { stats: 3 } }
    const make = (fresh: number, stats: Float32Array | number) =>
      caseOf(
        'softmax_tile_forward',
        `${tile.name}, fresh ${fresh}`,
        { ...params, fresh },
        { scores, targets, labels, stats },
        options,
      )
    // A first tile without a column leaves nothing that could be compared
    return tile.columns === 0
      ? [make(0, statsBefore(tile.rows, spread))]
      : [make(1, tile.rows * 3), make(0, statsBefore(tile.rows, spread))]
  })

const wholeStats = (tile: Tile) => {
  const { scores, targets, labels, params, spread } = inputsOf(tile)
  const tensors = { scores, targets, labels, stats: statsBefore(tile.rows, spread) }
  const forward = caseOf('softmax_tile_forward', '', { ...params, fresh: 0 }, tensors)
  return { scores, targets, labels, params, stats: referenceOutput('softmax_tile_forward', forward, 'stats') }
}

export const softmaxTileLossesCases = (): KernelCase[] =>
  tiles.map(tile => {
    const { targets, stats, params } = wholeStats(tile)
    return caseOf('softmax_tile_losses', tile.name, { rows: params.rows }, { targets, stats, losses: params.rows })
  })

export const softmaxTileBackwardCases = (): KernelCase[] =>
  tiles.map(tile => {
    const { scores, targets, labels, params, stats } = wholeStats(tile)
    const weights = random.uniform(params.rows, -1, 1).map((weight, row) => (row % 5 === 4 ? 0 : weight))
    return caseOf('softmax_tile_backward', tile.name, params, { targets, labels, weights, stats, scores })
  })
