// A study's file read: told from a plain recipe by its [[grid]], with the overrides of the command line on its base.
import { parse } from 'smol-toml'
import { mapPaths } from '../recipe/complete.js'
import { applyOverrides } from '../recipe/load.js'
import { type Table, withTable } from '../recipe/merge.js'
import { isTable, recipeError } from '../recipe/problems.js'
import { baseName, dirname, readText, resolve } from '../runtime/files.js'
import { readStudy, type StudyFile } from './schema.js'

export interface LoadedStudy {
  readonly name: string
  /** Where the study's folder is made. */
  readonly out: string
  readonly question?: string
  readonly base: Table
  readonly study: StudyFile
  /** For messages. */
  readonly source: string
}

/** Undefined where the file is a plain recipe (or not even that: whoever reads it then says so). */
export async function loadStudy(
  path: string,
  overrides: readonly string[] = [],
  { quick = false }: { readonly quick?: boolean } = {},
): Promise<LoadedStudy | undefined> {
  let file: Table
  try {
    file = parse(await readText(path))
  } catch {
    return undefined
  }
  if (!('grid' in file)) return undefined
  const { quick: changes, ...whole } = file
  if (quick && !isTable(changes))
    throw recipeError(path, [{ key: 'quick', message: 'missing; --quick needs the keys to change' }])
  const folder = dirname(resolve(path))
  const inFolder = (value: string) =>
    value.startsWith('builtin:') || value.startsWith('hub:') ? value : resolve(folder, value)
  const { base, study } = readStudy(quick ? withTable(whole, changes as Table) : whole, path)
  const changed = applyOverrides(
    mapPaths(base, value => resolve(folder, value)),
    overrides,
  )
  const { name, out, question, ...rest } = changed
  return {
    name: typeof name === 'string' ? name : baseName(path).replace(/\.toml$/i, ''),
    out: typeof out === 'string' ? out : resolve('runs'),
    ...(typeof question === 'string' && { question }),
    // A cell is scored after its training alone.
    base: withTable({ eval: { before: false } }, rest),
    study: {
      ...study,
      study: { ...study.study, ...(study.study.reuse !== undefined && { reuse: inFolder(study.study.reuse) }) },
      grid: study.grid.map(block => ({
        ...block,
        ...(block.models && { models: block.models.map(model => withPath(model, inFolder)) }),
        ...(block.sets && {
          sets: block.sets.map(set => (typeof set === 'string' ? inFolder(set) : { ...set, path: inFolder(set.path) })),
        }),
      })),
    },
    source: path,
  }
}

const withPath = <T extends { [key: string]: unknown }>(model: T, inFolder: (path: string) => string): T =>
  typeof model.path === 'string' ? { ...model, path: inFolder(model.path) } : model
