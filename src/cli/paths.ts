// What a command line names, found: collections and files of the package, and for what is not there or is something else, what was meant.
import { collectionFolder, isBuiltin } from '../data/builtin.js'
import { holdsCorpus } from '../data/collection.js'
import { nearest } from '../data/nearest.js'
import { basename, dirname, exists, isFolder, join, listFolder } from '../runtime/files.js'

/** The path that exists and is nearest to one that does not, each of its names mended by itself; undefined where one is near nothing. */
export async function nearestPath(path: string): Promise<string | undefined> {
  if (await exists(path)) return path
  const parent = dirname(path)
  const folder = parent === path ? undefined : await nearestPath(parent)
  if (!folder || !(await isFolder(folder))) return undefined
  const wrong = basename(path)
  const names = (await listFolder(folder).catch(() => [])).filter(name => !name.startsWith('.'))
  const name = names.includes(wrong) ? wrong : nearest(wrong, names)
  return name && join(folder, name)
}

const clause = (meant: string | undefined) => (meant ? `; did you mean ${meant}?` : '')

/** A clause to end a message about a path that does not exist: `; did you mean …?`, or nothing. */
export const meantPath = async (path: string): Promise<string> => clause(await nearestPath(path))

/** A collection's folder, one in the package too. Fails where there is none, or something else. */
export async function dataFolder(path: string): Promise<string> {
  if (isBuiltin(path)) return collectionFolder(path)
  if (!(await exists(path))) {
    const inPackage = await collectionFolder(`builtin:${path}`).then(
      () => `builtin:${path}`,
      () => undefined,
    )
    throw new Error(
      `no such folder: ${path}; expected a BEIR collection with corpus.jsonl, queries.jsonl and qrels/<split>.tsv${clause(inPackage ?? (await nearestPath(path)))}`,
    )
  }
  if ((await isModel(path)) && !(await holdsCorpus(path)))
    throw new Error(
      `${path} has no corpus.jsonl, which a BEIR collection must have; it holds config.json: it is a model folder, which --model takes`,
    )
  return path
}

const isModel = async (folder: string) =>
  (await exists(join(folder, 'config.json'))) || (await exists(join(folder, 'adapter_config.json')))

/** Fails where there is no folder to look for a tokenizer in. */
export async function checkTokenizerFolder(path: string): Promise<void> {
  if (!(await exists(path)))
    throw new Error(
      `cannot load a tokenizer from ${path}: no such folder${(await meantPath(path)) || '; check the path'}`,
    )
}

/** Fails where no model's folder is at a path. `names`: what may be given in place of one. */
export async function checkModelFolder(path: string, names: readonly string[] = []): Promise<void> {
  if (!(await exists(path))) {
    const meant = nearest(path, names) ?? (await nearestPath(path))
    throw new Error(`the model folder ${path} does not exist${clause(meant) || '; check the path'}`)
  }
  if (!(await isFolder(path)) || (await isModel(path))) return
  if (await holdsCorpus(path))
    throw new Error(
      `${path} is no model folder: it has no config.json; it is a collection (it has corpus.jsonl), which --data takes`,
    )
  const inside: string[] = []
  for (const name of await listFolder(path)) if (await isModel(join(path, name))) inside.push(join(path, name))
  throw new Error(
    `${path} is no model folder: it has no config.json${clause(inside[0]) || '; expected one with config.json and model.safetensors'}`,
  )
}

/** A file to read, one in the package too (builtin:primer/law/corpus.jsonl). `inside`: which file of a folder is likely meant. */
export async function inputFile(path: string, inside: string): Promise<string> {
  if (path === '-') return path
  const file = isBuiltin(path) ? await builtinFile(path) : path
  if (!(await exists(file)))
    throw new Error(`cannot read ${path}: no such file${(await meantPath(file)) || '; check the path'}`)
  if (!(await isFolder(file))) return file
  const likely: string[] = []
  for (const name of [inside, `${inside}.gz`]) if (await exists(join(file, name))) likely.push(`${path}/${name}`)
  throw new Error(`cannot read ${path}: it is a folder, expected a file${clause(likely[0])}`)
}

async function builtinFile(path: string): Promise<string> {
  const [collection, part, ...rest] = path.split('/')
  return join(await collectionFolder(part === undefined ? path : `${collection}/${part}`), ...rest)
}
