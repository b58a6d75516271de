// The names of the measures, after trec_eval's: ndcg_at_k is ndcg_cut_k, map_at_k is map_cut_k, mrr is recip_rank,
// precision_at_k is P_k, r_precision is Rprec. Names with _at_k look at the first k results only.
import { nearest } from '../data/nearest.js'

const withCut = ['ndcg', 'map', 'mrr', 'recall', 'precision', 'success'] as const
const withoutCut = ['ndcg', 'map', 'mrr', 'r_precision', 'bpref'] as const

export type MeasureKind = (typeof withCut)[number] | (typeof withoutCut)[number]

export interface Measure {
  readonly name: string
  readonly kind: MeasureKind
  /** The number of results looked at: Infinity without a cut. */
  readonly cut: number
}

const atCuts = (kind: (typeof withCut)[number], cuts: number[]) => cuts.map(k => `${kind}_at_${k}`)

/**
 * What is reported unless something else is asked for: MTEB's measures and those that trec_eval prints without a cut.
 */
export const defaultMeasures: readonly string[] = [
  ...atCuts('ndcg', [1, 3, 5, 10, 20, 100, 1000]),
  ...['map', ...atCuts('map', [10, 100, 1000])],
  ...['mrr', ...atCuts('mrr', [10, 100])],
  ...atCuts('recall', [1, 3, 5, 10, 20, 100, 1000]),
  ...atCuts('precision', [1, 3, 5, 10, 20]),
  ...atCuts('success', [1, 5, 10]),
  ...['r_precision', 'bpref'],
]

/** The default measures that k results can tell: none beyond them. */
export const measuresWithin = (k: number): string[] =>
  defaultMeasures.filter(name => {
    const { cut } = parseMeasure(name)
    return cut <= k || cut === Number.POSITIVE_INFINITY
  })

const everyCut = [1, 3, 5, 10, 15, 20, 30, 100, 200, 500, 1000]

/** Every measure at every cut that trec_eval, BEIR or MTEB prints. */
export const allMeasures: readonly string[] = [...withoutCut, ...withCut.flatMap(kind => atCuts(kind, everyCut))]

// What other tools call them, to suggest ours; never accepted as a name.
const otherNames: Record<string, string> = {
  ap: 'map',
  hit: 'success',
  hit_rate: 'success',
  hits: 'success',
  map_cut: 'map',
  ndcg_cut: 'ndcg',
  p: 'precision',
  r: 'recall',
  recip_rank: 'mrr',
  rprec: 'r_precision',
  rr: 'mrr',
}

/**
 * A measure from its name, such as `ndcg_at_10`, `map` or `bpref`; an unknown name is an error that names the nearest
 * one.
 */
export function parseMeasure(name: string): Measure {
  const [, kind, digits] = name.match(/^([a-z_]+?)(?:_at_([1-9]\d*))?$/) ?? []
  const kinds: readonly string[] = digits === undefined ? withoutCut : withCut
  const cut = digits === undefined ? Number.POSITIVE_INFINITY : Number(digits)
  if (kind !== undefined && kinds.includes(kind)) return { name, kind: kind as MeasureKind, cut }
  const meant = suggest(name)
  throw new Error(
    `unknown measure ${JSON.stringify(name)}${meant ? `: did you mean ${meant}?` : ''} (measures: ${withoutCut.join(', ')}, ` +
      `and with a cut such as 10: ${withCut.map(each => `${each}_at_10`).join(', ')})`,
  )
}

/**
 * The nearest right name: the word and the cut are taken apart, so that NDCG@10, P_5 and recal_at_100 are all
 * understood.
 */
function suggest(name: string): string | undefined {
  const [, word = name, digits] = name.toLowerCase().match(/^(.*?)(?:_at_|_cut_|[@._ -])?0*(\d*)$/) ?? []
  const kinds = digits ? withCut : [...new Set([...withoutCut, ...withCut])]
  const kind = otherNames[word] ?? nearest(word, kinds) ?? nearest(word, withoutCut)
  if (kind === undefined) return undefined
  if ((withCut as readonly string[]).includes(kind) && (digits || !(withoutCut as readonly string[]).includes(kind)))
    return `${kind}_at_${digits || 10}`
  return kind
}
