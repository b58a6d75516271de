// Training pairs written in the forms that training-forms.ts reads: ours (FlagEmbedding's and sentence-transformers' too), Tevatron's, DPR's, and lists of
// texts [anchor, positive, negative …].
import type { TrainingPair } from './pairs.js'

export const writtenForms = ['flag_embedding', 'tevatron', 'dpr', 'texts'] as const
export type WrittenForm = (typeof writtenForms)[number]

/** Lines of a JSON Lines file. */
export function* trainingLines(pairs: Iterable<TrainingPair>, form: WrittenForm): Generator<string> {
  let number = 0
  for (const pair of pairs) {
    for (const line of linesOf(pair, form, number)) yield `${JSON.stringify(line)}\n`
    number++
  }
}

function linesOf(pair: TrainingPair, form: WrittenForm, number: number): unknown[] {
  const { query, positives, negatives, positiveScores, negativeScores, prompt } = pair
  const passages = (texts: readonly string[], kind: string) =>
    texts.map((text, i) => ({ docid: `${number}-${kind}${i}`, title: '', text }))
  const contexts = (texts: readonly string[]) => texts.map(text => ({ title: '', text }))
  switch (form) {
    case 'flag_embedding':
      return [
        {
          ...{ query, pos: positives, neg: negatives },
          ...(positiveScores && { pos_scores: positiveScores, neg_scores: negativeScores ?? [] }),
          ...(prompt !== undefined && { prompt }),
        },
      ]
    case 'tevatron':
      return [
        {
          ...{ query_id: String(number), query },
          ...{ positive_passages: passages(positives, 'p'), negative_passages: passages(negatives, 'n') },
        },
      ]
    case 'dpr':
      return [
        {
          ...{ question: query, answers: [], positive_ctxs: contexts(positives) },
          ...{ negative_ctxs: [], hard_negative_ctxs: contexts(negatives) },
        },
      ]
    case 'texts':
      return positives.map(positive => [query, positive, ...negatives])
    default:
      return form satisfies never
  }
}
