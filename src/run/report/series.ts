// Lines over training steps: smoothed, and thinned so that ten thousand steps stay a small page.

export interface Point {
  readonly x: number
  readonly y: number
}

/** Over about a twentieth of the points around each; at the ends, with fewer around, a line through them that stays between the lowest and the highest. */
export function runningMean(points: readonly Point[]): Point[] {
  const sums = [0]
  for (const { y } of points) sums.push(sums.at(-1)! + y)
  const reach = Math.ceil(points.length / 40)
  const last = points.length - 1
  return points.map(({ x }, i) => {
    const [from, to] = [Math.max(0, i - reach), Math.min(last, i + reach)]
    const mean = (sums[to + 1]! - sums[from]!) / (to - from + 1)
    if (to - from === 2 * reach) return { x, y: mean }
    const around = points.slice(from, to + 1).map(({ y }) => y)
    const y = mean + slope(points, from, to) * (i - (from + to) / 2)
    return { x, y: Math.max(Math.min(y, Math.max(...around)), Math.min(...around)) }
  })
}

/** Least squares over the indices from `from` to `to`. */
function slope(points: readonly Point[], from: number, to: number): number {
  const middle = (from + to) / 2
  let [product, square] = [0, 0]
  for (let i = from; i <= to; i++) {
    product += (i - middle) * points[i]!.y
    square += (i - middle) ** 2
  }
  return square === 0 ? 0 : product / square
}

/** At most about `most`: the lowest and the highest of each run of neighbours, so spikes stay, and so do the ends. */
export function thinned(points: readonly Point[], most: number): readonly Point[] {
  if (points.length <= most) return points
  const size = Math.ceil((2 * points.length) / most)
  const kept = Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const run = points.slice(i * size, (i + 1) * size)
    const low = run.reduce((a, b) => (b.y < a.y ? b : a))
    const high = run.reduce((a, b) => (b.y > a.y ? b : a))
    return low === high ? [low] : low.x < high.x ? [low, high] : [high, low]
  }).flat()
  const [first, last] = [points[0]!, points.at(-1)!]
  return [...(kept[0] === first ? [] : [first]), ...kept, ...(kept.at(-1) === last ? [] : [last])]
}
