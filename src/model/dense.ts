// Dense modules of sentence-transformers: y = activation(x Wᵀ + b), after the pooling (or, in late interaction, on every token's vector). Each lies in
// a folder of its own: config.json, and `linear.weight` (out, in) and `linear.bias` (out) in model.safetensors.
// Source: https://sbert.net/docs/package_reference/sentence_transformer/models.html#dense
import { asObject, type JsonObject, jsonText, parseStrictJson, readFields } from '../data/json.js'
import { openSafetensors, type SafetensorsFile, type TensorToWrite, writeSafetensors } from '../data/safetensors.js'
import { shapeText } from '../data/safetensors-header.js'
import { exists, join, readText } from '../runtime/files.js'
import { writeFile } from '../runtime/write.js'

/** By the class that a Dense module's config.json names. GELU is torch's own, by erf. */
const activations = {
  'torch.nn.modules.linear.Identity': 'identity',
  'torch.nn.modules.activation.Tanh': 'tanh',
  'torch.nn.modules.activation.ReLU': 'relu',
  'torch.nn.modules.activation.GELU': 'gelu',
  'torch.nn.modules.activation.SiLU': 'silu',
} as const

export type DenseActivation = (typeof activations)[keyof typeof activations]

export interface DenseLayer {
  /** The module's folder, relative to the model's. */
  readonly path: string
  readonly inputs: number
  readonly outputs: number
  readonly bias: boolean
  readonly activation: DenseActivation
  /** A Normalize module stands before it. */
  readonly normalizeFirst?: boolean
}

/** What a Dense module is applied to: text vectors, or every token's. */
export type DenseInput = 'sentence_embedding' | 'token_embeddings'

/** Reads and checks the config.json of the Dense module in `folder`/`path`. `inputs`: the width of what comes in. */
export async function readDenseConfig(
  folder: string,
  path: string,
  inputs: number,
  on: DenseInput,
): Promise<DenseLayer> {
  const where = join(folder, path, 'config.json')
  const raw = asObject(parseStrictJson(await readText(where), where), where)
  const fields = readFields(raw, where)
  const layer = {
    path,
    inputs: fields.count('in_features'),
    outputs: fields.count('out_features'),
    bias: fields.flag('bias', true),
  }
  const name = fields.text('activation_function', 'torch.nn.modules.activation.Tanh')
  if (!Object.hasOwn(activations, name))
    fields.problem(`activation_function "${name}" is not supported; supported: ${Object.keys(activations).join(', ')}`)
  if (fields.flag('use_residual', false)) fields.problem('use_residual is true, which is not supported')
  // Folders of before version 5.4 do not say what it reads.
  const input = fields.text('module_input_name', on)
  if (input !== on) fields.problem(`module_input_name is "${input}", expected "${on}"`)
  const output = fields.text('module_output_name', input)
  if (output !== input) fields.problem(`module_output_name is "${output}", expected "${input}"`)
  if (raw.in_features === layer.inputs && layer.inputs !== inputs)
    fields.problem(`in_features is ${layer.inputs}, but what comes in has ${inputs} columns`)
  fields.finish()
  return { ...layer, activation: activations[name as keyof typeof activations] }
}

/** The tensors of a model's Dense modules under the names that they have among its weights, in order. */
export const denseTensors = (layers: readonly DenseLayer[]): { name: string; shape: readonly number[] }[] =>
  layers.flatMap(({ inputs, outputs, bias }, i) => [
    { name: `dense.${i}.weight`, shape: [outputs, inputs] },
    ...(bias ? [{ name: `dense.${i}.bias`, shape: [outputs] }] : []),
  ])

/** Of a name that `denseTensors` gives: which module, and its name in that module's file. */
export function denseName(name: string): { readonly module: number; readonly stored: string } | undefined {
  const match = /^dense\.(\d+)\.(weight|bias)$/.exec(name)
  return match ? { module: Number(match[1]), stored: `linear.${match[2]}` } : undefined
}

export interface DenseWeights {
  /** By the names of `denseTensors`. */
  readTensor(name: string): Promise<Float32Array<ArrayBuffer>>
  readonly files: readonly string[]
  close(): Promise<void>
}

/** Opens the weights of Dense modules; their shapes are checked before any is read. */
export async function openDense(folder: string, layers: readonly DenseLayer[]): Promise<DenseWeights> {
  const opened: SafetensorsFile[] = []
  const close = async () => void (await Promise.all(opened.map(file => file.close())))
  try {
    for (const { path } of layers) {
      const file = join(folder, path, 'model.safetensors')
      const pickled = (await exists(join(folder, path, 'pytorch_model.bin')))
        ? ' (pytorch_model.bin is not read: convert it to safetensors)'
        : ''
      if (!(await exists(file)))
        throw new Error(`${folder}: the Dense module has no ${path}/model.safetensors${pickled}`)
      opened.push(await openSafetensors(file))
    }
    const problems = denseTensors(layers).flatMap(({ name, shape }) => {
      const { module, stored } = denseName(name)!
      const found = opened[module]!.tensors.get(stored)
      const expected = `expected ${shapeText(shape)}`
      if (!found) return [`${opened[module]!.path}: ${stored} is missing, ${expected}`]
      if (shapeText(found.shape) === shapeText(shape)) return []
      return [`${opened[module]!.path}: ${stored} is ${shapeText(found.shape)}, ${expected}`]
    })
    if (problems.length > 0) throw new Error(`Dense modules contradict their config.json:\n  ${problems.join('\n  ')}`)
  } catch (error) {
    await close()
    throw error
  }
  return {
    files: opened.map(({ path }) => path),
    async readTensor(name) {
      const { module, stored } = denseName(name)!
      return opened[module]!.readF32(stored)
    },
    close,
  }
}

const denseJson = ({ inputs, outputs, bias, activation }: DenseLayer, on: DenseInput): JsonObject => ({
  in_features: inputs,
  out_features: outputs,
  bias,
  activation_function: Object.entries(activations).find(([, name]) => name === activation)![0],
  // What sentence-transformers takes where nothing is said; older releases know no such keys.
  ...(on === 'sentence_embedding' ? {} : { module_input_name: on, module_output_name: on }),
})

/** Writes the module's folder `path` in `folder`. `tensor` makes what is stored of f32 values. */
export async function writeDense(
  folder: string,
  path: string,
  layer: DenseLayer,
  tensors: readonly TensorToWrite[],
  on: DenseInput = 'sentence_embedding',
): Promise<void> {
  await writeFile(join(folder, path, 'config.json'), jsonText(denseJson(layer, on)))
  await writeSafetensors(join(folder, path, 'model.safetensors'), tensors, { format: 'pt' })
}
