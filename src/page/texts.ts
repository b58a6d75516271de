// Texts out of what people drop or paste.

/** One a line; of JSON Lines the "text" (after the "title"), of plain text with blank lines a paragraph each. */
export function textsIn(name: string, content: string): string[] {
  if (content.includes('\0') || content.startsWith('%PDF'))
    throw new Error(`${name} is not plain text: expected .txt, .md, .csv or .jsonl with "text"`)
  const lines = content.split(/\r?\n/).map(line => line.trim())
  if (/\.jsonl?$/.test(name)) return lines.filter(Boolean).map((line, i) => textOfJson(line, `${name}:${i + 1}`))
  const paragraphs = content.split(/\r?\n\s*\r?\n/).map(each => each.replace(/\s+/g, ' ').trim())
  const prose = /\.(txt|md)$/.test(name) && paragraphs.length > 1
  return (prose ? paragraphs : lines).filter(Boolean)
}

function textOfJson(line: string, place: string): string {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new Error(`${place}: expected a JSON object a line`)
  }
  const { title = '', text } = (typeof value === 'object' && value !== null ? value : {}) as {
    title?: unknown
    text?: unknown
  }
  if (typeof text !== 'string') throw new Error(`${place}: expected an object with a string "text"`)
  return [title, text].filter(Boolean).join(' ')
}
