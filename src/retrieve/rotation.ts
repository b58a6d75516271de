// Orthogonal matrices in f64: the directions in which vectors vary. Sums, products and roots alone, so that the same bytes give the same matrix everywhere.

/** Rounds of orthogonal iteration: neighbours among the directions are not told apart by then, and need not be. */
const ROUNDS = 20

/** (width, width): columns scaled to length 1 and made orthogonal, each to those before it (Gram and Schmidt's way, modified). */
export function orthonormal(columns: Float64Array, width: number): Float64Array {
  // Rows lie side by side, which columns do not.
  const rows = transposed(columns, width)
  for (let i = 0; i < width; i++) {
    const row = rows.subarray(i * width, (i + 1) * width)
    for (let j = 0; j < i; j++) {
      const other = rows.subarray(j * width, (j + 1) * width)
      let product = 0
      for (let c = 0; c < width; c++) product += row[c]! * other[c]!
      for (let c = 0; c < width; c++) row[c]! -= product * other[c]!
    }
    let squares = 0
    for (let c = 0; c < width; c++) squares += row[c]! * row[c]!
    if (!(squares > 0))
      throw new Error(`the columns of a rotation depend on each other: column ${i} on those before it`)
    const scale = 1 / Math.sqrt(squares)
    for (let c = 0; c < width; c++) row[c]! *= scale
  }
  return transposed(rows, width)
}

function transposed(matrix: Float64Array, width: number): Float64Array {
  const turned = new Float64Array(matrix.length)
  for (let i = 0; i < width; i++) for (let j = 0; j < width; j++) turned[j * width + i] = matrix[i * width + j]!
  return turned
}

/** (width, width): columns are the directions in which rows (·, width) vary about 0, most first; nothing where they do not vary. */
export function directionsOf(rows: Float32Array, width: number): Float64Array | undefined {
  const moments = new Float64Array(width * width)
  for (let at = 0; at < rows.length; at += width)
    for (let i = 0; i < width; i++) {
      const value = rows[at + i]!
      for (let j = 0; j <= i; j++) moments[i * width + j]! += value * rows[at + j]!
    }
  let trace = 0
  for (let i = 0; i < width; i++) {
    trace += moments[i * width + i]!
    for (let j = 0; j < i; j++) moments[j * width + i] = moments[i * width + j]!
  }
  if (!(trace > 0)) return undefined
  // No direction is without any variance, or columns would come to depend on each other.
  for (let i = 0; i < width; i++) moments[i * width + i]! += (1e-6 * trace) / width
  let columns: Float64Array = moments
  for (let round = 1; round < ROUNDS; round++) columns = productOf(moments, orthonormal(columns, width), width)
  return byVariance(orthonormal(columns, width), moments, width)
}

/** Iteration leaves columns in their order already, unless some were directions from the start. */
function byVariance(columns: Float64Array, moments: Float64Array, width: number): Float64Array {
  const spread = productOf(moments, columns, width)
  const variances = new Float64Array(width)
  columns.forEach((value, at) => {
    variances[at % width]! += value * spread[at]!
  })
  const order = Array.from(variances.keys()).sort((a, b) => variances[b]! - variances[a]!)
  return columns.map((_, at) => columns[at - (at % width) + order[at % width]!]!)
}

function productOf(a: Float64Array, b: Float64Array, width: number): Float64Array {
  const c = new Float64Array(a.length)
  for (let i = 0; i < width; i++)
    for (let k = 0; k < width; k++) {
      const factor = a[i * width + k]!
      for (let j = 0; j < width; j++) c[i * width + j]! += factor * b[k * width + j]!
    }
  return c
}

/** Rows (·, width) times a matrix, or its transpose: turned, or turned back. */
export function turnRows(rows: Float32Array, rotation: Float32Array, width: number, back = false): Float32Array {
  const turned = new Float32Array(rows.length)
  const sums = new Float64Array(width)
  for (let at = 0; at < rows.length; at += width) {
    sums.fill(0)
    for (let i = 0; i < width; i++)
      for (let j = 0; j < width; j++)
        if (back) sums[i]! += rows[at + j]! * rotation[i * width + j]!
        else sums[j]! += rows[at + i]! * rotation[i * width + j]!
    turned.set(sums, at)
  }
  return turned
}
