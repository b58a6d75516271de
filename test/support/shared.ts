// Where the reference data lies that some tests compare with: beside the checkout, or where WGPU_RETRIEVE_SHARED says.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = process.env.WGPU_RETRIEVE_SHARED ?? fileURLToPath(new URL('../../../shared', import.meta.url))

/** The path of a reference folder or file, or undefined where it is not present. */
export function sharedPath(name: string): string | undefined {
  const path = `${folder}/${name}`
  return existsSync(path) ? path : undefined
}

/** `test`, or `test.skip` with the reason printed when the reference data is not there. */
export function needs(name: string): string | undefined {
  const path = sharedPath(name)
  if (!path) console.log(`skipped: ${name} is not beside this checkout`)
  return path
}

export const jsonLines = <T>(path: string): T[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter(line => line.trim() !== '')
    .map(line => JSON.parse(line) as T)
