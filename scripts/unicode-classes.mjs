// JavaScript does not tell combining classes, but swaps marks by them: U+0334 has the lowest (1), U+0345 the highest
// (240).
export const swaps = (before, after) => `x${before}${after}`.normalize('NFD') === `x${after}${before}`

export const isCombining = text =>
  [...text.normalize('NFD')].every(char => swaps(char, '\u0334') || swaps('\u0345', char))

/** Combining characters by their classes, the lowest first. */
export function classesOf(texts) {
  const classes = []
  for (const text of texts) {
    const same = classes.find(members => !swaps(members[0], text) && !swaps(text, members[0]))
    if (same) same.push(text)
    else classes.push([text])
  }
  return classes.sort(([a], [b]) => (swaps(b, a) ? -1 : 1))
}
