// Files of answers to open-domain questions, a JSON line a question: {"_id", "answers": ["…" or {"text", "type", "aliases"}, …]}, or MKQA's own
// (Longpre et al. 2021), whose answers are lists by language: {"example_id", "answers": {"de": [{"type", "text", "aliases"}], …}}.
import { describeValue, readJsonLines } from './jsonl.js'

export interface Answer {
  readonly text: string
  /** MKQA's: entity, date, number, number_with_unit, short_phrase, or another that no passage can hold. */
  readonly type?: string
  readonly aliases?: readonly string[]
}

type Fields = Record<string, unknown>

/** `language`: of answers by language; needed where a line has them so. */
export async function readAnswers(path: string, language?: string): Promise<Map<string, Answer[]>> {
  const all = new Map<string, Answer[]>()
  for await (const { value, line } of readJsonLines(path)) {
    const place = `${path}:${line}`
    const id = idOf(value, place)
    if (all.has(id)) throw new Error(`${place}: the question ${id} is there twice`)
    all.set(
      id,
      listOf(value.answers, place, language).map((each, i) => answerOf(each, `${place}: answers[${i}]`)),
    )
  }
  if (all.size === 0) throw new Error(`${path} is empty; expected a line a question: {"_id", "answers": ["…"]}`)
  return all
}

function idOf({ _id, example_id, query_id }: Fields, place: string): string {
  const id = _id ?? example_id ?? query_id
  if (typeof id === 'string' || typeof id === 'number') return String(id)
  throw new Error(`${place}: expected the question's id as "_id" or "example_id", found ${describeValue(id)}`)
}

function listOf(answers: unknown, place: string, language: string | undefined): unknown[] {
  if (Array.isArray(answers)) return answers
  if (typeof answers !== 'object' || answers === null)
    throw new Error(`${place}: expected a list as "answers", or lists by language, found ${describeValue(answers)}`)
  const known = Object.keys(answers).join(', ')
  if (language === undefined)
    throw new Error(`${place}: "answers" are by language (${known}); say which with --language`)
  const own = (answers as Fields)[language]
  if (Array.isArray(own)) return own
  throw new Error(`${place}: no answers in the language ${language}; there are ${known}`)
}

function answerOf(value: unknown, place: string): Answer {
  if (typeof value === 'string') return { text: value }
  const { text, type, aliases } = (typeof value === 'object' && value !== null ? value : {}) as Fields
  // MKQA's unanswerable questions have no text.
  if (text !== null && text !== undefined && typeof text !== 'string')
    throw new Error(`${place}: expected a string as "text", found ${describeValue(text)}`)
  if (text === undefined && type === undefined)
    throw new Error(`${place}: expected a string, or an object with "text", found ${describeValue(value)}`)
  const others = Array.isArray(aliases) ? aliases.filter(each => typeof each === 'string') : []
  return {
    text: text ?? '',
    ...(typeof type === 'string' && { type }),
    ...(others.length > 0 && { aliases: others }),
  }
}
