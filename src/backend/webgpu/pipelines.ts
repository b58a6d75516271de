// Pipelines: those of a kernel's allowed variants compiled in parallel when it is first prepared, then kept. One explicit bind group layout a kernel,
// from the table, so that a call's bind group serves whichever variant is picked.
import { shaders as builtShaders } from '../../../build/shaders.js'
import { type KernelName, kernelSpec, type Params } from '../kernels.js'
import type { Choice } from './tuning.js'
import {
  isWanted,
  type Shader,
  shaderFiles,
  shaderHeader,
  shaderText,
  type Target,
  type Variant,
  variants,
} from './variants.js'

const COMPUTE_STAGE = 4 // GPUShaderStage.COMPUTE

/** A kernel ready to run: its layout, and a pipeline for each of its variants. */
export interface KernelPipelines {
  readonly kernel: KernelName
  readonly target: Target
  readonly layout: GPUBindGroupLayout
  readonly variants: readonly CompiledVariant[]
  /** Whether a variant has a second dispatch: the binding after the parameters is scratch then. */
  readonly scratch: boolean
  readonly choose: Choice
}

export interface CompiledVariant {
  readonly variant: Variant
  readonly pipeline: GPUComputePipeline
  /** Of the second dispatch. */
  readonly second?: GPUComputePipeline
}

export interface PipelineOptions {
  readonly shaders?: Shaders
  /** Also what a software adapter would not be given, or only what is named. */
  readonly variants?: 'all' | 'default' | readonly string[]
  readonly choose?: Choice
  /** Whether a variant may be taken, asked when calls are prepared; default: all may. */
  readonly isAllowed?: (kernel: KernelName, name: string) => boolean
}

/** Texts of shader files by name. */
export type Shaders = Readonly<Record<string, string>>

export interface PipelineCache {
  /** With every variant that is allowed now, compiled. */
  of(kernel: KernelName): Promise<KernelPipelines>
  /** The variants that this device can be given, allowed or not. */
  wanted(kernel: KernelName): readonly Variant[]
  /** Compiles one of them, for a later `of`. */
  compile(kernel: KernelName, variant: Variant): Promise<CompiledVariant | NotCompiled>
}

/** A driver does not do what it says of itself. */
export interface NotCompiled {
  readonly message: string
}

interface KernelLayout {
  readonly wanted: readonly Variant[]
  readonly layout: GPUBindGroupLayout
  readonly pipelineLayout: GPUPipelineLayout
  readonly scratch: boolean
}

/** Compiles on first use; a shader's errors come with line, column and source. */
export function createPipelineCache(device: GPUDevice, target: Target, options: PipelineOptions = {}): PipelineCache {
  const { shaders = builtShaders, variants: which = 'default' } = options
  const { choose = () => undefined, isAllowed = () => true } = options
  const layouts = new Map<KernelName, KernelLayout>()
  const compiled = new Map<string, Promise<CompiledVariant | NotCompiled>>()
  const made = new Map<KernelName, { readonly names: string; readonly pipelines: Promise<KernelPipelines> }>()

  const layoutOf = (kernel: KernelName): KernelLayout => {
    const known = layouts.get(kernel)
    if (known) return known
    const wanted = wantedVariants(kernel, target, which)
    if (wanted.length === 0)
      throw new Error(`${kernel}: this WebGPU device has no shader-f16; use precision f32, or another adapter`)
    const scratch = wanted.some(({ second }) => second)
    const layout = device.createBindGroupLayout({ label: kernel, entries: layoutEntries(kernel, scratch) })
    const pipelineLayout = device.createPipelineLayout({ label: kernel, bindGroupLayouts: [layout] })
    const found = { wanted, layout, pipelineLayout, scratch }
    layouts.set(kernel, found)
    return found
  }
  const compile: PipelineCache['compile'] = (kernel, variant) => {
    const key = `${kernel} ${variant.name}`
    const known = compiled.get(key)
    if (known) return known
    const pipeline = compileBoth(device, variant, target, layoutOf(kernel).pipelineLayout, shaders)
    compiled.set(key, pipeline)
    // A failure is told to who asked, and tried again at the next.
    pipeline.catch(() => compiled.delete(key))
    return pipeline
  }
  return {
    compile,
    wanted: kernel => layoutOf(kernel).wanted,
    of: async kernel => {
      const { wanted, layout, scratch } = layoutOf(kernel)
      const allowed = wanted.filter(({ name }) => isAllowed(kernel, name))
      const names = allowed.map(({ name }) => name).join()
      const known = made.get(kernel)
      if (known?.names === names) return known.pipelines
      const pipelines = Promise.all(allowed.map(variant => compile(kernel, variant))).then(list => ({
        ...{ kernel, target, layout, scratch, choose },
        variants: list.filter(each => 'pipeline' in each),
      }))
      made.set(kernel, { names, pipelines })
      pipelines.catch(() => made.delete(kernel))
      return pipelines
    },
  }
}

function wantedVariants(
  kernel: KernelName,
  target: Target,
  which: NonNullable<PipelineOptions['variants']>,
): Variant[] {
  const named = typeof which === 'string' ? [] : variants[kernel].filter(({ name }) => which.includes(name))
  const list = named.length > 0 ? named : variants[kernel]
  return list.filter(variant => isWanted(variant, target, which === 'all' || named.length > 0))
}

/** A variant's one or two dispatches. */
async function compileBoth(
  device: GPUDevice,
  variant: Variant,
  target: Target,
  layout: GPUPipelineLayout,
  shaders: Shaders,
): Promise<CompiledVariant | NotCompiled> {
  const compile = (shader: Shader) => compileVariant(device, shader, target, layout, shaders)
  try {
    const [pipeline, second] = await Promise.all([compile(variant), variant.second && compile(variant.second)])
    return { variant, pipeline, ...(second && { second }) }
  } catch (error) {
    // What a driver says of its matrix units or subgroups need not be so; the kernel does without them then.
    if ((variant.matrices && target.matrices) || variant.subgroups) return { message: (error as Error).message }
    throw error
  }
}

function layoutEntries(kernel: KernelName, scratch: boolean): GPUBindGroupLayoutEntry[] {
  const types: GPUBufferBindingType[] = Object.values(kernelSpec(kernel).tensors).map(tensor =>
    tensor.access === 'read' ? 'read-only-storage' : 'storage',
  )
  const all: GPUBufferBindingType[] = [...types, 'uniform', ...(scratch ? ['storage' as const] : [])]
  return all.map((type, binding) => ({
    binding,
    visibility: COMPUTE_STAGE,
    buffer: { type },
  }))
}

async function compileVariant(
  device: GPUDevice,
  variant: Shader,
  target: Target,
  layout: GPUPipelineLayout,
  shaders: Shaders,
): Promise<GPUComputePipeline> {
  const code = shaderText(variant, target, shaders)
  // The scope keeps a shader's error out of the uncaptured ones; the messages below say more.
  device.pushErrorScope('validation')
  const module = device.createShaderModule({ label: variant.name, code })
  const scope = device.popErrorScope()
  const pipeline = device.createComputePipelineAsync({
    label: variant.name,
    layout,
    compute: { module, entryPoint: 'main', constants: { ...variant.constants } },
  })
  const settled = pipeline.catch(() => undefined)
  const failure = (await scope) ?? undefined
  // Only where there is an error: bun-webgpu cannot say.
  const { messages } = failure ? await module.getCompilationInfo() : { messages: [] }
  const errors = messages.filter(message => message.type === 'error')
  if (errors.length > 0 || failure) {
    await settled
    const found = errors.map(error => describe(error, code, variant, target, shaders)).join('\n')
    throw new Error(`shader ${variant.name} does not compile: ${found || failure?.message}`)
  }
  try {
    return await pipeline
  } catch (error) {
    throw new Error(`shader ${variant.name} does not compile on this device: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

// Lines are those of the whole text; the file's own are what a reader looks for.
function describe(
  message: GPUCompilationMessage,
  code: string,
  variant: Shader,
  target: Target,
  shaders: Shaders,
): string {
  const source = code.split('\n')[message.lineNum - 1] ?? ''
  const { file, line } = locate(message.lineNum, variant, target, shaders)
  const pointer = `${' '.repeat(Math.max(0, message.linePos - 1))}^`
  return `${file}:${line}:${message.linePos}: ${message.message}\n${source}\n${pointer}`
}

function locate(lineNum: number, variant: Shader, target: Target, shaders: Shaders): { file: string; line: number } {
  const files = shaderFiles(variant, target)
  let line = lineNum - (shaderHeader(variant, target).split('\n').length - 1)
  if (line < 1) return { file: 'header', line: lineNum }
  for (const name of files) {
    const lines = shaders[name]!.split('\n').length - 1
    if (line <= lines) return { file: `${name}.wgsl`, line }
    line -= lines
  }
  return { file: `${files.at(-1)}.wgsl`, line }
}

/** The variant chosen for such a call where it can do it, else the first that does. */
export function pickVariant(pipelines: KernelPipelines, params: Params): CompiledVariant {
  const { kernel, target, choose, variants } = pipelines
  const able = ({ can }: Variant) => can === undefined || can(params)
  const best = choose(kernel, params)
  // Without making anything: this is asked for each call of each step.
  if (best !== undefined) for (const each of variants) if (each.variant.name === best && able(each.variant)) return each
  for (const each of variants) {
    const { when } = each.variant
    if ((when === undefined || when(params, target)) && able(each.variant)) return each
  }
  const values = Object.entries(params).map(([name, value]) => `${name} ${value}`)
  throw new Error(`${kernel}: no variant does such a call on WebGPU (${values.join(', ')})`)
}
