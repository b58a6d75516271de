// Directions in which vectors vary: orthonormal, decorrelated, most first; rows turned and turned back.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { directionsOf, orthonormal, turnRows } from '../../src/retrieve/rotation.js'
import { seededValues } from '../support/values.js'

const random = seededValues(77)

/** How far the columns are from orthonormal. */
function worstProduct(columns: ArrayLike<number>, width: number): number {
  let worst = 0
  for (let i = 0; i < width; i++)
    for (let j = 0; j < width; j++) {
      let product = 0
      for (let row = 0; row < width; row++) product += columns[row * width + i]! * columns[row * width + j]!
      worst = Math.max(worst, Math.abs(product - (i === j ? 1 : 0)))
    }
  return worst
}

for (const width of [1, 7, 48, 128])
  test(`${width} columns: orthonormal, and the variances that were planted`, () => {
    const axes = orthonormal(Float64Array.from(random.normal(width * width)), width)
    assert.ok(worstProduct(axes, width) < 1e-12)
    // Deviation 2^−i along axis i: each is told from its neighbours
    const rows = 2000
    const turned = random.normal(rows * width).map((value, at) => value * 0.5 ** (at % width))
    const back = turnRows(turned, Float32Array.from(axes), width, true)
    const again = turnRows(back, Float32Array.from(axes), width)
    assert.ok(again.every((value, at) => Math.abs(value - turned[at]!) < 1e-5))
    const found = directionsOf(back, width)!
    assert.ok(worstProduct(found, width) < 1e-12)
    const variances = new Float64Array(width)
    turnRows(back, Float32Array.from(found), width).forEach((value, at) => {
      variances[at % width]! += value ** 2 / rows
    })
    for (let i = 0; i < Math.min(width, 8); i++)
      assert.ok(Math.abs(variances[i]! * 4 ** i - 1) < 0.2, `direction ${i}: ${variances[i]! * 4 ** i}`)
  })

test('vectors that vary in fewer directions than columns, or in none', () => {
  const width = 20
  const rows = new Float32Array(50 * width).map((_, at) => (at % width === 3 ? Math.sin(at) : 0))
  const found = directionsOf(rows, width)!
  assert.ok(worstProduct(found, width) < 1e-12)
  assert.ok(Math.abs(Math.abs(found[3 * width]!) - 1) < 1e-6, 'the first direction is the column that varies')
  assert.is(directionsOf(new Float32Array(50 * width), width), undefined)
})

test('columns that depend on each other are no rotation', () => {
  assert.throws(() => orthonormal(Float64Array.of(1, 0, 1, 0), 2), /depend on each other: column 1/)
  assert.throws(() => orthonormal(new Float64Array(4), 2), /column 0/)
})

test.run()
