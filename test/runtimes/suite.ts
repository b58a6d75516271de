// What runs in each runtime: the conformance of the kernels on a backend, and the library from end to end. Knows no runtime: run.ts starts it in Node,
// Deno and Bun, page.ts in a browser.

import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import {
  type Backend,
  createTextIndex,
  encoderFiles,
  evaluateEncoder,
  loadEncoder,
  openBackend,
  trainEncoder,
} from '../../src/index.js'
import { conformance } from '../backend/conformance.js'
import { documents, pairs, qrels, queries } from '../support/library.js'

export interface SuiteSettings {
  /** The small model's files as base64: made once, since runtimes differ in the last bits of a logarithm. */
  readonly model: Readonly<Record<string, string>>
  readonly parts: readonly Part[]
}

/** A backend to be tested; `kernels`: each of them as well, not only the library from end to end. */
export interface Part {
  readonly backend: 'wasm' | 'webgpu'
  readonly threads?: number
  readonly kernels: boolean
}

/** What must be the same everywhere. */
export interface Outcome {
  readonly vectors: readonly number[]
  readonly losses: readonly number[]
  readonly adapted: readonly number[]
  readonly found: readonly string[]
  readonly scores: Readonly<Record<string, number>>
}

export type Report =
  | { readonly test: string; readonly error?: string; readonly milliseconds: number }
  | { readonly part: string; readonly outcome: Outcome }
  | { readonly skipped: string }

/** Reports each test when it is done. */
export async function runSuite({ model, parts }: SuiteSettings, report: (line: Report) => void): Promise<void> {
  const files = Object.fromEntries(Object.entries(model).map(([name, text]) => [name, bytesOf(text)]))
  for (const part of parts) {
    const name = `${part.backend}${part.threads ? `, ${part.threads} thread${part.threads > 1 ? 's' : ''}` : ''}`
    const attempt = async (test: string, run: () => Promise<void>) => {
      const started = performance.now()
      const error = await run().then(
        () => undefined,
        (reason: Error) => String(reason.stack ?? reason),
      )
      const milliseconds = Math.round(performance.now() - started)
      report({ test: `${name}: ${test}`, milliseconds, ...(error !== undefined && { error }) })
    }
    const opened = await open(part).catch((error: Error) => error)
    if (opened instanceof Error) {
      report({ skipped: `${name}: ${opened.message}` })
      continue
    }
    const tests: [string, () => Promise<void>][] = []
    if (part.kernels) conformance(opened, part.backend === 'wasm' ? 2e-6 : 1e-5, (test, run) => tests.push([test, run]))
    for (const [test, run] of tests) await attempt(test, run)
    await attempt('from texts to scores', async () => report({ part: name, outcome: await endToEnd(opened, files) }))
    opened.close()
  }
}

/** With threads everything is shared among them, so that it is tested. */
const open = ({ backend, threads }: Part): Promise<Backend> =>
  backend === 'wasm' ? createWasmBackend({ threads, shareAll: (threads ?? 1) > 1 }) : openBackend({ backend })

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), character => character.charCodeAt(0))

const settings = {
  steps: 8,
  batch_size: 3,
  learning_rate: 1e-3,
  lora: { rank: 4, targets: ['query', 'key', 'value', 'dense'] },
}

async function endToEnd(backend: Backend, files: Record<string, Uint8Array<ArrayBuffer>>): Promise<Outcome> {
  const encoder = await loadEncoder(files, { backend })
  const texts = Object.values(documents)
  const vectors = await encoder.encode(texts)
  const losses: number[] = []
  const adapted = await trainEncoder(encoder, pairs, settings, { onStep: ({ loss }) => void losses.push(loss) })
  const adapter = (await encoderFiles(adapted)) as Record<string, Uint8Array<ArrayBuffer>>
  const loaded = await loadEncoder(files, { backend, adapter })
  const index = await createTextIndex(
    loaded,
    Object.entries(documents).map(([id, text]) => ({ id, text })),
  )
  const found = (await index.searchAll(Object.values(queries), { k: 3 })).flat().map(({ id }) => id)
  const { scores } = await evaluateEncoder(
    loaded,
    { documents, queries, qrels },
    { k: 5, measures: ['ndcg_at_5', 'mrr_at_5', 'map'] },
  )
  const outcome = { vectors: [...vectors], losses, adapted: [...(await loaded.encode(texts))], found, scores }
  for (const each of [index, loaded, adapted, encoder]) await each.close()
  return outcome
}
