// Texts to learn a vocabulary from, one after another, wherever they lie.
import { isFolder, readLineBlocks } from '../runtime/files.js'
import { documentText, readDocuments } from './collection.js'
import { describeValue, excerpt, hasKeys } from './jsonl.js'

/**
 * The documents of a BEIR folder; the lines of a .txt file, without their ends; or those of JSON Lines: strings, objects
 * with "text" and perhaps "title", or training pairs {"query", "pos", "neg"}, all of whose texts count. `.gz` is welcome,
 * `-` is JSON Lines on standard input. Fails at a line that is none of these, naming it.
 */
export async function* readTexts(path: string): AsyncGenerator<string> {
  if (path !== '-' && (await isFolder(path))) {
    for await (const document of readDocuments(path)) yield documentText(document)
    return
  }
  const plain = /\.txt(\.gz)?$/i.test(path)
  let number = 0
  for await (const lines of readLineBlocks(path))
    for (const line of lines) {
      number++
      if (plain) yield line
      else if (line.trim() !== '') yield* textsOf(line, `${path === '-' ? 'standard input' : path}:${number}`)
    }
}

function textsOf(line: string, place: string): string[] {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new Error(`${place}: expected JSON, found ${excerpt(line)}; a file of plain lines is to end in .txt`)
  }
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${place}: expected a string or an object with "text", found ${describeValue(value)}`)
  const { title, text, query, pos, neg } = value as Record<string, unknown>
  if (typeof text === 'string') return [documentText({ title: typeof title === 'string' ? title : '', text })]
  const texts = [query, pos, neg].flat().filter(each => typeof each === 'string')
  if (texts.length === 0)
    throw new Error(
      `${place}: expected "text", or "query", "pos" and "neg"; ${hasKeys(value as Record<string, unknown>)}`,
    )
  return texts
}
