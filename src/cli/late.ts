// The options of late interaction that eval and search share: how and where token vectors are kept, and a first stage.
import { type Command, Option } from 'commander'
import { tokenForms } from '../retrieve/token-store.js'
import type { CollectionScores } from '../run/evaluate.js'
import { type FirstStage, firstStages, type LateSettings } from '../run/late-search.js'
import { megabytes } from '../tensor/plan.js'
import { usageError } from './errors.js'
import { depth } from './options.js'

export interface LateOptions {
  readonly tokenStorage?: NonNullable<LateSettings['form']>
  readonly tokenFile?: string
  readonly firstStage?: FirstStage['by']
  readonly candidates?: number
}

/** Documents that a first stage leaves, at least. */
const CANDIDATES = 200

export const withLate = (command: Command): Command =>
  command
    .addOption(
      new Option(
        '--token-storage <form>',
        'token vectors of late interaction kept in f32, f16, or as residuals of 2 bits a column (f32)',
      ).choices(tokenForms),
    )
    .option(
      '--token-file <file>',
      'where those of the documents are kept: written where there is no such file yet, then read by position',
    )
    .addOption(
      new Option(
        '--first-stage <search>',
        'late interaction in two stages: candidates by bm25 or by pooled (mean) token vectors, then exactly among them (none)',
      ).choices(firstStages),
    )
    .option(
      '--candidates <n>',
      `documents that the first stage leaves of a query (${CANDIDATES}, -k if that is more)`,
      depth,
    )

/** What token vectors take, where there are any. */
export const tokensText = ({ tokenBytes }: Pick<CollectionScores, 'tokenBytes'>): string =>
  tokenBytes === undefined ? '' : `, token vectors ${megabytes(tokenBytes)}`

const flags = {
  tokenStorage: '--token-storage',
  tokenFile: '--token-file',
  firstStage: '--first-stage',
  candidates: '--candidates',
} as const

/** `instead`: what the options stand beside. */
export function refuseLateOptions(options: LateOptions, instead: string): void {
  for (const name of ['tokenStorage', 'tokenFile', 'firstStage', 'candidates'] as const)
    if (options[name] !== undefined)
      throw usageError(`${flags[name]} is for late interaction, but ${instead}; leave it out`)
}

/** `k`: results of a query; `model`: the model's hash. */
export function lateSettings(
  { tokenStorage, tokenFile, firstStage, candidates }: LateOptions,
  k: number,
  model: string,
): LateSettings {
  if (candidates !== undefined && !firstStage)
    throw usageError('--candidates are those of a first stage; give --first-stage too, or leave it out')
  if (candidates !== undefined && candidates < k)
    throw usageError(`--candidates is ${candidates}, but -k asks for ${k} documents; give ${k} or more`)
  return {
    ...(tokenStorage && { form: tokenStorage }),
    ...(tokenFile !== undefined && { file: { path: tokenFile, model } }),
    ...(firstStage && { firstStage: { by: firstStage, candidates: candidates ?? Math.max(CANDIDATES, k) } }),
  }
}
