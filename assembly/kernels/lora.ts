// Low-rank updates (LoRA, Hu et al. 2021): the product with A of a dropped input, its way back, and the gradients of A and B. What is dropped is made from
// its counters in scratch, ROWS rows of at most COLUMNS columns at a time, and multiplied from there. down = ; dx = or +=; dA, dB +=.
import { at, rowAt, scratchAt } from './memory'
import { dropColumns } from './dropout'
import { F32 } from './half'
import { BEHIND_BLOCKS, blocks } from './matmul'

const ROWS: u32 = 64
const COLUMNS: u32 = 1024
/** LORA_COLUMNS of the kernel table. */
const UNIT_COLUMNS: u32 = 16

export function lora_down(
  x: usize, keys: usize, a0: usize, a1: usize, a2: usize, down0: usize, down1: usize, down2: usize,
  allRows: u32, columns: u32, rank0: u32, rank1: u32, rank2: u32, joined: u32,
  threshold: u32, scale: f32, key0: u32, key1: u32, key2: u32, key3: u32, key4: u32, key5: u32,
  begin: u32, end: u32,
): void {
  const all = rank0 + rank1 + rank2
  const second = joined ? at(down0, rank0) : down1
  const third = joined ? at(down0, rank0 + rank1) : down2
  for (let row = begin; row < end; row += ROWS) {
    const rows = min(ROWS, end - row)
    down(x, keys, a0, down0, joined ? all : rank0, row, rows, columns, rank0, threshold, scale, key0, key1)
    if (rank1) down(x, keys, a1, second, joined ? all : rank1, row, rows, columns, rank1, threshold, scale, key2, key3)
    if (rank2) down(x, keys, a2, third, joined ? all : rank2, row, rows, columns, rank2, threshold, scale, key4, key5)
  }
}

function down(
  x: usize, keys: usize, a: usize, to: usize, width: u32, row: u32, rows: u32, columns: u32, rank: u32, threshold: u32, scale: f32, key0: u32, key1: u32,
): void {
  for (let column: u32 = 0; column < columns; column += COLUMNS) {
    const some = min(COLUMNS, columns - column)
    let from = at(rowAt(x, row, columns), column)
    let stride = columns
    if (threshold || scale != 1) {
      from = dropTile(x, keys, row, rows, column, some, columns, threshold, scale, key0, key1)
      stride = some
    }
    blocks(from, stride, at(a, column), columns, 0, 0, rowAt(to, row, width), width, some, 0, 1, column > 0, 0, 1, F32, 0, rows, 0, rank)
  }
}

/** x · mask · scale of `rows` rows and `some` columns, in scratch behind what products use. */
function dropTile(
  x: usize, keys: usize, row: u32, rows: u32, column: u32, some: u32, columns: u32, threshold: u32, scale: f32, key0: u32, key1: u32,
): usize {
  const tile = scratchAt(BEHIND_BLOCKS)
  for (let i: u32 = 0; i < rows; i++) {
    const key = threshold ? load<u32>(at(keys, row + i)) : 0
    dropColumns(at(rowAt(x, row + i, columns), column), 0, rowAt(tile, i, some), column, some, key, threshold, scale, key0, key1)
  }
  return tile
}

export function lora_input(
  keys: usize, ddown0: usize, ddown1: usize, ddown2: usize, a0: usize, a1: usize, a2: usize, dx: usize,
  allRows: u32, columns: u32, rank0: u32, rank1: u32, rank2: u32, accumulate: u32,
  threshold: u32, scale: f32, key0: u32, key1: u32, key2: u32, key3: u32, key4: u32, key5: u32,
  begin: u32, end: u32,
): void {
  for (let row = begin; row < end; row += ROWS) {
    const rows = min(ROWS, end - row)
    for (let column: u32 = 0; column < columns; column += COLUMNS) {
      const some = min(COLUMNS, columns - column)
      up(keys, ddown0, a0, dx, row, rows, column, some, columns, rank0, accumulate, threshold, scale, key0, key1)
      if (rank1) up(keys, ddown1, a1, dx, row, rows, column, some, columns, rank1, 1, threshold, scale, key2, key3)
      if (rank2) up(keys, ddown2, a2, dx, row, rows, column, some, columns, rank2, 1, threshold, scale, key4, key5)
    }
  }
}

function up(
  keys: usize, ddown: usize, a: usize, dx: usize, row: u32, rows: u32, column: u32, some: u32, columns: u32, rank: u32, accumulate: u32,
  threshold: u32, scale: f32, key0: u32, key1: u32,
): void {
  const to = at(rowAt(dx, row, columns), column)
  if (!threshold && scale == 1) {
    blocks(rowAt(ddown, row, rank), rank, at(a, column), columns, 0, 0, to, columns, rank, 0, 0, accumulate, 0, 1, F32, 0, rows, 0, some)
    return
  }
  const tile = scratchAt(BEHIND_BLOCKS)
  blocks(rowAt(ddown, row, rank), rank, at(a, column), columns, 0, 0, tile, some, rank, 0, 0, 0, 0, 1, F32, 0, rows, 0, some)
  for (let i: u32 = 0; i < rows; i++) {
    const key = threshold ? load<u32>(at(keys, row + i)) : 0
    const target = rowAt(to, i, columns)
    dropColumns(rowAt(tile, i, some), accumulate ? target : 0, target, column, some, key, threshold, scale, key0, key1)
  }
}

/** Units are UNIT_COLUMNS columns of x each, then UNIT_COLUMNS columns of dy each. */
export function lora_weights(
  dy: usize, down: usize, ddown: usize, x: usize, keys: usize, dA: usize, dB: usize,
  rows: u32, columns: u32, outputs: u32, rank: u32, downColumns: u32, downFirst: u32, alpha: f32, threshold: u32, scale: f32, key0: u32, key1: u32,
  begin: u32, end: u32,
): void {
  const unitsOfA = (columns + UNIT_COLUMNS - 1) / UNIT_COLUMNS
  if (begin < unitsOfA) {
    const last = min(columns, min(end, unitsOfA) * UNIT_COLUMNS)
    for (let column = begin * UNIT_COLUMNS; column < last; column += COLUMNS)
      gradientOfA(ddown, x, keys, dA, rows, column, min(COLUMNS, last - column), columns, rank, threshold, scale, key0, key1)
  }
  if (end <= unitsOfA) return
  const first = (max(begin, unitsOfA) - unitsOfA) * UNIT_COLUMNS
  const last = min(outputs, (end - unitsOfA) * UNIT_COLUMNS)
  blocks(dy, outputs, at(down, downFirst), downColumns, 0, 0, dB, rank, rows, 1, 0, 1, 0, alpha, F32, first, last, 0, rank)
}

function gradientOfA(
  ddown: usize, x: usize, keys: usize, dA: usize, rows: u32, column: u32, some: u32, columns: u32, rank: u32,
  threshold: u32, scale: f32, key0: u32, key1: u32,
): void {
  for (let row: u32 = 0; row < rows; row += ROWS) {
    const count = min(ROWS, rows - row)
    let from = at(rowAt(x, row, columns), column)
    let stride = columns
    if (threshold || scale != 1) {
      from = dropTile(x, keys, row, count, column, some, columns, threshold, scale, key0, key1)
      stride = some
    }
    blocks(rowAt(ddown, row, rank), rank, from, stride, 0, 0, at(dA, column), columns, count, 1, 0, 1, 0, 1, F32, 0, rank, 0, some)
  }
}
