// Ten queries of a run with what each system found. No hand chose them: of those whose score training changed, evenly spaced from the greatest loss to
// the greatest gain.
import type { Collection } from '../data/collection.js'
import type { System } from './record.js'
import type { Example } from './report/record.js'
import type { Test } from './tests.js'

const EXAMPLES = 10

/** For the report. */
export const EXAMPLE_CHOICE =
  'Of the queries whose score changed, evenly spaced from the greatest loss to the greatest gain; not chosen by hand.'

const FOUND = 3
const EXCERPT = 90

export function examplesOf(tests: readonly Test[], systems: readonly System[], measure: string): Example[] {
  const before = systems.find(({ kind }) => kind === 'untrained')
  const after = systems.find(({ kind }) => kind === 'trained')
  if (!before || !after) return []
  const gains = tests.flatMap(({ tokenized }, test) =>
    tokenized.collection.queries.ids.flatMap((id, query) => {
      const [old, now] = [before, after].map(({ results }) => results[test]!.perQuery[id]?.[measure])
      return old === undefined || now === undefined ? [] : [{ test, id, query, gain: now - old }]
    }),
  )
  const changed = gains.filter(({ gain }) => gain !== 0)
  const ordered = (changed.length > 0 ? changed : gains).sort(
    (a, b) => a.gain - b.gain || a.test - b.test || a.query - b.query,
  )
  const count = Math.min(EXAMPLES, ordered.length)
  const chosen = Array.from(
    { length: count },
    (_, i) => ordered[count === 1 ? 0 : Math.round((i * (ordered.length - 1)) / (count - 1))]!,
  )
  const shown = systems.filter(system => system === before || system.kind === 'trained')
  const textOf = textsByCollection()
  return chosen.map(({ test, id, query }) => {
    const { name, tokenized } = tests[test]!
    const { collection } = tokenized
    const relevant = [...(collection.qrels.get(id) ?? [])]
      .filter(([, grade]) => grade > 0)
      .map(([document]) => document)
    return {
      test: name,
      query: collection.queries.texts[query]!,
      relevant: relevant.slice(0, FOUND).map(document => textOf(collection, document)),
      results: shown.map(({ label, results }) => {
        const found = results[test]!.run.get(id) ?? []
        const rank = found.findIndex(result => relevant.includes(result.id))
        return {
          system: label,
          score: results[test]!.perQuery[id]![measure]!,
          found: found
            .slice(0, FOUND)
            .map(result => ({ text: textOf(collection, result.id), relevant: relevant.includes(result.id) })),
          ...(rank >= 0 && { rank: rank + 1 }),
        }
      }),
    }
  })
}

/** The beginning of a document's text, by id. */
function textsByCollection(): (collection: Collection, id: string) => string {
  const rows = new Map<Collection, Map<string, number>>()
  return (collection, id) => {
    const byId = rows.get(collection) ?? new Map(collection.documents.ids.map((each, i) => [each, i]))
    rows.set(collection, byId)
    const row = byId.get(id)
    return row === undefined ? id : excerpt(collection.documents.texts[row]!)
  }
}

function excerpt(text: string): string {
  if (text.length <= EXCERPT) return text
  const cut = text.lastIndexOf(' ', EXCERPT)
  return `${text.slice(0, cut > EXCERPT / 2 ? cut : EXCERPT)} …`
}
