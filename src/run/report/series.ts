// Lines over training steps: smoothed, and thinned so that ten thousand steps stay a small page.

export interface Point {
  readonly x: number
  readonly y: number
}

/** Over about a twentieth of the points around each, as many before as after it, so that a falling line is not seen late. */
export function runningMean(points: readonly Point[]): Point[] {
  const sums = [0]
  for (const { y } of points) sums.push(sums.at(-1)! + y)
  return points.map(({ x }, i) => {
    const reach = Math.min(Math.ceil(points.length / 40), i, points.length - 1 - i)
    return { x, y: (sums[i + reach + 1]! - sums[i - reach]!) / (2 * reach + 1) }
  })
}

/** At most about `most`: of each run of neighbours the lowest and the highest, so that no spike is lost; the ends stay. */
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
