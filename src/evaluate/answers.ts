// Open-domain answers: a query is answered where an answer's tokens stand together in one of the first k passages (DPR's has_answer, the rules that
// MKQA is scored by as cross-lingual retrieval: Accuracy@k). Text is compared in Unicode's NFD, in lower case.
import type { Answer } from '../data/answers.js'

/** Kinds of MKQA's answers that no passage can hold; queries with only such are left out. */
export const SKIPPED_TYPES: ReadonlySet<string> = new Set(['unanswerable', 'binary', 'long_answer'])

/** Words with their marks, and every other visible character by itself. */
const TOKEN = /[\p{L}\p{N}\p{M}]+|[^\p{Z}\p{C}]/gu

export const answerTokens = (text: string): string[] => text.normalize('NFD').toLowerCase().match(TOKEN) ?? []

/** Whether the tokens of `part` stand in `whole` one behind another. An empty part never does. */
export function holdsTokens(whole: readonly string[], part: readonly string[]): boolean {
  if (part.length === 0) return false
  for (let at = whole.indexOf(part[0]!); at >= 0; at = whole.indexOf(part[0]!, at + 1))
    if (part.every((token, i) => whole[at + i] === token)) return true
  return false
}

/** The answers that a passage may hold, aliases too; undefined where the query is to be left out. */
export function answersOf(answers: readonly Answer[]): string[][] | undefined {
  const kept = answers.filter(({ type }) => type === undefined || !SKIPPED_TYPES.has(type))
  if (kept.length === 0) return undefined
  return kept.flatMap(({ text, aliases = [] }) => [text, ...aliases].map(answerTokens))
}

export interface AnswerScores {
  /** Accuracy@k by k: the share of the queries that are answered within the first k passages. */
  readonly accuracy: ReadonlyMap<number, number>
  /** For each query, the rank of the first passage with an answer, from 1; 0: none. Queries left out are not in it. */
  readonly ranks: ReadonlyMap<string, number>
  readonly skipped: number
}

/** `run`: ids of documents, best first. `textOf`: a document's text, its title in front. Queries without results count as not answered. */
export function scoreAnswers(
  answers: ReadonlyMap<string, readonly Answer[]>,
  run: ReadonlyMap<string, readonly string[]>,
  textOf: (document: string) => string,
  cuts: readonly number[] = [10, 100],
): AnswerScores {
  const known = new Map<string, string[]>()
  const tokensOf = (document: string) => {
    const present = known.get(document)
    if (present) return present
    const tokens = answerTokens(textOf(document))
    known.set(document, tokens)
    return tokens
  }
  const ranks = new Map<string, number>()
  const deepest = Math.max(...cuts)
  for (const [query, given] of answers) {
    const wanted = answersOf(given)
    if (!wanted) continue
    const found = (run.get(query) ?? []).slice(0, deepest)
    ranks.set(query, 1 + found.findIndex(document => wanted.some(part => holdsTokens(tokensOf(document), part))))
  }
  const within = (k: number) => [...ranks.values()].filter(rank => rank > 0 && rank <= k).length
  return {
    ranks,
    accuracy: new Map(cuts.map(k => [k, ranks.size === 0 ? 0 : within(k) / ranks.size])),
    skipped: answers.size - ranks.size,
  }
}
