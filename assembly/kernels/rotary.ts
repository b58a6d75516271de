// Rotary position embedding (Su et al. 2021), the rotate-half form: channels d and d + headSize/2 of every head turn by the angle of their row's
// position, forward by direction 1, back by −1.
import { at, rowAt } from './memory'

export function rope(
  x: usize, positions: usize, table: usize, y: usize, rows: u32, columns: u32, headSize: u32, direction: f32, begin: u32, end: u32,
): void {
  const half = headSize / 2
  const directions = f32x4.splat(direction)
  for (let row = begin; row < end; row++) {
    const cosines = rowAt(table, load<u32>(at(positions, row)), headSize)
    const sines = at(cosines, half)
    for (let first: u32 = 0; first < columns; first += headSize) {
      const low = at(rowAt(x, row, columns), first)
      const high = at(low, half)
      const toLow = at(rowAt(y, row, columns), first)
      const toHigh = at(toLow, half)
      let d: u32 = 0
      for (; d + 4 <= half; d += 4) {
        const a = v128.load(at(low, d))
        const b = v128.load(at(high, d))
        const cosine = v128.load(at(cosines, d))
        const sine = f32x4.mul(v128.load(at(sines, d)), directions)
        v128.store(at(toLow, d), f32x4.sub(f32x4.mul(a, cosine), f32x4.mul(b, sine)))
        v128.store(at(toHigh, d), f32x4.add(f32x4.mul(b, cosine), f32x4.mul(a, sine)))
      }
      for (; d < half; d++) {
        const a = load<f32>(at(low, d))
        const b = load<f32>(at(high, d))
        const cosine = load<f32>(at(cosines, d))
        const sine = load<f32>(at(sines, d)) * direction
        store<f32>(at(toLow, d), a * cosine - b * sine)
        store<f32>(at(toHigh, d), b * cosine + a * sine)
      }
    }
  }
}
