// A comparison as a run might leave it: numbers drawn by a fixed rule, texts made up.
import type { ComparisonRecord, Curve, Example, Score, System, TestScore } from '../../src/run/report/record.js'

const SYSTEMS: readonly System[] = [
  { name: 'BM25', kind: 'baseline', description: 'words in common, weighted by how rare they are; nothing is trained' },
  { name: 'Random encoder', kind: 'untrained', description: 'the encoder before training' },
  {
    name: 'LoRA',
    kind: 'trained',
    description: 'low-rank updates of query and value',
    parameters: 49_152,
    seconds: 318.2,
    tokensPerSecond: 21_480,
    peakBytes: 311_000_000,
  },
  {
    name: 'Full fine-tuning',
    kind: 'trained',
    description: 'every weight is trained',
    parameters: 4_386_816,
    seconds: 402.9,
    tokensPerSecond: 17_020,
    peakBytes: 402_000_000,
  },
]
const MEANS: Record<string, readonly [number, number]> = {
  BM25: [0.712, 0.703],
  'Random encoder': [0.214, 0.203],
  LoRA: [0.402, 0.261],
  'Full fine-tuning': [0.641, 0.312],
}
const TRAINED_ON = ['astronomy', 'bees', 'bridges', 'cheese', 'clocks']
const NEVER_SEEN = ['dyes', 'glaciers', 'knots', 'Ψ rivers & <deltas>', 'volcanoes']
const MEASURES = ['ndcg_at_10', 'mrr_at_10', 'recall_at_100']
const LIFT: Record<string, number> = { ndcg_at_10: 0, mrr_at_10: -0.03, recall_at_100: 0.2 }
const GROUPS = [
  { name: 'in', title: 'areas trained on', tests: TRAINED_ON, queries: 612 },
  { name: 'out', title: 'areas never seen', tests: NEVER_SEEN, queries: 598 },
]

/** Between −1 and 1, the same for the same number. */
const wobble = (n: number) => Math.sin(n * 12.9898) * Math.cos(n * 4.1414)

const mean = (system: string, group: number, measure: string) =>
  Math.round(1e4 * Math.min(1, MEANS[system]![group]! + LIFT[measure]!)) / 1e4

const scores: Score[] = SYSTEMS.flatMap(({ name, kind }) =>
  GROUPS.flatMap((group, g) =>
    MEASURES.map(measure => {
      const here = mean(name, g, measure)
      const others = kind === 'trained' ? ['Random encoder', 'BM25'] : []
      const against = others.map(system => ({
        system,
        difference: here - mean(system, g, measure),
        p: name === 'LoRA' && g === 1 && system === 'Random encoder' ? 0.067 : 0.0002,
      }))
      return { system: name, group: group.name, measure, mean: here, low: here - 0.021, high: here + 0.019, against }
    }),
  ),
)

const tables: TestScore[] = SYSTEMS.flatMap(({ name }, s) =>
  GROUPS.flatMap((group, g) =>
    group.tests.flatMap((test, t) =>
      MEASURES.map(measure => ({
        system: name,
        test,
        measure,
        mean: Math.min(1, mean(name, g, measure) + 0.06 * wobble(10 * t + s)),
      })),
    ),
  ),
)

/** A falling loss with noise; a dev score every tenth of the way. */
export const curve = (system: string, steps: number, floor = 0.6): Curve => ({
  system,
  devMeasure: 'ndcg_at_10',
  steps: Array.from({ length: steps }, (_, step) => ({
    step,
    loss: floor + 2.6 * Math.exp((-5 * step) / steps) + 0.25 * wobble(step + floor),
    learningRate: 5e-4 * Math.min(step / (steps / 10), (steps - step) / (0.9 * steps)),
    gradientNorm: 1 + 2 * Math.exp((-8 * step) / steps) + 0.4 * wobble(step + 7),
    ...(step % Math.ceil(steps / 10) === 0 && { devScore: 0.65 - 0.45 * Math.exp((-6 * step) / steps) - floor / 10 }),
  })),
})

const QUERIES = [
  ['bees', 'how do bees tell each other where flowers are', 'The waggle dance'],
  ['astronomy', 'why is the moon sometimes red', 'Lunar eclipses'],
  ['knots', 'which knot does not slip when the rope is wet', 'The double fisherman’s bend'],
  ['glaciers', 'how fast does ice flow', 'Glacier motion'],
  ['Ψ rivers & <deltas>', 'ποταμός: что такое дельта реки?', '三角洲: where a river meets the sea'],
  ['clocks', 'what keeps a pendulum swinging', 'The escapement'],
  ['cheese', 'where do the holes come from', 'Eyes in Emmental'],
  ['bridges', 'can a bridge shake itself apart', 'Resonance and flutter'],
  ['dyes', 'purple from snails', 'Tyrian purple'],
  ['volcanoes', 'glass from a volcano', 'Obsidian'],
] as const

const examples: Example[] = QUERIES.map(([test, query, title], i) => ({
  test,
  query,
  relevant: [`${title}: the passage that answers it`],
  results: SYSTEMS.map(({ name }, s) => {
    const rank = [1, 14, 3, 1][(s + (i % 3 === 2 ? 1 : 0)) % 4]!
    const text = (place: number) =>
      place + 1 === rank
        ? `${title}: the passage that answers it`
        : `Passage ${1 + Math.floor(50 * Math.abs(wobble(i + s + place)))} of ${test}, which is about something near, in a sentence of some length`
    const found = [0, 1, 2].map(place => ({ text: text(place), relevant: place + 1 === rank }))
    const score = rank > 10 ? 0 : 1 / Math.log2(rank + 1)
    return { system: name, score, found, ...(!(i === 1 && s === 1) && { rank }) }
  }),
}))

export const comparison: ComparisonRecord = {
  name: 'Ten areas',
  question: 'Does a small encoder trained from nothing learn to search, and does it carry over to areas it never saw?',
  notes: [
    'The encoder starts from random numbers: it knows nothing but these texts.',
    'Intervals are over queries, for one seed: they do not tell how much another seed would change.',
  ],
  command: 'npx wgpu-retrieve run recipes/areas.toml --seed 1',
  version: '0.1.0',
  started: '2025-03-04T05:06:07.000Z',
  seconds: { total: 912.3, training: 721.1, scoring: 122.4 },
  machine: {
    backend: 'WebAssembly',
    device: 'AMD EPYC, 2 cores',
    threads: '2',
    'matmul, measured': '113 GFLOP/s',
  },
  model: { name: 'mini encoder', layers: 4, hidden: 256, vocabulary: 8192 },
  recipe: 'name = "areas"\nseed = 1\n\n[train]\nmethod = "full"\nepochs = 3\n',
  systems: SYSTEMS,
  tests: [...TRAINED_ON, ...NEVER_SEEN].map((name, i) => ({
    name,
    split: 'test',
    domain: i < 5 ? ('in' as const) : ('out' as const),
    queries: 100 + i * 4,
    documents: 1_200 + 37 * i,
  })),
  measures: MEASURES,
  groups: GROUPS,
  scores,
  tables,
  curves: [curve('LoRA', 900, 1.1), curve('Full fine-tuning', 900)],
  examples,
  exampleChoice: 'Drawn by lot, one of each area.',
  warnings: [],
}
