// The figures that Lee et al. 2023 (arXiv:2311.09765) print in tables 2, 3 and 7, from the scores that they print beside them and in tables 1 and 11.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  comparedMeans,
  compareMeans,
  meanOf,
  type RelativeBasis,
  relativeDifference,
  relativeText,
} from '../../src/evaluate/relative.js'

/** FI TR NF QU SD SF TO AR HO DB FE CL NQ, the average that is printed, MS. */
const scores = {
  'asymmetric FT w/o': [18.6, 64.2, 25.7, 72.4, 7.2, 45.3, 26.8, 31.1, 44.1, 44.1, 57.5, 13.8, 35.7, 37.4, 31.1],
  'asymmetric LoRA w/o': [19.5, 67.9, 27.1, 73.4, 8.0, 49.4, 30.0, 33.8, 45.4, 43.5, 58.7, 15.8, 34.2, 39.0, 30.2],
  'asymmetric FT w/': [17.8, 63.0, 23.5, 69.7, 6.8, 40.6, 20.6, 26.0, 34.8, 32.8, 54.1, 12.6, 36.9, 33.8, 33.2],
  'asymmetric LoRA w/': [19.5, 66.4, 27.1, 73.0, 7.8, 48.6, 29.2, 33.5, 44.7, 42.2, 57.8, 15.2, 34.1, 38.4, 30.9],
  'symmetric FT w/o': [22.9, 36.4, 27.7, 83.4, 13.2, 54.6, 13.5, 41.0, 49.4, 30.3, 60.7, 18.7, 33.7, 37.3, 31.3],
  'symmetric LoRA w/o': [30.1, 39.0, 33.8, 88.2, 11.5, 65.0, 21.7, 34.7, 41.8, 30.9, 70.9, 18.2, 34.8, 40.0, 29.4],
  'symmetric FT w/': [19.0, 34.7, 24.5, 67.1, 9.6, 44.4, 11.9, 32.4, 38.4, 20.2, 56.6, 10.3, 35.4, 31.1, 36.9],
  'symmetric LoRA w/': [25.5, 34.3, 27.9, 62.8, 10.0, 55.7, 16.5, 33.8, 37.8, 22.7, 64.9, 13.8, 30.2, 33.5, 34.6],
  'small FT': [18.5, 63.7, 25.5, 75.1, 6.5, 43.8, 27.9, 28.9, 40.7, 41.5, 54.0, 13.8, 30.4, 36.2, 28.9],
  'small LoRA': [18.6, 71.0, 25.4, 74.4, 7.5, 46.4, 28.7, 29.9, 42.0, 42.4, 56.4, 14.9, 28.1, 37.4, 27.7],
  'medium FT': [18.2, 72.7, 25.8, 74.1, 6.8, 45.9, 27.0, 28.8, 41.0, 41.2, 54.2, 12.9, 31.5, 36.9, 29.9],
  'medium LoRA': [18.8, 71.8, 26.0, 77.1, 7.9, 47.6, 30.0, 30.6, 42.1, 40.7, 57.1, 15.3, 29.8, 38.1, 28.6],
  'large FT': [19.3, 70.0, 26.5, 76.7, 7.5, 47.6, 28.1, 31.5, 42.5, 43.5, 57.0, 14.1, 36.1, 38.5, 32.7],
  'large LoRA': [23.2, 76.7, 28.2, 79.6, 8.5, 54.9, 26.1, 34.1, 45.9, 45.0, 57.3, 15.4, 36.6, 40.9, 31.4],
} as const
type Row = keyof typeof scores
const sets = (row: Row) => scores[row].slice(0, 13)
const average = (row: Row) => scores[row][13]
const inDomain = (row: Row) => scores[row][14]

test('averages over the 13 sets as they are printed', () => {
  // Their means are of unrounded scores: half a tenth of each set's, and half a tenth of the printed mean.
  for (const row of Object.keys(scores) as Row[])
    assert.ok(
      Math.abs(meanOf(sets(row)) - average(row)) <= 0.1,
      `${row}: ${meanOf(sets(row))}, printed ${average(row)}`,
    )
})

/** Old, new, what is printed out of domain and in domain, and the basis by which it is so. */
type Figure = readonly [old: Row, now: Row, out: string, inside: string, basis: RelativeBasis]

const table2: Figure[] = [
  ['asymmetric FT w/o', 'asymmetric LoRA w/o', '+4.1%', '−3.0%', 'new'],
  ['asymmetric FT w/', 'asymmetric LoRA w/', '+12.0%', '−7.4%', 'new'],
  ['symmetric FT w/o', 'symmetric LoRA w/o', '+6.8%', '−6.5%', 'new'],
  ['symmetric FT w/', 'symmetric LoRA w/', '+7.2%', '−6.6%', 'new'],
]
const table3: Figure[] = [
  ['asymmetric FT w/o', 'asymmetric FT w/', '−10.7%', '+6.3%', 'new'],
  ['asymmetric LoRA w/o', 'asymmetric LoRA w/', '−1.6%', '+2.3%', 'new'],
  // In domain 15.7 and 12.9 are printed, which follow from the printed scores by neither basis.
  ['symmetric FT w/o', 'symmetric FT w/', '−19.9%', '+15.2%', 'new'],
  ['symmetric LoRA w/o', 'symmetric LoRA w/', '−19.4%', '+15.0%', 'new'],
]
const table7: Figure[] = [
  ['small FT', 'medium FT', '+1.9%', '+3.5%', 'old'],
  ['small FT', 'asymmetric FT w/o', '+3.3%', '+7.6%', 'old'],
  ['small LoRA', 'medium LoRA', '+1.9%', '+3.2%', 'old'],
  ['small LoRA', 'asymmetric LoRA w/o', '+4.3%', '+9.0%', 'old'],
  ['small LoRA', 'large LoRA', '+9.4%', '+13.4%', 'old'],
]

test('REL. DIFF of tables 2 and 3 by the new value, of table 7 by the old', () => {
  for (const [old, now, out, inside, basis] of [...table2, ...table3, ...table7]) {
    assert.is(relativeText(relativeDifference(average(old), average(now), basis)), out, `${old} → ${now}`)
    assert.is(relativeText(relativeDifference(inDomain(old), inDomain(now), basis)), inside, `${old} → ${now}`)
  }
})

test('table 7, full fine-tuning of the large model: out of domain by the old value, in domain by the new', () => {
  assert.is(relativeText(relativeDifference(36.2, 38.5)), '+6.4%')
  assert.is(relativeText(relativeDifference(28.9, 32.7, 'new')), '+11.6%')
  assert.is(relativeText(relativeDifference(28.9, 32.7, 'old')), '+13.1%')
})

test('by the old value table 2 would read otherwise: 4.3 % as in the text', () => {
  assert.is(relativeText(relativeDifference(37.4, 39)), '+4.3%')
})

/** The exact paired randomisation test over the 13 sets, all 8192 assignments of signs. */
function exactP(old: readonly number[], now: readonly number[]): number {
  const differences = old.map((value, i) => Math.round(10 * (now[i]! - value)))
  const observed = Math.abs(differences.reduce((a, b) => a + b, 0))
  let extreme = 0
  for (let signs = 0; signs < 2 ** differences.length; signs++) {
    const sum = differences.reduce((total, d, i) => total + (signs & (1 << i) ? -d : d), 0)
    if (Math.abs(sum) >= observed) extreme++
  }
  return extreme / 2 ** differences.length
}

test('marks: LoRA out of domain on the 13 sets of tables 2 and 3', () => {
  const marks = [...table2, ...table3].map(([old, now]) => {
    const compared = compareMeans(sets(old), sets(now))
    const p = exactP(sets(old), sets(now))
    assert.ok(Math.abs(compared.p! - p) < 1e-12, `${old} → ${now}: ${compared.p} instead of ${p}`)
    assert.is(compared.mark, p >= 0.05 ? '' : average(now) > average(old) ? 'up' : 'down')
    return compared.mark
  })
  // Significant over sets: the asymmetric one both times; the symmetric one neither time; hard negatives hurt full fine-tuning and LoRA alike.
  assert.equal(marks, ['up', 'up', '', '', 'down', 'down', 'down', 'down'])
})

test('sets count the same however many queries they have; equal systems carry no mark', () => {
  const one = comparedMeans([[0], [1, 1, 1, 1]], [[1], [1, 1, 1, 1]])
  assert.is(one.old, 0.5)
  assert.is(one.now, 1)
  assert.is(one.relative, 100)
  const same = compareMeans([1, 2, 3], [1, 2, 3])
  assert.is(same.mark, '')
  assert.is(same.p, 1)
  assert.is(relativeDifference(0, 0), 0)
  assert.is(relativeText(relativeDifference(0, 1)), '–')
  assert.is(relativeText(relativeDifference(100, 99.99)), '0.0%')
  assert.throws(() => compareMeans([1], [1, 2]), /found 1 and 2/)
  assert.throws(() => comparedMeans([[1], [2]], [[1], [2, 3]]), /test set 1 has 1 and 2/)
})

test.run()
