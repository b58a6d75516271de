// What was trained, as files that other programs read: a PEFT folder for an adapter, a sentence-transformers folder for a whole model.
import { saveModel } from '../run/model.js'
import { memoryVolume, mountVolume, unmountVolume } from '../runtime/volumes.js'
import type { Encoder } from './encoder.js'
import { checkEncoder, checkValue } from './given.js'

/**
 * Writes the encoder to a folder, which appears when it is complete. An adapter on a model that was loaded from a folder or an address becomes a PEFT folder that
 * names it; everything else a whole model. A model that is there is replaced, anything else is not.
 */
export async function saveEncoder(encoder: Encoder, folder: string): Promise<'peft' | 'sentence-transformers'> {
  checkEncoder('saveEncoder', encoder)
  checkValue('saveEncoder folder', folder, ['a path', value => typeof value === 'string' && value !== ''])
  const { source, loaded, during } = encoder.parts
  return during(() => saveModel(folder, { ...source, hash: source.name }, loaded))
}

/** The files that `saveEncoder` would write, by name. */
export async function encoderFiles(encoder: Encoder): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Blob>()
  const folder = mountVolume(memoryVolume(files))
  try {
    await saveEncoder(encoder, `${folder}/model`)
    const entries = [...files].map(async ([name, blob]) => {
      const bytes = new Uint8Array(await blob.arrayBuffer())
      return [name.slice('model/'.length), bytes] as const
    })
    return Object.fromEntries(await Promise.all(entries))
  } finally {
    unmountVolume(folder)
  }
}
