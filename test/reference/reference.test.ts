// The references against themselves: each backward form against central differences of its forward form, the others against a second way
// of saying the same. A wrong reference would make wrong kernels right.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NORM_CHUNK } from '../../src/backend/kernels.js'
import { dropoutParams, tokenKey } from '../../src/backend/random.js'
import { attentionTiles, tileCount } from '../../src/tensor/tiles.js'
import { offsetsOf, seededValues } from '../support/values.js'
import { erf, erfc } from './error-function.js'
import { reference } from './reference.js'

const random = seededValues(1)
const normal = (count: number, deviation?: number) => Float64Array.from(random.normal(count, deviation))
const zeros = (count: number) => new Float64Array(count)
const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)

/** The gradient of a scalar by central differences, changing `x` in place and back. */
function differences(x: Float64Array, scalar: () => number): Float64Array {
  const step = 1e-5
  return x.map((value, i) => {
    x[i] = value + step
    const above = scalar()
    x[i] = value - step
    const below = scalar()
    x[i] = value
    return (above - below) / (2 * step)
  })
}

/** Central differences of these functions are right to about 1e-10 of the largest entry. */
function close(name: string, found: Float64Array, expected: Float64Array, tolerance = 1e-8): void {
  assert.is(found.length, expected.length, name)
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const error = found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)
  assert.ok(error <= tolerance * largest, `${name}: max |Δ| ${error}, largest entry ${largest}`)
}

test('erf and erfc at known points', () => {
  const points: [number, number][] = [
    [0, 0],
    [0.1, 0.1124629160182849],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [3, 0.9999779095030014],
    [6, 1],
  ]
  for (const [x, expected] of points) {
    assert.ok(Math.abs(erf(x) - expected) < 1e-15, `erf(${x}) = ${erf(x)}`)
    assert.is(erf(-x), -erf(x))
  }
  const tails: [number, number][] = [
    [1.9, 0.007209570764746235],
    [2, 0.004677734981047266],
    [5, 1.5374597944280349e-12],
    [10, 2.088487583762545e-45],
  ]
  for (const [x, expected] of tails) assert.ok(Math.abs(erfc(x) / expected - 1) < 1e-12, `erfc(${x}) = ${erfc(x)}`)
})

test('matmul: the four transposes are one product, with accumulation, alpha and bias', () => {
  const [M, N, K] = [3, 4, 5]
  const [a, b, bias, before] = [normal(M * K), normal(K * N), normal(N), normal(M * N)]
  const transpose = (x: Float64Array, rows: number, columns: number) =>
    x.map((_, i) => x[(i % rows) * columns + Math.floor(i / rows)]!)
  const expected = before.map((value, i) => {
    const [m, n] = [Math.floor(i / N), i % N]
    const row = a.subarray(m * K, (m + 1) * K)
    return (
      value +
      0.5 *
        dot(
          row,
          row.map((_, k) => b[k * N + n]!),
        ) +
      bias[n]!
    )
  })
  for (const transposeA of [0, 1]) {
    for (const transposeB of [0, 1]) {
      const c = before.slice()
      const tensors = {
        a: transposeA ? transpose(a, M, K) : a,
        b: transposeB ? transpose(b, K, N) : b,
        bias,
        c,
      }
      reference.matmul(tensors, { M, N, K, transposeA, transposeB, accumulate: 1, hasBias: 1, alpha: 0.5 })
      close(`${transposeA}${transposeB}`, c, expected, 1e-14)
      c.fill(Number.NaN)
      reference.matmul(tensors, { M, N, K, transposeA, transposeB, accumulate: 0, hasBias: 0, alpha: 1 })
      const plain = expected.map((value, i) => (value - before[i]! - bias[i % N]!) * 2)
      close(`${transposeA}${transposeB} plain`, c, plain, 1e-13)
    }
  }
})

test('column_sum is the gradient of a bias', () => {
  const [rows, columns] = [4, 3]
  const [dc, bias, out] = [normal(rows * columns), normal(columns), zeros(columns)]
  const scalar = () => {
    const [a, b, c] = [zeros(rows), zeros(columns), zeros(rows * columns)]
    const product = { M: rows, N: columns, K: 1, transposeA: 0, transposeB: 0, accumulate: 0, hasBias: 1, alpha: 1 }
    reference.matmul({ a, b, bias, c }, product)
    return dot(c, dc)
  }
  reference.column_sum({ x: dc, out }, { rows, columns })
  close('dbias', out, differences(bias, scalar))
})

test('scatter_rows is the gradient of gather_rows', () => {
  const index = Int32Array.of(4, 1, 4, 0, 1, 4)
  const [rows, columns, tableRows] = [index.length, 3, 5]
  const [table, dout, dtable] = [normal(tableRows * columns), normal(rows * columns), zeros(tableRows * columns)]
  const scalar = () => {
    const out = zeros(rows * columns)
    reference.gather_rows({ table, index, out }, { rows, columns, accumulate: 0 })
    return dot(out, dout)
  }
  // Rows 3, then 1 and 4 (target 1), then 0, 2, 5 (target 4).
  const lists = {
    order: Int32Array.of(3, 1, 4, 0, 2, 5),
    starts: Int32Array.of(0, 1, 3, 6),
    targets: Int32Array.of(0, 1, 4),
  }
  reference.scatter_rows({ dout, ...lists, dtable }, { count: 3, columns })
  close('dtable', dtable, differences(table, scalar))
})

test('copy_rows and gather_rows accumulate where they are told to', () => {
  const x = Float64Array.of(1, 2, 3, 4, 5, 6)
  const y = Float64Array.of(10, 20, 30, 40)
  reference.copy_rows({ x, y }, { rows: 1, columns: 2, from: 2, to: 1, accumulate: 1 })
  assert.equal(Array.from(y), [10, 20, 35, 46])
  reference.copy_rows({ x, y }, { rows: 1, columns: 2, from: 0, to: 0, accumulate: 0 })
  assert.equal(Array.from(y), [1, 2, 35, 46])
  reference.gather_rows({ table: x, index: Int32Array.of(2, 0), out: y }, { rows: 2, columns: 2, accumulate: 1 })
  assert.equal(Array.from(y), [6, 8, 36, 48])
})

const dropping = { ...dropoutParams(0.3, 5, 2, 7) }
const keeping = { ...dropoutParams(0, 0, 0, 0) }

test('dropout is its own gradient, and drops what the words say', () => {
  const [rows, columns] = [3, 5]
  const keys = Uint32Array.from([0, 1, 2], position => tokenKey(3, position))
  const [x, dy, dx] = [normal(rows * columns), normal(rows * columns), zeros(rows * columns)]
  const forward = () => {
    const y = zeros(rows * columns)
    reference.dropout({ x, keys, y }, { rows, columns, ...dropping })
    return y
  }
  reference.dropout({ x: dy, keys, y: dx }, { rows, columns, ...dropping })
  const found = forward()
  assert.ok(found.some(value => value === 0) && found.some(value => value !== 0))
  assert.ok(found.every((value, i) => value === 0 || Math.abs(value - x[i]! / 0.7) < 1e-12))
  close(
    'dx',
    dx,
    differences(x, () => dot(forward(), dy)),
  )
})

test('layer_norm_backward and layer_norm_parameters, with residual and dropout', () => {
  const [rows, columns, epsilon] = [3, 7, 1e-5]
  const keys = Uint32Array.of(9, 10, 70000)
  const [x, residual, dy] = [normal(rows * columns), normal(rows * columns, 2), normal(rows * columns)]
  const [gamma, beta] = [normal(columns), normal(columns)]
  const forward = () => {
    const [sum, y, stats] = [zeros(rows * columns), zeros(rows * columns), zeros(rows * 2)]
    const params = { rows, columns, epsilon, hasResidual: 1, ...dropping }
    reference.layer_norm_forward({ x, residual, keys, gamma, beta, sum, y, stats }, params)
    return { sum, y, stats, scalar: dot(y, dy) }
  }
  const { sum, stats } = forward()
  const [dz, dx, dgamma, dbeta] = [normal(rows * columns), zeros(rows * columns), zeros(columns), zeros(columns)]
  const before = dz.slice()
  reference.layer_norm_backward({ dy, z: sum, stats, gamma, dz }, { rows, columns, accumulate: 1 })
  const gradient = dz.map((value, i) => value - before[i]!)
  close(
    'dresidual',
    gradient,
    differences(residual, () => forward().scalar),
  )
  reference.dropout({ x: gradient, keys, y: dx }, { rows, columns, ...dropping })
  close(
    'dx',
    dx,
    differences(x, () => forward().scalar),
  )
  reference.layer_norm_parameters({ dy, z: sum, stats, dgamma, dbeta }, { rows, columns })
  close(
    'dgamma',
    dgamma,
    differences(gamma, () => forward().scalar),
  )
  close(
    'dbeta',
    dbeta,
    differences(beta, () => forward().scalar),
  )
})

test('layer_norm_forward without a residual normalises: mean 0, variance 1', () => {
  const [rows, columns] = [2, 100]
  const [x, y, stats] = [normal(rows * columns, 3), zeros(rows * columns), zeros(rows * 2)]
  const optional = { residual: undefined, keys: undefined, sum: undefined }
  const ones = zeros(columns).fill(1)
  const params = { rows, columns, epsilon: 0, hasResidual: 0, ...keeping }
  reference.layer_norm_forward({ x, ...optional, gamma: ones, beta: zeros(columns), y, stats }, params)
  for (let row = 0; row < rows; row++) {
    const values = y.subarray(row * columns, (row + 1) * columns)
    assert.ok(Math.abs(dot(values, ones)) < 1e-11 && Math.abs(dot(values, values) - columns) < 1e-11)
    const first = x[row * columns]!
    assert.ok(Math.abs(values[0]! / stats[row * 2 + 1]! + stats[row * 2]! - first) < 1e-12)
  }
})

test('gelu_backward, by erf and by tanh; the two forms are close, and are x or 0 far out', () => {
  const x = Float64Array.from([-9, -3, -1, -0.1, 0, 0.2, 0.9, 2.5, 8])
  const [dy, dx] = [normal(x.length), zeros(x.length)]
  const forms = [0, 1].map(approximate => {
    const forward = () => {
      const y = zeros(x.length)
      reference.gelu_forward({ x, y }, { count: x.length, approximate })
      return y
    }
    reference.gelu_backward({ x, dy, dx }, { count: x.length, approximate })
    close(
      `approximate ${approximate}`,
      dx,
      differences(x, () => dot(forward(), dy)),
    )
    return forward()
  })
  assert.ok(Math.abs(forms[0]![6]! - 0.9 * 0.8159398746532405) < 1e-15)
  close('tanh form', forms[1]!, forms[0]!, 1e-3)
  assert.ok(forms.every(y => Math.abs(y[8]! - 8) < 1e-12 && Math.abs(y[0]!) < 1e-12))
})

for (const [name, drop] of Object.entries({ keeping, dropping })) {
  test(`attention_backward_q and _kv, ${name}`, () => {
    const offsets = offsetsOf([1, 5, 2])
    const [T, heads, headSize] = [offsets.at(-1)!, 2, 3]
    const tiles = attentionTiles(offsets, 2, Int32Array.of(1, 3, 2), Int32Array.of(4, 0, 9))
    const params = { tiles: tileCount(tiles), tileRows: 2, heads, headSize, softmaxScale: 0.7, ...drop }
    const size = T * heads * headSize
    const [q, k, v, dout] = [normal(size), normal(size), normal(size), normal(size)]
    const forward = () => {
      const [out, lse] = [zeros(size).fill(Number.NaN), zeros(T * heads)]
      reference.attention_forward({ q, k, v, tiles, out, lse }, params)
      return { out, lse, scalar: dot(out, dout) }
    }
    const { out, lse } = forward()
    const stats = zeros(T * heads * 2)
    reference.attention_delta({ out, dout, lse, stats }, { rows: T, heads, headSize })
    const [dq, dk, dv] = [zeros(size), zeros(size), zeros(size)].map(x => x.fill(Number.NaN)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ]
    reference.attention_backward_q({ q, k, v, dout, stats, tiles, dq }, params)
    reference.attention_backward_kv({ q, k, v, dout, stats, tiles, dk, dv }, params)
    for (const [tensor, gradient, x] of [
      ['dq', dq, q],
      ['dk', dk, k],
      ['dv', dv, v],
    ] as const)
      close(
        tensor,
        gradient,
        differences(x, () => forward().scalar),
      )
    // Rows 4 and 5 (positions 3 and 4 of the second sequence) are beyond its key length.
    assert.ok(dv.subarray(4 * heads * headSize, 6 * heads * headSize).every(value => value === 0))
  })
}

test('attention of a sequence is a dense softmax over its keys, and tiles do not matter', () => {
  const offsets = offsetsOf([3, 4])
  const [T, heads, headSize, softmaxScale] = [7, 1, 2, 0.5]
  const size = T * headSize
  const [q, k, v] = [normal(size), normal(size), normal(size)]
  const results = [1, 3, 16].map(tileRows => {
    const tiles = attentionTiles(offsets, tileRows)
    const [out, lse] = [zeros(size), zeros(T)]
    const params = { tiles: tileCount(tiles), tileRows, heads, headSize, softmaxScale, ...keeping }
    reference.attention_forward({ q, k, v, tiles, out, lse }, params)
    return { out, lse }
  })
  for (const { out, lse } of results) {
    close('out', out, results[0]!.out, 0)
    const weights = [3, 4, 5, 6].map(j => Math.exp(softmaxScale * (q[8]! * k[j * 2]! + q[9]! * k[j * 2 + 1]!)))
    const total = weights.reduce((a, b) => a + b)
    assert.ok(Math.abs(lse[4]! - Math.log(total)) < 1e-14)
    const expected = weights.reduce((sum, weight, n) => sum + (weight / total) * v[(n + 3) * 2 + 1]!, 0)
    assert.ok(Math.abs(out[9]! - expected) < 1e-14)
  }
})

test('pool_backward, by mean and by first row', () => {
  const offsets = offsetsOf([1, 4, 2])
  const [sequences, columns] = [3, 2]
  const [x, dout] = [normal(7 * columns), normal(sequences * columns)]
  for (const mode of [0, 1]) {
    const scalar = () => {
      const out = zeros(sequences * columns)
      reference.pool_forward({ x, offsets, out }, { sequences, columns, mode })
      return dot(out, dout)
    }
    const dx = zeros(7 * columns).fill(Number.NaN)
    reference.pool_backward({ dout, offsets, dx }, { sequences, columns, mode, accumulate: 0 })
    close(`mode ${mode}`, dx, differences(x, scalar))
    reference.pool_backward({ dout, offsets, dx }, { sequences, columns, mode, accumulate: 1 })
    close(
      `mode ${mode} twice`,
      dx,
      differences(x, () => 2 * scalar()),
    )
  }
})

test('l2_normalize_backward, above and below epsilon', () => {
  const [rows, columns] = [3, 4]
  const x = normal(rows * columns).map((value, i) => (i < columns ? value * 1e-3 : value))
  const dy = normal(rows * columns)
  const params = { rows, columns, epsilon: 0.1 }
  const forward = () => {
    const [y, norms] = [zeros(rows * columns), zeros(rows)]
    reference.l2_normalize_forward({ x, y, norms }, params)
    return { y, norms }
  }
  const dx = zeros(rows * columns)
  reference.l2_normalize_backward({ ...forward(), dy, dx }, params)
  const expected = differences(x, () => dot(forward().y, dy))
  close('below', dx.subarray(0, columns), expected.subarray(0, columns))
  close('above', dx.subarray(columns), expected.subarray(columns))
  assert.ok(forward().norms[0]! < 0.1 && forward().norms[1]! > 0.1)
})

test('softmax_cross_entropy_backward is the gradient of the weighted losses', () => {
  const [rows, columns] = [3, 6]
  const [scores, weights] = [normal(rows * columns, 3), normal(rows)]
  const targets = Int32Array.of(2, 0, 6, 3, 2, 5, 4, 4, 5)
  const forward = () => {
    const [losses, lse, out] = [zeros(rows), zeros(rows), Float64Array.of(1)]
    reference.softmax_cross_entropy_forward({ scores, targets, losses, lse }, { rows, columns })
    reference.weighted_sum({ x: losses, weights, out }, { count: rows, accumulate: 1 })
    return { losses, lse, scalar: out[0]! }
  }
  const { losses, lse } = forward()
  const expected = differences(scores, () => forward().scalar)
  const gradient = scores.slice()
  reference.softmax_cross_entropy_backward({ targets, weights, lse, scores: gradient }, { rows, columns })
  close('scores', gradient, expected)
  const direct = -Math.log(Math.exp(scores[2]!) / scores.subarray(0, 6).reduce((sum, s) => sum + Math.exp(s), 0))
  assert.ok(Math.abs(losses[0]! - direct) < 1e-14)
  assert.ok(Math.abs(losses[2]!) < 1e-15, 'one column: no loss')
})

test('sum_of_squares and gradient_norm give the norm, the factor and the guard', () => {
  const x = normal(NORM_CHUNK * 2 + 100)
  const partials = zeros(5).fill(-1)
  reference.sum_of_squares({ x, partials }, { count: x.length, first: 1 })
  assert.is(partials[0], -1)
  assert.is(partials[4], -1)
  const norm = Math.sqrt(dot(x, x))
  assert.ok(Math.abs(Math.sqrt(partials[1]! + partials[2]! + partials[3]!) / norm - 1) < 1e-13)
  const stateOf = (list: number[], maxNorm: number) => {
    const state = Float64Array.of(9, 9, 9, 2)
    reference.gradient_norm({ partials: Float64Array.from(list), state }, { count: list.length, maxNorm })
    return Array.from(state)
  }
  assert.equal(stateOf([9, 16], 1), [5, 1 / (5 + 1e-6), 1, 2])
  assert.equal(stateOf([9, 16], 10), [5, 1, 1, 2])
  assert.equal(stateOf([9, 16], 0), [5, 1, 1, 2])
  assert.equal(stateOf([9, Infinity], 1).slice(2), [0, 3])
  assert.equal(stateOf([9, Number.NaN], 0).slice(2), [0, 3])
})

test('top_k: value, then lower index; NaN as −∞; missing entries last; merging is like one call', () => {
  const run = (scores: number[], k: number, first: number, held?: { values: Float64Array; indices: Int32Array }) => {
    const state = held ?? { values: zeros(k).fill(7), indices: new Int32Array(k).fill(7) }
    const params = { rows: 1, columns: scores.length, k, first, fresh: held ? 0 : 1 }
    reference.top_k({ scores: Float64Array.from(scores), ...state }, params)
    return state
  }
  const lists = (state: { values: Float64Array; indices: Int32Array }) => [
    Array.from(state.values),
    Array.from(state.indices),
  ]
  const { NaN: nan } = Number
  assert.equal(lists(run([1, 3, 3, 2], 3, 10)), [
    [3, 3, 2],
    [11, 12, 13],
  ])
  assert.equal(lists(run([nan, 1, -Infinity], 5, 0)), [
    [1, -Infinity, -Infinity, -Infinity, -Infinity],
    [1, 0, 2, -1, -1],
  ])
  const scores = Array.from(random.integers(40, 6))
  const whole = lists(run(scores, 7, 0))
  const head = run(scores.slice(0, 3), 7, 0)
  assert.equal(lists(run(scores.slice(20), 7, 20, run(scores.slice(3, 20), 7, 3, head))), whole)
  const tail = run(scores.slice(20), 7, 20)
  assert.equal(lists(run(scores.slice(0, 20), 7, 0, tail)), whole)
  const sorted = scores.map((value, index) => ({ value, index })).sort((a, b) => b.value - a.value || a.index - b.index)
  assert.equal(whole, [sorted.slice(0, 7).map(e => e.value), sorted.slice(0, 7).map(e => e.index)])
})

test('fill writes count values', () => {
  const x = Float64Array.of(1, 2, 3)
  reference.fill({ x }, { count: 2, value: 5 })
  assert.equal(Array.from(x), [5, 5, 3])
})

test.run()
