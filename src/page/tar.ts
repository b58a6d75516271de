// Files in one: the tar format (POSIX ustar), for an adapter's files to be downloaded and chosen as one.
const BLOCK = 512

const field = (header: Uint8Array, at: number, text: string): void => header.set(new TextEncoder().encode(text), at)

export function packTar(files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>): Blob {
  const parts: Uint8Array<ArrayBuffer>[] = []
  for (const [name, bytes] of Object.entries(files)) {
    const header = new Uint8Array(BLOCK)
    field(header, 0, name)
    field(header, 100, '0000644\0')
    field(header, 124, `${bytes.length.toString(8).padStart(11, '0')}\0`)
    field(header, 136, '00000000000\0')
    field(header, 148, '        ')
    field(header, 156, '0')
    field(header, 257, 'ustar\x0000')
    const sum = header.reduce((total, byte) => total + byte, 0)
    field(header, 148, `${sum.toString(8).padStart(6, '0')}\0 `)
    parts.push(header, bytes, new Uint8Array(-bytes.length & (BLOCK - 1)))
  }
  return new Blob([...parts, new Uint8Array(2 * BLOCK)], { type: 'application/x-tar' })
}

/** Fails where the bytes are no whole tar file. */
export function unpackTar(bytes: Uint8Array<ArrayBuffer>): Record<string, Uint8Array<ArrayBuffer>> {
  const files: Record<string, Uint8Array<ArrayBuffer>> = {}
  const text = (at: number, length: number) => new TextDecoder().decode(bytes.subarray(at, at + length)).split('\0')[0]!
  // Two empty blocks end it.
  let at = 0
  while (bytes[at] !== 0) {
    const size = Number.parseInt(text(at + 124, 12), 8)
    if (text(at + 257, 5) !== 'ustar' || !(size >= 0) || at + BLOCK + size > bytes.length)
      throw new Error(
        'this is no whole adapter file: expected one that this page saved (.tar), or the files of a PEFT folder',
      )
    files[text(at, 100).replace(/^\.\//, '')] = bytes.slice(at + BLOCK, at + BLOCK + size)
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
  }
  return files
}
