// The collections in the package: "builtin:primer/law" stands for a folder wherever a collection's folder may.
import { exists, join, listFolder, packageFolder } from '../runtime/files.js'
import { nearest } from './nearest.js'

const PREFIX = 'builtin:'

export const isBuiltin = (path: string): boolean => path.startsWith(PREFIX)

/** The folder that a path stands for; other paths are returned as they are. Fails where the package has no such collection. */
export async function collectionFolder(path: string): Promise<string> {
  if (!isBuiltin(path)) return path
  const name = path.slice(PREFIX.length)
  const collections = join(await packageFolder('collections'), 'collections')
  const names = await collectionNames(collections)
  if (names.includes(name)) return join(collections, name)
  const meant = nearest(name, names)
  throw new Error(
    `the package has no collection ${path}; ${meant ? `did you mean ${PREFIX}${meant}?` : `it has ${names.map(each => PREFIX + each).join(', ')}`}`,
  )
}

async function collectionNames(folder: string): Promise<string[]> {
  const names: string[] = []
  for (const name of await listFolder(folder))
    for (const part of await listFolder(join(folder, name)))
      if (await exists(join(folder, name, part, 'corpus.jsonl'))) names.push(`${name}/${part}`)
  return names
}
