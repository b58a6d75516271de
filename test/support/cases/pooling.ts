// Pooling, in every way, over all of a sequence and from a position on.
import { POOLINGS } from '../../../src/backend/layer-kernels.js'
import { offsetsOf, seededValues } from '../values.js'
import { caseOf, type KernelCase } from './case.js'
import { MANY_ROWS } from './rows.js'

const random = seededValues(106)
const manyLengths = new Array<number>(MANY_ROWS).fill(1)
const lengths = [[1], [3, 1, 5], [1, 2, 31, 32, 33, 130], [257, 1]]
const columns = [1, 7, 384, 65]

interface Setting {
  readonly lengths: readonly number[]
  readonly columns: number
  readonly mode: number
  readonly hasStarts: number
  readonly sequences?: number
}

const settings = (): Setting[] => [
  ...POOLINGS.flatMap((_, mode) =>
    lengths.flatMap((each, i) => [0, 1].map(hasStarts => ({ lengths: each, columns: columns[i]!, mode, hasStarts }))),
  ),
  { lengths: manyLengths, columns: 2, mode: 0, hasStarts: 0 },
  { lengths: [2, 3], columns: 3000, mode: 0, hasStarts: 0 },
  { lengths: [2, 3], columns: 3, mode: 0, hasStarts: 0, sequences: 0 },
]

/** Some rows of each sequence left out, of every fourth all of them. */
const startsOf = (each: readonly number[]) =>
  Int32Array.from(each, (length, i) => (i % 4 === 3 ? length : Math.floor(length / (2 + (i % 3)))))

const nameOf = ({ lengths: each, columns: width, mode, hasStarts, sequences = each.length }: Setting) =>
  `${POOLINGS[mode]}, ${sequences} sequences from ${each[0]} rows, columns ${width}${hasStarts ? ', starts' : ''}`

export const poolForwardCases = (): KernelCase[] =>
  settings().map(setting => {
    const { lengths: each, columns: width, mode, hasStarts, sequences = each.length } = setting
    const offsets = offsetsOf(each)
    const tensors = {
      x: random.normal(offsets.at(-1)! * width),
      offsets,
      starts: hasStarts ? startsOf(each) : undefined,
      out: each.length * width,
    }
    const params = { sequences, columns: width, mode, hasStarts }
    return caseOf('pool_forward', nameOf(setting), params, tensors, { terms: Math.max(...each.slice(0, 9)) })
  })

export const poolBackwardCases = (): KernelCase[] =>
  settings().flatMap(setting =>
    [0, 1].map(accumulate => {
      const { lengths: each, columns: width, mode, hasStarts, sequences = each.length } = setting
      const offsets = offsetsOf(each)
      const size = offsets.at(-1)! * width
      const tensors = {
        // Few different values, so that some are equal
        x: POOLINGS[mode] === 'max' ? Float32Array.from(random.integers(size, 40)) : undefined,
        dout: random.normal(each.length * width),
        offsets,
        starts: hasStarts ? startsOf(each) : undefined,
        dx: accumulate ? random.normal(size) : size,
      }
      const params = { sequences, columns: width, mode, hasStarts, accumulate }
      return caseOf('pool_backward', `${nameOf(setting)}, accumulate ${accumulate}`, params, tensors)
    }),
  )
