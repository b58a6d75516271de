// What a command line names, found: collections and files of the package, and for what is not there or is something else, what was meant.
import { collectionFolder, isBuiltin } from '../data/builtin.js'
import { holdsCorpus } from '../data/collection.js'
import { nearest } from '../data/nearest.js'
import type { Recipe } from '../recipe/schema.js'
import { holdsTwo } from '../run/model.js'
import { hubNameOf } from '../run/named-model.js'
import { basename, dirname, exists, isFolder, join, listFolder, packageFolder } from '../runtime/files.js'
import { usageError } from './errors.js'

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
      `${path} has no corpus.jsonl (or corpus.jsonl.gz), which a BEIR collection must have; it holds config.json: it is a model folder, which --model takes (in a recipe, model.path)`,
    )
  return path
}

const isModel = async (folder: string) =>
  (await exists(join(folder, 'config.json'))) || (await exists(join(folder, 'adapter_config.json')))

/** Fails where there is no folder to look for a tokenizer in. */
export async function checkTokenizerFolder(path: string): Promise<void> {
  if (await hubNameOf(path)) return
  if (!(await exists(path)))
    throw new Error(
      `cannot load a tokenizer from ${path}: no such folder${clause(await nearestPath(path)) || '; check the path'}`,
    )
}

/** Fails where no model's folder is at a path, and it is no name on the Hub. `names`: what may be given in place of one. */
export async function checkModelFolder(path: string, names: readonly string[] = []): Promise<void> {
  if (await hubNameOf(path)) return
  if (!(await exists(path))) {
    const meant = nearest(path, names) ?? (await nearestPath(path))
    throw new Error(`the model folder ${path} does not exist${clause(meant) || '; check the path'}`)
  }
  if (!(await isFolder(path)) || (await isModel(path)) || (await holdsTwo(path))) return
  if (await holdsCorpus(path))
    throw new Error(
      `${path} is no model folder: it has no config.json; it is a collection (it has corpus.jsonl), which --data takes (in a recipe, data.tests)`,
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
  await checkThere(file, path)
  if (!(await isFolder(file))) return file
  const likely: string[] = []
  for (const name of [inside, `${inside}.gz`]) if (await exists(join(file, name))) likely.push(`${path}/${name}`)
  throw new Error(`cannot read ${path}: it is a folder, expected a file${clause(likely[0])}`)
}

async function checkThere(path: string, name = path): Promise<void> {
  if (await exists(path)) return
  throw new Error(`cannot read ${name}: no such file or folder${clause(await nearestPath(path)) || '; check the path'}`)
}

async function builtinFile(path: string): Promise<string> {
  const [collection, part, ...rest] = path.split('/')
  return join(await collectionFolder(part === undefined ? path : `${collection}/${part}`), ...rest)
}

/** A recipe's file: a path, or one of the package by name (builtin:primer). Fails where there is none, or something else. */
export async function recipeFile(path: string): Promise<string> {
  const recipes = join(await packageFolder('recipes'), 'recipes')
  const names = (await listFolder(recipes)).map(name => `builtin:${name.replace(/\.toml$/, '')}`)
  if (names.includes(path)) return join(recipes, `${path.slice('builtin:'.length)}.toml`)
  if (!(await exists(path))) {
    const plain = `builtin:${basename(path.replace(/^builtin:/, '')).replace(/\.toml$/i, '')}`
    const own = (await exists(`${path}.toml`)) ? `${path}.toml` : isBuiltin(path) ? undefined : await nearestPath(path)
    throw usageError(`there is no recipe ${path}${clause(own ?? nearest(plain, names))}`)
  }
  if (!(await isFolder(path))) return path
  const inside = join(path, 'recipe.toml')
  throw usageError(
    `${path} is a folder, expected a recipe file (TOML)${clause((await exists(inside)) ? inside : undefined)}`,
  )
}

/** Fails where a recipe names a model or collection that is not there; those that are something else are found later. */
export async function checkRecipePaths({ model, data }: Recipe): Promise<void> {
  if (model.path !== undefined) await checkModelFolder(model.path)
  for (const set of data.train ?? []) {
    const path = typeof set === 'string' ? set : set.path
    if (!isBuiltin(path)) await checkThere(path)
  }
  for (const { path } of [...(data.dev ?? []), ...data.tests]) await dataFolder(path)
}
