// A model folder: config.json, the way to a vector (sentence-transformers' files), and the weights under one set of names,
// those of Hugging Face's bare models. Read with every contradiction named at once; writing.ts writes.
import { openSafetensors, type SafetensorsFile } from '../data/safetensors.js'
import { shapeText, type TensorInfo } from '../data/safetensors-header.js'
import { exists, hashFile, isFolder, join, readBytes } from '../runtime/files.js'
import { type ModelConfig, readConfig } from './config.js'
import { denseName, denseTensors, openDense } from './dense.js'
import { canonicalName } from './families.js'
import { readSentenceSettings, type SentenceSettings } from './sentence-transformers.js'
import type { StoredTensor } from './stream.js'
import { type ExpectedTensor, expectedTensors } from './tensors.js'

const floating = ['F32', 'F16', 'BF16', 'F64']

/** A model of many layers contradicts its config in hundreds of places at once. */
const SHOWN_PROBLEMS = 12

/** Buffers that older checkpoints hold beside the weights. */
const buffer = /(^|\.)(position_ids|token_type_ids|masked_bias|(original_)?inv_freq)$/

/** Finds each expected tensor in the file, or fails with a list of what is missing, too much, of another shape, or no floating dtype. */
function matchTensors(file: SafetensorsFile, expected: readonly ExpectedTensor[]): Map<string, TensorInfo> {
  const problems: string[] = []
  const wanted = new Set(expected.map(tensor => tensor.name))
  const found = new Map<string, TensorInfo>()
  // Heads and poolers lie outside of the encoder, and are ignored; what lies inside would change its vectors if it were computed with.
  const inside = new Set(expected.map(({ name }) => name.split('.')[0]))
  for (const tensor of file.tensors.values()) {
    const name = canonicalName(tensor.name)
    const other = found.get(name)
    if (!wanted.has(name)) {
      if (inside.has(name.split('.')[0]) && !buffer.test(name))
        problems.push(
          `${name} ${shapeText(tensor.shape)} is there, but is no part of the model that config.json describes`,
        )
      continue
    }
    if (other) problems.push(`${name} is there twice, as ${other.name} and ${tensor.name}`)
    found.set(name, tensor)
  }
  for (const { name, shape } of expected) {
    const tensor = found.get(name)
    if (!tensor) problems.push(`${name} is missing, expected ${shapeText(shape)}`)
    else if (shapeText(tensor.shape) !== shapeText(shape))
      problems.push(`${name} is ${shapeText(tensor.shape)}, expected ${shapeText(shape)}`)
    else if (!floating.includes(tensor.dtype))
      problems.push(`${name} is ${tensor.dtype}, expected one of ${floating.join(', ')}`)
  }
  if (problems.length > 0) {
    const shown = problems.length > SHOWN_PROBLEMS ? problems.slice(0, SHOWN_PROBLEMS - 1) : problems
    const more = problems.length > shown.length ? [`and ${problems.length - shown.length} more`] : []
    throw new Error(`${file.path} contradicts the config.json beside it:\n  ${[...shown, ...more].join('\n  ')}`)
  }
  return found
}

export interface ModelFolder {
  readonly path: string
  readonly config: ModelConfig
  readonly settings: SentenceSettings
  /** In the order of `expectedTensors`, then those of Dense modules. */
  readonly expected: readonly ExpectedTensor[]
  /** Names in the file that the encoder has no use for: heads, buffers, the pooler. */
  readonly unused: readonly string[]
  /** By canonical name. */
  readTensor(name: string): Promise<Float32Array<ArrayBuffer>>
  /** By canonical name: as it lies in the file, in blocks; undefined for those of Dense modules, which are small. */
  stored(name: string): StoredTensor | undefined
  /** sha-256 of the safetensors file, or of the shards one after the other by name; hexadecimal. */
  weightsHash(): Promise<string>
  close(): Promise<void>
}

async function openWeights(folder: string): Promise<SafetensorsFile> {
  for (const name of ['model.safetensors', 'model.safetensors.index.json'])
    if (await exists(join(folder, name))) return openSafetensors(join(folder, name))
  const pickled = (await exists(join(folder, 'pytorch_model.bin')))
    ? ' (pytorch_model.bin is not read: convert it to safetensors)'
    : ''
  throw new Error(`${folder} has no weights: expected model.safetensors or model.safetensors.index.json${pickled}`)
}

/**
 * Opens a Hugging Face or sentence-transformers folder. The weights are checked against the config before any is read. `modules`: another folder
 * that says what comes after the transformer, and holds its Dense modules.
 */
export async function openModelFolder(path: string, modules = path): Promise<ModelFolder> {
  if (!(await exists(path)))
    throw new Error(`the model folder ${path} does not exist; check the path, or give a model of the Hub as org/name`)
  if (!(await isFolder(path)))
    throw new Error(`${path} is a file, expected a model folder with config.json and model.safetensors`)
  if (!(await exists(join(path, 'config.json')))) {
    const adapter = (await exists(join(path, 'adapter_config.json')))
      ? ' (it holds an adapter: name its base model as the model)'
      : ''
    throw new Error(`${path} is no model folder: it has no config.json${adapter}`)
  }
  const config = await readConfig(path)
  const settings = await readSentenceSettings(modules, config)
  const expected = expectedTensors(config)
  const file = await openWeights(path)
  const layers = settings.lateInteraction?.projection ?? settings.dense
  const dense = await openDense(modules, layers).catch(async error => {
    await file.close()
    throw error
  })
  const close = async () => void (await Promise.all([file.close(), dense.close()]))
  try {
    const found = matchTensors(file, expected)
    const find = (name: string): TensorInfo => {
      const tensor = found.get(name)
      if (!tensor) throw new Error(`${path} has no encoder tensor "${name}"`)
      return tensor
    }
    return {
      path,
      config,
      settings,
      expected: [...expected, ...denseTensors(layers)],
      unused: [...file.tensors.keys()].filter(name => !found.has(canonicalName(name))),
      readTensor: async name => (denseName(name) ? dense.readTensor(name) : file.readF32(find(name).name)),
      stored(name) {
        if (denseName(name)) return undefined
        const tensor = find(name)
        return { dtype: tensor.dtype, blocks: () => file.blocks(tensor.name) }
      },
      weightsHash: () => hashFile(...file.files, ...dense.files),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

export const tokenizerFiles: readonly string[] = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'added_tokens.json',
]

/** Whether a folder has a file that says what its tokens are. */
export async function hasTokenizer(folder: string): Promise<boolean> {
  for (const name of ['tokenizer.json', 'tokenizer.json.gz', 'vocab.txt', 'vocab.json'])
    if (await exists(join(folder, name))) return true
  return false
}

/** The bytes of a folder's tokenizer files by name, to be written beside what was trained with them. */
export async function readTokenizerFiles(folder: string): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {}
  for (const name of tokenizerFiles)
    if (await exists(join(folder, name))) files[name] = await readBytes(join(folder, name))
  return files
}
