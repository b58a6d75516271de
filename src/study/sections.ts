// A study's tables, by what they are about.
import type { RelativeBasis } from '../evaluate/relative.js'
import { differenceTable } from './differences.js'
import type { CellResult } from './result.js'
import {
  batchTable,
  costTable,
  likenessTable,
  methodTable,
  negativesTable,
  roomTable,
  type StudyTable,
  seedGroups,
  testTable,
} from './tables.js'

export interface StudySection {
  readonly title: string
  readonly tables: readonly StudyTable[]
}

/** All tables that have a row, by what they are about. */
export function studySections(
  cells: readonly CellResult[],
  basis: RelativeBasis,
  alike?: Readonly<Record<string, readonly string[]>>,
): StudySection[] {
  const groups = seedGroups(cells)
  const sections = [
    { title: 'LoRA and full fine-tuning', tables: [differenceTable(groups, basis), methodTable(groups, basis)] },
    {
      title: 'Negatives and batches',
      tables: [
        negativesTable(groups, basis),
        ...(alike ? [likenessTable(groups, alike, basis)] : []),
        batchTable(groups, basis),
      ],
    },
    { title: 'Every test set', tables: [testTable(groups)] },
    { title: 'What it took', tables: [roomTable(groups), costTable(cells)] },
  ]
  return sections
    .map(({ title, tables }) => ({ title, tables: tables.filter(({ rows }) => rows.length > 0) }))
    .filter(({ tables }) => tables.length > 0)
}

export const studyTables = (...given: Parameters<typeof studySections>): StudyTable[] =>
  studySections(...given).flatMap(({ tables }) => tables)
