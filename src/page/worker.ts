// The page's worker: the library and what it has open. The page stays free, whatever is computed here.
import { benchKernels } from '../bench/kernels.js'
import {
  createTextIndex,
  type Encoder,
  encoderFiles,
  type FilesByName,
  loadEncoder,
  type Pair,
  type TextIndex,
  trainEncoder,
} from '../index.js'
import { linearLayers } from '../model/tensors.js'
import { exists } from '../runtime/files.js'
import { opfsVolume } from '../runtime/opfs.js'
import { mountVolume } from '../runtime/volumes.js'
import type {
  Action,
  Adapted,
  Answer,
  Argument,
  Indexed,
  LoadedModel,
  Place,
  Request,
  Result,
  Step,
} from './messages.js'

type Handler<A extends Action> = (
  argument: Argument<A>,
  tell: (step: Step<A>) => void,
  signal: AbortSignal,
) => Promise<Result<A>>

const post = (answer: Answer): void => self.postMessage(answer)
const notice = (text: string): void => post({ id: 0, notice: text })

interface Open {
  readonly location: string | FilesByName
  /** As loaded; `adapted` is what is used where it is there. */
  readonly base: Encoder
  adapted?: Encoder | undefined
  /** Where the adapter can be read again. */
  adapter?: string | FilesByName | undefined
  index?: TextIndex
  texts: readonly string[]
}

let open: Open | undefined

const need = (): Open => {
  if (open) return open
  throw new Error('no model is loaded yet: choose one first')
}
const current = ({ base, adapted }: Open): Encoder => adapted ?? base

const describe = (encoder: Encoder): LoadedModel => ({
  description: encoder.description,
  dimensions: encoder.dimensions,
  maxLength: encoder.maxLength,
})

async function closeAll(): Promise<void> {
  const { index, adapted, base } = open ?? {}
  open = undefined
  index?.close()
  await adapted?.close()
  await base?.close()
}

const load: Handler<'load'> = async ({ location, backend }, tell, signal) => {
  const texts = open?.texts ?? []
  await closeAll()
  const base = await loadEncoder(location, { backend, onFetch: tell, signal })
  open = { location, base, texts }
  await reindex(open, base, signal)
  return describe(base)
}

async function reindex(
  now: Open,
  encoder: Encoder,
  signal: AbortSignal,
  tell: (step: Step<'index'>) => void = () => undefined,
): Promise<Indexed> {
  const started = performance.now()
  let tokens = 0
  const index = await createTextIndex(encoder, now.texts, {
    signal,
    onProgress(done) {
      tokens = done.tokens
      tell(done)
    },
  })
  now.index?.close()
  now.index = index
  return { texts: now.texts.length, tokens, seconds: (performance.now() - started) / 1000 }
}

/** Searches go by this adapter from now on, by the model alone where there is none. Stopped on the way, all is as it was. */
async function wear(
  now: Open,
  adapted: Encoder | undefined,
  adapter: Open['adapter'],
  signal: AbortSignal,
): Promise<void> {
  try {
    await reindex(now, adapted ?? now.base, signal)
  } catch (error) {
    await adapted?.close()
    throw error
  }
  const before = now.adapted
  Object.assign(now, { adapted, adapter })
  await before?.close()
}

const index: Handler<'index'> = ({ texts }, tell, signal) => {
  const now = need()
  now.texts = texts
  return reindex(now, current(now), signal, tell)
}

const search: Handler<'search'> = async ({ query }, _, signal) => {
  const { index } = need()
  if (!index || index.size === 0) return { hits: [], milliseconds: 0 }
  const started = performance.now()
  const hits = await index.search(query, { k: 10, signal })
  return { hits, milliseconds: performance.now() - started }
}

/** Texts that stand for wrong answers: some of all, spread over them, that answer no pair. */
function withNegatives(pairs: readonly Pair[], texts: readonly string[], count: number): Pair[] {
  const answers = new Set(pairs.flatMap(({ positives }) => positives))
  const others = [...new Set(texts)].filter(text => !answers.has(text))
  const stride = Math.max(1, Math.floor(others.length / Math.max(1, pairs.length * count)))
  return pairs.map((pair, i) => ({
    ...pair,
    negatives: Array.from(
      { length: Math.min(count, others.length) },
      (_, j) => others[((i * count + j) * stride) % others.length]!,
    ),
  }))
}

/** The rank of each pair's answer among the texts. */
async function placesOf({ index }: Open, pairs: readonly Pair[]) {
  if (!index || index.size === 0) return pairs.map(() => ({ rank: 0, first: '' }))
  const found = await index.searchAll(
    pairs.map(({ query }) => query),
    { k: Math.min(1024, index.size) },
  )
  return found.map((hits, i) => ({
    rank: hits.findIndex(({ text }) => pairs[i]!.positives.includes(text)) + 1,
    first: hits[0]!.text,
  }))
}

const train: Handler<'train'> = async ({ pairs, steps, learningRate }, tell, signal): Promise<Adapted> => {
  const now = need()
  const started = performance.now()
  const hard = Math.min(3, now.texts.length)
  const given = withNegatives(pairs, now.texts, hard)
  const negatives = Math.min(...given.map(pair => pair.negatives?.length ?? 0))
  if (pairs.length === 1 && negatives === 0)
    throw new Error('one pair alone teaches nothing: add another, or texts above that do not answer it')
  const before = await placesOf(now, pairs)
  const { config } = current(now).parts.source.weights
  const targets = [...new Set(linearLayers(config).map(({ name }) => name.split('.').at(-1)!))]
  const losses: number[] = []
  const adapted = await trainEncoder(
    current(now),
    given,
    {
      steps,
      learning_rate: learningRate,
      batch_size: Math.min(pairs.length, 16),
      dropout: 0,
      negatives: { hard: negatives, mask_duplicates: true },
      ...(now.adapted ? {} : { lora: { rank: 8, alpha: 16, dropout: 0, targets } }),
    },
    {
      signal,
      onStep({ step, steps, loss }) {
        losses.push(loss)
        tell({ step, steps, loss })
      },
    },
  )
  await wear(now, adapted, (await encoderFiles(adapted)) as FilesByName, signal)
  const after = await placesOf(now, pairs)
  const places = pairs.map(({ query }, i): Place => ({ query, before: before[i]!, after: after[i]! }))
  return { losses, seconds: (performance.now() - started) / 1000, places }
}

let kept: string | undefined
const store = async (): Promise<string> => {
  kept ??= mountVolume(await opfsVolume('wgpu-retrieve'), 'opfs:wgpu-retrieve')
  return kept
}

const save: Handler<'save'> = async () => {
  const { adapted } = need()
  if (!adapted) throw new Error('nothing has been adapted yet: there is no adapter to save')
  const files = await encoderFiles(adapted)
  const { writeFolderWith, writeFile } = await import('../runtime/write.js')
  try {
    await writeFolderWith(`${await store()}/adapter`, async folder => {
      for (const [name, bytes] of Object.entries(files)) await writeFile(`${folder}/${name}`, bytes)
    })
  } catch (error) {
    return { files, notKept: (error as Error).message }
  }
  return { files }
}

async function keptAdapter(): Promise<string> {
  const folder = `${await store()}/adapter`
  if (await exists(`${folder}/adapter_config.json`)) return folder
  throw new Error('no adapter is kept in this browser yet: train one and save it')
}

const restore: Handler<'restore'> = async ({ files }, _, signal) => {
  const now = need()
  const { backend } = now.base.parts
  const adapter = files ?? (await keptAdapter())
  const adapted = await loadEncoder(now.location, { backend, adapter, signal })
  await wear(now, adapted, adapter, signal)
  return { ...describe(adapted), description: now.base.description }
}

const forget: Handler<'forget'> = async (_argument, _tell, signal) => {
  const now = need()
  await wear(now, undefined, undefined, signal)
  return describe(now.base)
}

const bench: Handler<'bench'> = async (_, tell, signal) => {
  const { backend } = need().base.parts
  let [rows, verified] = [0, 0]
  const report = (row: Parameters<Parameters<typeof benchKernels>[2]>[0]) => {
    rows++
    if (row.verified) verified++
    const rate = row.gflops ? `${row.gflops.toFixed(1)} GFLOP/s` : row.gbps ? `${row.gbps.toFixed(1)} GB/s` : ''
    tell({ name: row.name, shape: row.shape, verified: row.verified, milliseconds: row.milliseconds, rate })
  }
  await benchKernels(backend, { seconds: 0.1, rounds: 1, signal }, report, () => undefined)
  return { rows, verified }
}

const handlers: { [A in Action]: Handler<A> } = { load, index, search, train, save, restore, forget, bench }

const LOST = /device was lost/
/** What would show twice what it tells on the way, or measure something else. */
const NOT_REPEATED: readonly Action[] = ['train', 'bench']

/** A driver that was reset takes all that it held with it: model, adapter and texts are taken up again on the processor. */
async function afterLoss({ location, texts, adapter }: Open): Promise<void> {
  // Nothing of it can be used, nor closed by what waits for the device.
  open = undefined
  const { signal } = new AbortController()
  const base = await loadEncoder(location, { backend: 'wasm', signal })
  const now: Open = { location, base, texts }
  const adapted = adapter ? await loadEncoder(location, { backend: base.parts.backend, adapter }) : undefined
  await wear(now, adapted, adapter, signal)
  open = now
  notice(
    `The GPU was lost: ${adapter ? 'model and adapter were' : 'the model was'} loaded again, on ${base.description}.`,
  )
}

type AnyHandler = (argument: unknown, tell: (step: unknown) => void, signal: AbortSignal) => Promise<unknown>

async function act(action: Action, argument: unknown, tell: (step: unknown) => void, signal: AbortSignal) {
  const handler = handlers[action] as AnyHandler
  try {
    return await handler(argument, tell, signal)
  } catch (error) {
    if (!LOST.test((error as Error).message)) throw error
    if (!open) throw new Error('the GPU was lost while the model was loaded: load it again, or on WebAssembly')
    await afterLoss(open).catch((reason: Error) => {
      throw new Error(`the GPU was lost, and the model could not be loaded again: ${reason.message}`)
    })
    if (NOT_REPEATED.includes(action))
      throw new Error('the GPU was lost on the way, and nothing of this is kept: begin again, on WebAssembly now')
    return handler(argument, tell, signal)
  }
}

const running = new Map<number, AbortController>()
let last: Promise<void> = Promise.resolve()

async function handle(id: number, action: Action, argument: unknown, { signal }: AbortController): Promise<void> {
  try {
    signal.throwIfAborted()
    post({ id, result: await act(action, argument, step => post({ id, step }), signal) })
  } catch (error) {
    post({ id, error: (error as Error).message, aborted: signal.aborted })
  } finally {
    running.delete(id)
  }
}

self.addEventListener('message', ({ data }: MessageEvent<Request>) => {
  if ('abort' in data) return running.get(data.id)?.abort()
  const controller = new AbortController()
  running.set(data.id, controller)
  // One after the other: they share what is open.
  last = last.then(() => handle(data.id, data.action, data.argument, controller))
})
