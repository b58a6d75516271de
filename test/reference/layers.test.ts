// The references against themselves: each backward form against central differences of its forward form, the others against a second way
// of saying the same. A wrong reference would make wrong kernels right.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ACTIVATIONS, POOLINGS } from '../../src/backend/layer-kernels.js'
import { tokenKey } from '../../src/backend/random.js'
import { offsetsOf } from '../support/values.js'
import { close, differences, dot, dropping, keeping, normal, zeros } from './differences.js'
import { erf, erfc } from './error-function.js'
import { reference } from './reference.js'

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
    const params = { rows, columns, epsilon, hasResidual: 1, hasBeta: 1, ...dropping }
    reference.layer_norm_forward({ x, residual, keys, gamma, beta, sum, y, stats }, params)
    return { sum, y, stats, scalar: dot(y, dy) }
  }
  const { sum, stats } = forward()
  const [dz, dx, dgamma, dbeta] = [normal(rows * columns), zeros(rows * columns), zeros(columns), zeros(columns)]
  const before = dz.slice()
  const dbranch = zeros(rows * columns)
  const masked = { hasBranch: 1, ...dropping }
  reference.layer_norm_backward(
    { dy, z: sum, stats, gamma, dz, keys, dbranch },
    { rows, columns, accumulate: 1, ...masked },
  )
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
  reference.layer_norm_parameters({ dy, z: sum, stats, dgamma, dbeta }, { rows, columns, hasBeta: 1 })
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
  const params = { rows, columns, epsilon: 0, hasResidual: 0, hasBeta: 1, ...keeping }
  reference.layer_norm_forward({ x, ...optional, gamma: ones, beta: zeros(columns), y, stats }, params)
  for (let row = 0; row < rows; row++) {
    const values = y.subarray(row * columns, (row + 1) * columns)
    assert.ok(Math.abs(dot(values, ones)) < 1e-11 && Math.abs(dot(values, values) - columns) < 1e-11)
    const first = x[row * columns]!
    assert.ok(Math.abs(values[0]! / stats[row * 2 + 1]! + stats[row * 2]! - first) < 1e-12)
  }
})

test('rms_norm_backward and rms_norm_parameters, with residual and dropout', () => {
  const [rows, columns, epsilon, plus] = [3, 7, 1e-2, 1]
  const keys = Uint32Array.of(9, 10, 70000)
  const [x, residual, dy] = [normal(rows * columns), normal(rows * columns, 2), normal(rows * columns)]
  const gamma = normal(columns)
  const forward = () => {
    const [sum, y, stats] = [zeros(rows * columns), zeros(rows * columns), zeros(rows)]
    const params = { rows, columns, epsilon, plus, hasResidual: 1, ...dropping }
    reference.rms_norm_forward({ x, residual, keys, gamma, sum, y, stats }, params)
    return { sum, y, stats, scalar: dot(y, dy) }
  }
  const { sum, stats } = forward()
  const [dz, dgamma] = [normal(rows * columns), zeros(columns)]
  const before = dz.slice()
  const dbranch = zeros(rows * columns)
  const params = { rows, columns, plus, accumulate: 1, hasBranch: 1, ...dropping }
  reference.rms_norm_backward({ dy, z: sum, stats, gamma, dz, keys, dbranch }, params)
  reference.rms_norm_parameters({ dy, z: sum, stats, dgamma }, { rows, columns })
  const gradient = dz.map((value, i) => value - before[i]!)
  close(
    'dresidual',
    gradient,
    differences(residual, () => forward().scalar),
  )
  close(
    'dgamma',
    dgamma,
    differences(gamma, () => forward().scalar),
  )
})

test('rms_norm_forward without a residual: the mean square is 1, times gamma + plus', () => {
  const [rows, columns] = [2, 100]
  const [x, y, stats] = [normal(rows * columns, 3), zeros(rows * columns), zeros(rows)]
  const optional = { residual: undefined, keys: undefined, sum: undefined }
  const params = { rows, columns, epsilon: 0, plus: 1, hasResidual: 0, ...keeping }
  reference.rms_norm_forward({ x, ...optional, gamma: zeros(columns).fill(2), y, stats }, params)
  for (const row of [y.subarray(0, columns), y.subarray(columns)])
    assert.ok(Math.abs(dot(row, row) - 9 * columns) < 1e-10)
  assert.ok(Math.abs(y[3]! / x[3]! - 3 * stats[0]!) < 1e-14)
})

test('activation_backward of every activation; the GELUs are close, and activations are x, 0 or 1 far out', () => {
  const x = Float64Array.from([-9, -3, -1, -0.1, 0.01, 0.2, 0.9, 2.5, 8])
  const [dy, dx] = [normal(x.length), zeros(x.length)]
  const forms = ACTIVATIONS.map((name, kind) => {
    const forward = () => {
      const y = zeros(x.length)
      reference.activation_forward({ x, y }, { count: x.length, kind })
      return y
    }
    reference.activation_backward({ x, dy, dx }, { count: x.length, kind })
    close(
      name,
      dx,
      differences(x, () => dot(forward(), dy)),
    )
    return forward()
  })
  assert.ok(Math.abs(forms[0]![6]! - 0.9 * 0.8159398746532405) < 1e-15)
  close('tanh form', forms[1]!, forms[0]!, 1e-3)
  assert.ok(forms.slice(0, 2).every(y => Math.abs(y[8]! - 8) < 1e-12 && Math.abs(y[0]!) < 1e-12))
  assert.ok(Math.abs(forms[2]![6]! - 0.9 / (1 + Math.exp(-0.9))) < 1e-15)
  assert.equal([forms[3]![1], forms[3]![7], forms[4]![7]], [0, 2.5, Math.tanh(2.5)])
})

test('gated_activation_backward', () => {
  const [gate, up, dy] = [normal(9), normal(9), normal(9)]
  const forward = (kind: number) => {
    const y = zeros(9)
    reference.gated_activation_forward({ gate, up, y }, { count: 9, kind })
    return y
  }
  for (const [kind, name] of ACTIVATIONS.entries()) {
    const [dgate, dup] = [zeros(9), zeros(9)]
    reference.gated_activation_backward({ gate, up, dy, dgate, dup }, { count: 9, kind })
    const scalar = () => dot(forward(kind), dy)
    close(`${name}, gate`, dgate, differences(gate, scalar))
    close(`${name}, up`, dup, differences(up, scalar))
    const plain = zeros(9)
    reference.activation_forward({ x: gate, y: plain }, { count: 9, kind })
    assert.equal(
      forward(kind),
      plain.map((value, i) => value * up[i]!),
    )
  }
})

test('pool_backward of every way of pooling, with and without starts', () => {
  const offsets = offsetsOf([1, 4, 3])
  const [sequences, columns] = [3, 2]
  const [x, dout] = [normal(8 * columns), normal(sequences * columns)]
  for (const mode of POOLINGS.keys())
    for (const hasStarts of [0, 1]) {
      const starts = Int32Array.of(0, 2, 3)
      const scalar = () => {
        const out = zeros(sequences * columns)
        reference.pool_forward({ x, offsets, starts, out }, { sequences, columns, mode, hasStarts })
        return dot(out, dout)
      }
      const dx = zeros(8 * columns).fill(Number.NaN)
      const params = { sequences, columns, mode, hasStarts }
      reference.pool_backward({ x, dout, offsets, starts, dx }, { ...params, accumulate: 0 })
      close(`mode ${mode}`, dx, differences(x, scalar))
      reference.pool_backward({ x, dout, offsets, starts, dx }, { ...params, accumulate: 1 })
      close(
        `mode ${mode} twice`,
        dx,
        differences(x, () => 2 * scalar()),
      )
    }
})

test('every way of pooling by its definition', () => {
  const x = Float64Array.of(5, 1, -2, 4, 7, 3)
  const offsets = Int32Array.of(0, 6)
  const pooled = (pooling: (typeof POOLINGS)[number], start?: number) => {
    const out = zeros(1)
    const params = { sequences: 1, columns: 1, mode: POOLINGS.indexOf(pooling), hasStarts: start === undefined ? 0 : 1 }
    reference.pool_forward({ x, offsets, starts: Int32Array.of(start ?? 0), out }, params)
    return out[0]!
  }
  const near = (found: number, expected: number) =>
    assert.ok(Math.abs(found - expected) < 1e-14, `${found}, ${expected}`)
  near(pooled('mean'), 3)
  near(pooled('mean', 2), 3)
  near(pooled('cls', 2), -2)
  near(pooled('max', 5), 3)
  near(pooled('max'), 7)
  near(pooled('mean_sqrt_len', 2), 12 / 2)
  near(pooled('weightedmean'), (5 + 2 - 6 + 16 + 35 + 18) / 21)
  near(pooled('weightedmean', 4), (35 + 18) / 11)
  near(pooled('lasttoken'), 3)
  near(pooled('lasttoken', 6), 0)
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

test.run()
