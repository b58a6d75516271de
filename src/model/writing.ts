// A model written: a sentence-transformers folder, in the files, keys and dtypes of that library and of transformers; large files in shards. The folder
// appears when it is complete.
import { narrowed, type StoredFloat } from '../data/dtype.js'
import { jsonText, jsonTextWithFloats } from '../data/json.js'
import { type TensorToWrite, writeSafetensors } from '../data/safetensors.js'
import { baseName, exists, isFolder, join, listFolder } from '../runtime/files.js'
import { writeFile, writeFolderWith } from '../runtime/write.js'
import { modelCard } from './card.js'
import { type ModelConfig, toConfigJson } from './config.js'
import { denseTensors, writeDense } from './dense.js'
import { tokenizerFiles } from './folder.js'
import { writeLateModules } from './late-writing.js'
import type { SentenceSettings } from './sentence-transformers.js'
import { modulesOf, writeSentenceSettings } from './sentence-writing.js'
import { type ExpectedTensor, expectedTensors } from './tensors.js'

/** Gives the current values of a weight by its name. */
export type ReadTensor = (name: string) => Promise<Float32Array> | Float32Array

export interface ModelToWrite {
  readonly config: ModelConfig
  readonly settings: SentenceSettings
  /** Asked once for each of `expectedTensors(config)` and `denseTensors(settings.dense)`, one after the other, when it is written. */
  readonly readTensor: ReadTensor
  /** By file name, for example `readTokenizerFiles` of the model it began with. */
  readonly tokenizer: Readonly<Record<string, Uint8Array>>
  /** Of the weights; default f32. */
  readonly dtype?: StoredFloat
  /** Bytes of a weights file at most (one larger tensor makes a file of its own); default 5 GB. */
  readonly shardBytes?: number
  /** For the model card. */
  readonly card?: { readonly baseModel?: string; readonly notes?: readonly string[] }
}

const SHARD_BYTES = 5e9
const bytesOf = { F32: 4, F16: 2, BF16: 2 } as const
const configNames = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const

async function* onDemand(readTensor: ReadTensor, name: string, dtype: StoredFloat) {
  yield narrowed(await readTensor(name), dtype, name)
}

/** A tensor whose values are asked for when it is written. `stored`: its name in the file. */
const tensorOf = (
  { name, shape }: ExpectedTensor,
  readTensor: ReadTensor,
  dtype: StoredFloat,
  stored = name,
): TensorToWrite => ({ name: stored, dtype, shape, data: onDemand(readTensor, name, dtype) })

const sizeOf = ({ shape, dtype }: TensorToWrite): number =>
  shape.reduce((product, n) => product * n, bytesOf[dtype as StoredFloat])

/** Consecutive tensors in groups of at most `limit` bytes. */
function shardsOf(tensors: readonly TensorToWrite[], limit: number): TensorToWrite[][] {
  const shards: TensorToWrite[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const tensor of tensors) {
    if (bytes + sizeOf(tensor) > limit) {
      shards.push([])
      bytes = 0
    }
    shards.at(-1)!.push(tensor)
    bytes += sizeOf(tensor)
  }
  return shards
}

/** model.safetensors, or model-00001-of-0000N.safetensors and model.safetensors.index.json, as transformers writes them. */
export async function writeWeights(folder: string, tensors: readonly TensorToWrite[], limit: number): Promise<void> {
  const shards = shardsOf(tensors, limit)
  if (shards.length <= 1) return writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' })
  const digits = (n: number) => String(n).padStart(5, '0')
  const weightMap: Record<string, string> = {}
  for (const [i, shard] of shards.entries()) {
    const file = `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`
    await writeSafetensors(join(folder, file), shard, { format: 'pt' })
    for (const { name } of shard) weightMap[name] = file
  }
  const sorted = Object.fromEntries(Object.entries(weightMap).sort(([a], [b]) => (a < b ? -1 : 1)))
  const total = tensors.reduce((sum, tensor) => sum + sizeOf(tensor), 0)
  await writeFile(
    join(folder, 'model.safetensors.index.json'),
    jsonText({ metadata: { total_size: total }, weight_map: sorted }),
  )
}

/** Writes the Dense modules of a model into its folder. */
export async function writeDenseModules(
  folder: string,
  settings: SentenceSettings,
  readTensor: ReadTensor,
  dtype: StoredFloat = 'F32',
): Promise<void> {
  const paths = modulesOf(settings).filter(({ kind }) => kind === 'Dense')
  const expected = denseTensors(settings.dense)
  for (const [i, layer] of settings.dense.entries()) {
    const own = expected.filter(({ name }) => name.startsWith(`dense.${i}.`))
    const stored = own.map(tensor => tensorOf(tensor, readTensor, dtype, tensor.name.replace(`dense.${i}`, 'linear')))
    await writeDense(folder, paths[i]!.path, layer, stored)
  }
}

export async function writeTokenizer(folder: string, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes)
}

export function checkTokenizerFiles(files: Readonly<Record<string, Uint8Array>>, path: string): void {
  const stray = Object.keys(files).find(name => !tokenizerFiles.includes(name))
  if (stray !== undefined)
    throw new Error(
      `cannot write ${path}: "${stray}" is no tokenizer file, expected some of ${tokenizerFiles.join(', ')}`,
    )
}

/** Fails where `path` is something that a model's folder would replace and that is none itself: a file, a project, a repository's clone. */
export async function checkReplaceable(path: string): Promise<void> {
  if (!(await exists(path))) return
  const fix = 'give a new folder, or remove that'
  if (!(await isFolder(path))) throw new Error(`cannot write a model to ${path}: a file is there; ${fix}`)
  const names = await listFolder(path)
  const isModel = ['config.json', 'adapter_config.json'].some(name => names.includes(name)) && !names.includes('.git')
  // None, or the two encoders of a model.
  if (isModel || names.every(name => name === 'query' || name === 'document')) return
  const shown = `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`
  throw new Error(
    `cannot write a model to ${path}: all of that folder would be replaced, and it holds ${shown}, expected none or an older model; ${fix}`,
  )
}

/**
 * Writes a sentence-transformers folder, of late interaction PyLate's. It appears when complete and replaces a model's folder of that name; fails
 * where anything else is there.
 */
export async function writeModelFolder(path: string, model: ModelToWrite): Promise<void> {
  const { config, settings, tokenizer, readTensor, dtype = 'F32', shardBytes = SHARD_BYTES, card } = model
  checkTokenizerFiles(tokenizer, path)
  await checkReplaceable(path)
  const tensors = expectedTensors(config).map(tensor => tensorOf(tensor, readTensor, dtype))
  const json = toConfigJson(config)
  const dtypeKey = 'torch_dtype' in json ? 'torch_dtype' : 'dtype' // the old name, the new one
  await writeFolderWith(path, async folder => {
    await writeWeights(folder, tensors, shardBytes)
    await writeFile(join(folder, 'config.json'), jsonTextWithFloats({ ...json, [dtypeKey]: configNames[dtype] }))
    if (settings.lateInteraction) await writeLateModules(folder, settings, readTensor)
    else {
      await writeSentenceSettings(folder, settings, config.hidden)
      await writeDenseModules(folder, settings, readTensor, dtype)
    }
    await writeTokenizer(folder, tokenizer)
    const facts = { name: baseName(path), settings, hidden: config.hidden, ...card }
    await writeFile(join(folder, 'README.md'), modelCard(facts))
  })
}
