// LoRA against full fine-tuning in points of the measure, with sign and significance: a row a way of training, and all of them in a sentence.
import type { RelativeBasis } from '../evaluate/relative.js'
import type { CellResult } from './result.js'
import { compareGroups, pairsBy, pText, type SeedGroup, type StudyTable, seedGroups } from './tables.js'

const DOMAINS = ['out', 'in'] as const
const NAMES = { out: 'out of domain', in: 'in domain' }

const methodPairs = (groups: readonly SeedGroup[]) => pairsBy(groups, 'method', 'full')

/** LoRA − FT in points of the measure, a row a way of training. */
export function differenceTable(groups: readonly SeedGroup[], basis: RelativeBasis): StudyTable {
  const cell = (compared: ReturnType<typeof compareGroups>): string[] => {
    if (!compared) return ['–', '', '–']
    const { difference, p, mark } = compared
    const verdict = { up: 'LoRA higher ▲', down: 'LoRA lower ▼', '': 'no difference found' }[mark]
    return [signed(100 * difference), pText(p), verdict]
  }
  return {
    title: 'LoRA − FT, in points',
    head: ['trained', ...DOMAINS.flatMap(domain => [NAMES[domain], 'test', 'so'])],
    rows: methodPairs(groups).map(({ label, old, now }) => [
      label,
      ...DOMAINS.flatMap(domain => cell(compareGroups(old, now, domain, basis))),
    ]),
  }
}

/** In how many ways of training LoRA is above full fine-tuning, and below it. */
export function differenceText(cells: readonly CellResult[], basis: RelativeBasis): string {
  const pairs = methodPairs(seedGroups(cells))
  return DOMAINS.flatMap(domain => {
    const found = pairs.flatMap(({ old, now }) => compareGroups(old, now, domain, basis) ?? [])
    if (found.length === 0) return []
    const count = (test: (each: (typeof found)[number]) => boolean) => found.filter(test).length
    const mean = found.reduce((sum, { difference }) => sum + difference, 0) / found.length
    return [
      `${NAMES[domain]}, LoRA − FT is ${signed(100 * mean)} points in the mean of ${found.length} ways of training: above 0 in ` +
        `${count(({ difference }) => difference > 0)} (${count(({ mark }) => mark === 'up')} significant), below in ` +
        `${count(({ difference }) => difference < 0)} (${count(({ mark }) => mark === 'down')} significant).`,
    ]
  })
    .map(line => line[0]!.toUpperCase() + line.slice(1))
    .join(' ')
}

/** 1.24 → '+1.2'; there is no sign on a figure that rounds to 0. */
function signed(value: number): string {
  const text = Math.abs(value).toFixed(1)
  return `${Number(text) === 0 ? '' : value < 0 ? '−' : '+'}${text}`
}
