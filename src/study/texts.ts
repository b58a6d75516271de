// A study's figures as text: CSV, tables for a terminal, and what is said of all of them.

import type { CellResult } from './result.js'
import { AXES, type StudyTable } from './tables.js'

const quoted = (value: string | number): string =>
  /[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value)

/** A line for each test of each cell. */
export function studyCsv(cells: readonly CellResult[]): string {
  const measures = [...new Set(cells.flatMap(({ tests }) => tests.flatMap(({ scores }) => Object.keys(scores))))]
  const head = [
    ...[
      'cell',
      ...AXES,
      'seed',
      'learning_rate',
      'steps',
      'parameters',
      'peak_bytes',
      'training_seconds',
      'total_seconds',
      'search_seconds',
    ],
    ...['test', 'domain', 'queries', 'truncated_queries', 'documents', 'corpus_sample', ...measures, 'fingerprint'],
  ]
  const rows = cells.flatMap(({ key, axes, learning_rate, steps, parameters, peak_bytes, seconds, tests }) =>
    tests.map(({ name, domain, queries, truncated_queries = 0, documents, corpus_sample, scores, fingerprint }) => [
      ...[
        key,
        ...AXES.map(axis => axes[axis]),
        axes.seed,
        learning_rate,
        steps,
        parameters,
        peak_bytes,
        seconds.training,
        seconds.total,
        seconds.search ?? '',
      ],
      ...[
        name,
        domain,
        queries,
        truncated_queries,
        documents,
        corpus_sample ?? '',
        ...measures.map(each => scores[each] ?? ''),
        fingerprint,
      ],
    ]),
  )
  return [head, ...rows].map(row => `${row.map(quoted).join(',')}\n`).join('')
}

/** What is searched where collections are sampled, in words; '' where none is. */
export function sampledText(cells: readonly CellResult[]): string {
  const samples = new Set(cells.flatMap(({ tests }) => tests.flatMap(each => each.corpus_sample ?? [])))
  return [...samples].map(sample => `the judged documents and ${sample} others`).join('; ')
}

/** For a terminal. */
export function tableText({ title, head, rows }: StudyTable): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map(row => row[column]!.length)))
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')
  return [title, ...all.map(row => line(row).trimEnd())].join('\n')
}

/** The model and the training set that all cells have; '' where they differ. */
export function commonText(cells: readonly CellResult[]): string {
  const only = (values: readonly string[]) => (new Set(values).size === 1 ? values[0] : undefined)
  const model = only(cells.map(({ axes }) => axes.model))
  const set = only(cells.map(({ axes }) => axes.set))
  return [
    ...(model === undefined ? [] : [model === 'random' ? 'a model from random numbers' : model]),
    ...(set === undefined || set === 'base' ? [] : [`trained on ${set}`]),
  ].join(', ')
}
