// Kinds of values in a recipe. A message is the phrase after “expected”.
import * as v from 'valibot'
import { parseMeasure } from '../evaluate/measures.js'

export const LARGEST = Number.MAX_SAFE_INTEGER

export const integer = (least: number, most = LARGEST) => {
  const expected = most === LARGEST ? `an integer of ${least} or more` : `an integer from ${least} to ${most}`
  return v.pipe(v.number(expected), v.safeInteger(expected), v.minValue(least, expected), v.maxValue(most, expected))
}
export const above = (bound: number) => {
  const expected = `a number above ${bound}`
  return v.pipe(v.number(expected), v.gtValue(bound, expected))
}
export const between = (least: number, most: number) => {
  const expected = `a number from ${least} to ${most}`
  return v.pipe(v.number(expected), v.minValue(least, expected), v.maxValue(most, expected))
}
export const probability = () => {
  const expected = 'a number from 0 to below 1'
  return v.pipe(v.number(expected), v.minValue(0, expected), v.ltValue(1, expected))
}
export const text = (expected: string) => v.pipe(v.string(expected), v.regex(/\S/, expected))
/** What every file system takes as a name. */
export const fileName = () => {
  const expected = 'a name for files: no / \\ : * ? " < > | and no leading dot'
  return v.pipe(v.string(expected), v.regex(/^(?![. ])[^/\\:*?"<>|\p{Cc}]+$/u, expected))
}
export const flag = () => v.boolean('true or false')
export const choice = <const T extends readonly string[]>(options: T) =>
  v.picklist(options, `one of ${options.map(option => JSON.stringify(option)).join(', ')}`)
export const list = <S extends v.GenericSchema>(item: S, expected: string) =>
  v.pipe(v.array(item, expected), v.minLength(1, expected))

/** Why a name is no measure, or undefined where it is one. */
function measureProblem(name: string): string | undefined {
  try {
    parseMeasure(name)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
export const measure = () =>
  v.pipe(
    v.string('the name of a measure, such as "ndcg_at_10"'),
    v.check(
      name => measureProblem(name) === undefined,
      issue => measureProblem(issue.input) ?? '',
    ),
  )
