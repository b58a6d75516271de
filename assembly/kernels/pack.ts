// Copies of matrix blocks in the order in which the innermost tiles read them: panels of 8 or 4 columns (or rows), all k of a panel together.
import { at, rowAt, bytes } from './memory'

/** Panels (depth, 8) from b (K, N) as stored; columns beyond the last are 0. */
export function packColumns8(b: usize, N: u32, columns: u32, depth: u32, panels: usize): void {
  for (let j: u32 = 0; j < columns; j += 8) {
    let to = panels + bytes(j * depth)
    let from = at(b, j)
    const width = min<u32>(8, columns - j)
    for (let k: u32 = 0; k < depth; k++) {
      if (width == 8) {
        v128.store(to, v128.load(from))
        v128.store(to, v128.load(from, 16), 16)
      } else {
        for (let l: u32 = 0; l < 8; l++) store<f32>(at(to, l), l < width ? load<f32>(at(from, l)) : 0)
      }
      from += bytes(N)
      to += 32
    }
  }
}

/** Panels (depth, 8) from b stored (N, K). */
export function packRows8(b: usize, K: u32, columns: u32, depth: u32, panels: usize): void {
  for (let j: u32 = 0; j < columns; j += 8) {
    const to = panels + bytes(j * depth)
    const width = columns - j
    packQuad(rowAt(b, j, K), K, min<u32>(4, width), depth, to, 32)
    packQuad(rowAt(b, j + 4, K), K, width > 4 ? min<u32>(4, width - 4) : 0, depth, to + 16, 32)
  }
}

/** Panels (depth, 4) from a stored (K, M). */
export function packColumns4(a: usize, M: u32, rows: u32, depth: u32, panels: usize): void {
  for (let i: u32 = 0; i < rows; i += 4) {
    let to = panels + bytes(i * depth)
    let from = at(a, i)
    const width = min<u32>(4, rows - i)
    for (let k: u32 = 0; k < depth; k++) {
      if (width == 4) v128.store(to, v128.load(from))
      else for (let l: u32 = 0; l < width; l++) store<f32>(at(to, l), load<f32>(at(from, l)))
      from += bytes(M)
      to += 16
    }
  }
}

/** Panels (depth, 4) from a (M, K) as stored. */
export function packRows4(a: usize, K: u32, rows: u32, depth: u32, panels: usize): void {
  for (let i: u32 = 0; i < rows; i += 4) packQuad(rowAt(a, i, K), K, min<u32>(4, rows - i), depth, panels + bytes(i * depth), 16)
}

/** Up to four rows of `depth` elements, transposed: element (r, k) goes to `to` + k · step + 4 r; absent rows are 0. */
export function packQuad(from: usize, stride: u32, rows: u32, depth: u32, to: usize, step: usize): void {
  let k: u32 = 0
  if (rows == 4) {
    const row1 = rowAt(from, 1, stride)
    const row2 = rowAt(from, 2, stride)
    const row3 = rowAt(from, 3, stride)
    for (; k + 4 <= depth; k += 4) {
      const x0 = v128.load(at(from, k))
      const x1 = v128.load(at(row1, k))
      const x2 = v128.load(at(row2, k))
      const x3 = v128.load(at(row3, k))
      const low01 = i32x4.shuffle(x0, x1, 0, 4, 1, 5)
      const low23 = i32x4.shuffle(x2, x3, 0, 4, 1, 5)
      const high01 = i32x4.shuffle(x0, x1, 2, 6, 3, 7)
      const high23 = i32x4.shuffle(x2, x3, 2, 6, 3, 7)
      v128.store(to, i64x2.shuffle(low01, low23, 0, 2))
      v128.store(to + step, i64x2.shuffle(low01, low23, 1, 3))
      v128.store(to + 2 * step, i64x2.shuffle(high01, high23, 0, 2))
      v128.store(to + 3 * step, i64x2.shuffle(high01, high23, 1, 3))
      to += 4 * step
    }
  }
  for (; k < depth; k++) {
    for (let r: u32 = 0; r < 4; r++) store<f32>(at(to, r), r < rows ? load<f32>(at(rowAt(from, r, stride), k)) : 0)
    to += step
  }
}
