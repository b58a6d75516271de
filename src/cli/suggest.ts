// “did you mean …?” for commands, options and values. The distance is Damerau and Levenshtein's (optimal string alignment).
import { nearest } from '../data/nearest.js'

export { nearest }

/** A clause to end a message with: `; did you mean …?`, or nothing where no name comes near. */
export function didYouMean(wrong: string, names: readonly string[]): string {
  const meant = nearest(wrong, names)
  return meant === undefined ? '' : `; did you mean ${meant}?`
}
