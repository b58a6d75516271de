// A grid of trainings in one recipe: [[grid]] blocks list values of the axes, each block gives all combinations of its own, and cells that several
// blocks give are one. [[settings]] change what some of the cells are trained with. All else in the file is a plain recipe, the base of every cell.

import { type Architecture, withArchitecture } from '../recipe/architecture.js'
import { completeRecipe, mapPaths } from '../recipe/complete.js'
import { type Table, withTable } from '../recipe/merge.js'
import { isRecipeError, isTable, type Problem } from '../recipe/problems.js'
import type { Recipe } from '../recipe/schema.js'
import type { GridBlock, StudyFile } from './schema.js'

/** Where a cell stands in its grid. */
export interface Axes {
  readonly model: string
  readonly set: string
  readonly architecture: Architecture | 'folder'
  readonly method: 'full' | 'lora'
  readonly negatives: string
  /** In multiples of the base's batch. */
  readonly batch: number
  readonly seed: number
}

export interface Cell {
  /** Names its folder. */
  readonly key: string
  readonly axes: Axes
  readonly recipe: Recipe
}

export interface ImpossibleCell {
  readonly key: string
  readonly problems: readonly Problem[]
}

export interface Grid {
  readonly cells: readonly Cell[]
  readonly impossible: readonly ImpossibleCell[]
}

interface Combination {
  readonly axes: Axes
  readonly model: Table
  readonly path?: string
}

export const keyOf = ({ model, set, architecture, method, negatives, batch, seed }: Axes): string =>
  [model, set, architecture, method, negatives, `${batch}B`, `s${seed}`].join('.')

/** All cells, in the order of the blocks; `base` is the plain recipe with absolute paths, `source` names the file in messages. */
export function expandGrid(base: Table, study: StudyFile, source: string, out: string): Grid {
  const cells = new Map<string, Cell>()
  const impossible = new Map<string, ImpossibleCell>()
  for (const block of study.grid)
    for (const combination of combinationsOf(block, base)) {
      const key = keyOf(combination.axes)
      if (cells.has(key) || impossible.has(key)) continue
      try {
        const table = cellTable(base, study, combination)
        const recipe = completeRecipe({ ...table, name: key, out }, { source: `${source}, cell ${key}` })
        cells.set(key, { key, axes: combination.axes, recipe })
      } catch (error) {
        if (!isRecipeError(error)) throw error
        impossible.set(key, { key, problems: error.problems })
      }
    }
  return { cells: [...cells.values()], impossible: [...impossible.values()] }
}

const nameOf = (path: string): string =>
  path
    .replace(/^builtin:/, '')
    .split(/[\\/]/)
    .filter(Boolean)
    .at(-1) ?? path

function combinationsOf(block: GridBlock, base: Table): Combination[] {
  const own = isTable(base.model) ? base.model : {}
  const models = block.models ?? [{ ...(typeof own.path === 'string' && { path: own.path }) }]
  const sets = block.sets?.map(set => (typeof set === 'string' ? { path: set } : set)) ?? [undefined]
  const train = isTable(base.train) ? base.train : {}
  const all: Combination[] = []
  for (const { name, ...model } of models)
    for (const set of sets)
      for (const architecture of block.architectures ?? [undefined])
        for (const method of block.methods ?? [train.method === 'full' ? 'full' : 'lora'])
          for (const negatives of block.negatives ?? ['none'])
            for (const batch of block.batches ?? [1])
              for (const seed of block.seeds ?? [typeof base.seed === 'number' ? base.seed : 42]) {
                const axes = {
                  model: name ?? (typeof model.path === 'string' ? nameOf(model.path) : 'random'),
                  set: set?.name ?? (set ? nameOf(set.path) : 'base'),
                  architecture: architecture ?? ('folder' as const),
                  ...{ method, negatives, batch, seed },
                }
                const named = { ...model, ...(architecture && { architecture }) }
                all.push({ axes, model: named, ...(set && { path: set.path }) })
              }
  return all
}

function cellTable(base: Table, { settings }: StudyFile, { axes, model, path }: Combination): Table {
  const started = withTable(base, { model, train: { method: axes.method }, seed: axes.seed })
  const chosen = settings
    .filter(({ when }) =>
      Object.entries(when).every(([axis, value]) => [value].flat().includes(axes[axis as keyof Axes] as never)),
    )
    .reduce<Table>((table, { when: _, ...changes }) => withTable(table, changes as Table), started)
  const data =
    path === undefined ? chosen : withTable(chosen, { data: { train: [path], tests: testsOf(chosen, axes.set, path) } })
  const train = { ...(data.train as Table), negatives: negativesOf(data, axes.negatives) }
  return withBatch({ ...data, train }, axes.batch)
}

/** A test set is in the domain of the training set whose path or name it has, unless it says itself. */
function testsOf({ data }: Table, set: string, path: string): unknown {
  const tests = isTable(data) && Array.isArray(data.tests) ? data.tests : []
  return tests.map((test: unknown) =>
    isTable(test) && test.domain === undefined && (test.name === set || test.path === path)
      ? { ...test, domain: 'in' }
      : test,
  )
}

/** The base's negatives of this kind: what is for mined ones alone is left out of the others. */
function negativesOf({ train }: Table, source: string): Table {
  const own = isTable(train) && isTable(train.negatives) ? train.negatives : {}
  const { refresh, depth, pool, ranks, margin, share, ...plain } = own
  const self = source === 'self' || source === 'both'
  const rules = { depth, pool, ranks, margin, share, ...(self && { refresh }) }
  const given = self || source === 'bm25' ? Object.entries(rules).filter(([, value]) => value !== undefined) : []
  const hard = source === 'none' ? 0 : Math.max(1, Number(plain.hard ?? 1))
  return { ...plain, ...Object.fromEntries(given), source, hard }
}

/** More negatives a step by the same optimizer's batch, as far as that can be divided. */
function withBatch(table: Table, factor: number): Table {
  const whole = withArchitecture(table) as Table
  const train = isTable(whole.train) ? whole.train : {}
  const [size, accumulation] = [Number(train.batch_size ?? 64), Number(train.accumulation ?? 1)]
  if (factor === 1) return table
  const fewer = accumulation % factor === 0 ? accumulation / factor : accumulation
  return withTable(table, { train: { batch_size: size * factor, accumulation: fewer } })
}

/** What a cell's figures depend on, as one text: not where files lie, nor what computes it. */
export function cellIdentity({ recipe }: Pick<Cell, 'recipe'>): string {
  const { name: _, out: __, backend: ___, adapter: ____, threads: _____, question: ______, ...kept } = recipe
  return JSON.stringify(mapPaths(kept, nameOf))
}
