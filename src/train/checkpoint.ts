// Checkpoints: one safetensors file with the trained parameters, Adam's moments, the best parameters so far, and the loop's state as JSON in its
// metadata. Written beside, fsynced and renamed; resuming from it gives the same bits as not stopping.

import type { Backend } from '../backend/backend.js'
import { openSafetensors, type TensorToWrite, writeSafetensors } from '../data/safetensors.js'
import { readTensor, type Trainable } from '../tensor/parameters.js'

/** 2: batches are drawn in another order than in 1. */
export const CHECKPOINT_FORMAT = 2

/** Everything that training changes, on the host: a segment's three arrays, in the order of the segments. */
export interface Snapshot {
  readonly parameters: readonly Float32Array[]
  readonly m: readonly Float32Array[]
  readonly v: readonly Float32Array[]
}

const parts = ['parameters', 'm', 'v'] as const

async function readSegments(backend: Backend, { segments }: Trainable, part: (typeof parts)[number]) {
  const arrays: Float32Array[] = []
  for (const segment of segments) arrays.push(await readTensor(backend, segment[part]))
  return arrays
}

export async function takeSnapshot(backend: Backend, trainable: Trainable): Promise<Snapshot> {
  const read = (part: (typeof parts)[number]) => readSegments(backend, trainable, part)
  return { parameters: await read('parameters'), m: await read('m'), v: await read('v') }
}

export const takeParameters = (backend: Backend, trainable: Trainable): Promise<Float32Array[]> =>
  readSegments(backend, trainable, 'parameters')

export function putParameters(backend: Backend, { segments }: Trainable, arrays: readonly Float32Array[]): void {
  segments.forEach(({ parameters }, i) => {
    backend.write(parameters.view!, arrays[i]!)
  })
}

export function putSnapshot(backend: Backend, trainable: Trainable, snapshot: Snapshot): void {
  trainable.segments.forEach((segment, i) => {
    for (const part of parts) backend.write(segment[part].view!, snapshot[part][i]!)
  })
}

export interface Checkpoint {
  readonly snapshot: Snapshot
  /** The parameters that scored best on the dev split so far. */
  readonly best?: readonly Float32Array[]
  /** The loop's state, as it was given. */
  readonly state: unknown
}

/** `fingerprint` says what the checkpoint belongs to (recipe, data, weights); another one is refused when it is read. */
export async function writeCheckpoint(
  path: string,
  { snapshot, best, state }: Checkpoint,
  fingerprint: string,
): Promise<void> {
  const tensors: TensorToWrite[] = []
  const add = (name: string, data: Float32Array) => tensors.push({ name, dtype: 'F32', shape: [data.length], data })
  for (const part of parts) for (const [i, data] of snapshot[part].entries()) add(`${i}.${part}`, data)
  for (const [i, data] of best?.entries() ?? []) add(`${i}.best`, data)
  await writeSafetensors(path, tensors, {
    format: `wgpu-retrieve checkpoint ${CHECKPOINT_FORMAT}`,
    fingerprint,
    state: JSON.stringify(state),
  })
}

export async function readCheckpoint(path: string, trainable: Trainable, fingerprint: string): Promise<Checkpoint> {
  const file = await openSafetensors(path).catch((error: Error) => {
    const found = error.message.replace('; fetch it again', '')
    throw new Error(`${path} is damaged: ${found}; remove it, and --resume trains from the start`, { cause: error })
  })
  try {
    const { format, state, fingerprint: found } = file.metadata
    if (format !== `wgpu-retrieve checkpoint ${CHECKPOINT_FORMAT}` || state === undefined)
      throw new Error(
        `${path} is ${format ? `a "${format}"` : 'no checkpoint'}, expected "wgpu-retrieve checkpoint ${CHECKPOINT_FORMAT}"; start the run anew under another name`,
      )
    if (found !== fingerprint)
      throw new Error(
        `${path} belongs to a run with other settings or data (${found}, now ${fingerprint}); resume with the recipe that began it, or start anew under another name`,
      )
    const read = async (part: string) => {
      const arrays: Float32Array[] = []
      for (const [i, { elements }] of trainable.segments.entries()) {
        const data = await file.readF32(`${i}.${part}`)
        if (data.length !== elements)
          throw new Error(`${path}: ${i}.${part} has ${data.length} values, expected ${elements}`)
        arrays.push(data)
      }
      return arrays
    }
    const snapshot = { parameters: await read('parameters'), m: await read('m'), v: await read('v') }
    const best = file.tensors.has('0.best') ? await read('best') : undefined
    return { snapshot, state: JSON.parse(state), ...(best && { best }) }
  } finally {
    await file.close()
  }
}
