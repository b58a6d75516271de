// Text cut into lines, and gzip unpacked, from whatever gives bytes.

const withoutReturn = (line: string): string => (line.endsWith('\r') ? line.slice(0, -1) : line)

/**
 * The lines of a chunk together, without their ends (\n or \r\n). Not node:readline, which also ends a line at U+2028, U+2029 and a bare \r: all
 * of them may stand inside a JSON string or an id.
 */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  const decoder = new TextDecoder()
  // What follows the last \n, in pieces: a line may be longer than a chunk, and joining at every chunk would be quadratic.
  let rest: string[] = []
  for await (const chunk of chunks) {
    const lines = decoder.decode(chunk, { stream: true }).split('\n')
    rest.push(lines[0]!)
    if (lines.length === 1) continue
    lines[0] = rest.join('')
    rest = [lines.pop()!]
    yield lines.map(withoutReturn)
  }
  const last = rest.join('') + decoder.decode()
  if (last !== '') yield [withoutReturn(last)]
}

export async function* unzipped(chunks: AsyncIterator<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array> {
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { done, value } = await chunks.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
  })
  const reader = packed.pipeThrough(new DecompressionStream('gzip')).getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}
