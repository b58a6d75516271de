// Numbers as a byte stream in a file of AssemblyScript.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Varints of seven bits, the least first; a signed number as twice its size, odd where it is negative. */
export function createStream() {
  const bytes = []
  const put = value => {
    for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80)
    bytes.push(value)
  }
  return { bytes, put, putSigned: value => put(((value << 1) ^ (value >> 31)) >>> 0) }
}

/** assembly/text/<name>-data.ts. */
export function writeStream(name, reader, unicode, constants, bytes) {
  const lines = []
  let line = ''
  for (const byte of bytes) {
    if (line.length + `${byte},`.length > 118) {
      lines.push(line)
      line = ''
    }
    line += `${byte},`
  }
  lines.push(line)
  const path = fileURLToPath(new URL(`../assembly/text/${name}-data.ts`, import.meta.url))
  writeFileSync(
    path,
    `// Made by scripts/unicode.mjs from Unicode ${unicode}; not to be edited. Read by ${reader}, which says what the numbers are.

${Object.entries(constants)
  .map(([key, value]) => `export const ${key}: u32 = ${value}`)
  .join('\n')}

export const ${name.toUpperCase().replace('-', '_')}_STREAM = memory.data<u8>([
${lines.map(line => `  ${line}`).join('\n')}
])
`,
  )
  console.log(`${path}: ${bytes.length} bytes`)
}
