// Which backend runs: WebGPU where there is a GPU, WebAssembly otherwise (a software adapter counts as none: it is slower). Insisting on what
// is missing is an error.
import type { Backend } from '../backend/backend.js'
import type { Profile } from '../backend/profile.js'
import type { WasmOptions } from '../backend/wasm/backend.js'
import type { WebGpuOptions } from '../backend/webgpu/backend.js'
import type { KeptTuning } from '../backend/webgpu/tuning.js'
import type { AdapterInfo, Api } from '../runtime/adapter-info.js'
import { listAdapters, requestAdapter } from '../runtime/gpu.js'

// Loaded when they are opened: a page fetches only the one that it runs on.
const loadWasm = () => import('../backend/wasm/backend.js')
const loadWebGpu = () => import('../backend/webgpu/backend.js')

/** Which backend is opened. */
export interface BackendChoice {
  readonly backend: 'auto' | 'webgpu' | 'wasm'
  /** A part of a WebGPU adapter's name. */
  readonly adapter?: string | undefined
  /** What drives it: Vulkan, Metal, D3D12 … */
  readonly api?: Api | undefined
  /** For precision mixed: a GPU with shader-f16. */
  readonly mixed?: boolean | undefined
  /** Of the wasm backend; default: the cores there are. */
  readonly threads?: number | undefined
  /** Where each kernel call's time goes to. */
  readonly profile?: Profile | undefined
}

/** The same with what a run or a benchmark asks of a GPU beside it. */
export interface BackendRequest extends BackendChoice {
  /** The variants of a WebGPU backend, so that a run that goes on computes as it began. */
  readonly tuning?: KeptTuning | undefined
  /** Milliseconds to wait for the measuring of a GPU that is new here; default: 3 s, and the rest at later uses. */
  readonly tuneMilliseconds?: number | undefined
}

export interface OpenedBackend {
  readonly backend: Backend
  /** Which one and why, for people. */
  readonly reason: string
  /** Where variants were chosen by measurement. */
  readonly tuning?: KeptTuning | undefined
}

export async function openBackend(choice: BackendRequest): Promise<OpenedBackend> {
  const { profile } = choice
  const opened = await openChosen(choice)
  if (!profile) return opened
  const { measureLimits } = await import('../bench/limits.js')
  profile.limits = await measureLimits(opened.backend, 0.1, () => {})
  profile.paused = false
  return opened
}

const NEEDS_GPU = 'precision mixed needs a GPU with shader-f16'

async function openChosen(choice: BackendRequest): Promise<OpenedBackend> {
  const { backend, adapter, api, mixed, threads, profile, tuning, tuneMilliseconds } = choice
  const onGpu = { mixed, profile, tuning, tuneMilliseconds }
  if (backend === 'wasm' && adapter)
    throw new Error(
      `adapter "${adapter}" is a WebGPU adapter's, but the backend asked for is wasm; leave one of them out`,
    )
  if (backend === 'wasm' && api)
    throw new Error(`api ${api} drives a WebGPU adapter, but the backend asked for is wasm; leave one of them out`)
  if (backend === 'wasm') {
    if (mixed)
      throw new Error(`${NEEDS_GPU}, but the backend asked for is wasm, which computes in f32; leave one of them out`)
    return openWasm({ threads, profile }, 'as asked')
  }
  if (backend === 'webgpu' || adapter || api) return openWebGpu({ ...onGpu, adapter, api }, 'as asked')
  const { adapters, reason } = await findAdapters()
  const hardware = adapters.find(each => !each.software)
  if (hardware && mixed) return openWebGpu({ ...onGpu, adapter: hardware.name }, 'there is a GPU')
  if (mixed)
    throw new Error(
      `${NEEDS_GPU}; ${adapters[0] ? `the only adapter, ${adapters[0].name}, is software: insist on it with --backend webgpu` : reason}, or use precision f32`,
    )
  // One that gives no device or computes wrongly is no reason to stop where nobody insisted on it.
  if (hardware)
    return openWebGpu({ ...onGpu, adapter: hardware.name }, 'there is a GPU').catch((error: Error) =>
      openWasm({ threads, profile }, `${hardware.name} cannot be used: ${error.message}`),
    )
  return openWasm(
    { threads, profile },
    adapters[0] ? `the only WebGPU adapter, ${adapters[0].name}, is software and slower` : reason,
  )
}

async function openWebGpu(options: WebGpuOptions, why: string): Promise<OpenedBackend> {
  const { createWebGpuBackend } = await loadWebGpu()
  const backend = await createWebGpuBackend(options)
  const { description, tuning } = backend
  return {
    backend,
    tuning,
    reason: `${description} (${why})${leftOut(tuning?.refused ?? [], tuning?.messages)}${unfinished(tuning)}`,
  }
}

/** Variants that an adapter's tests refused, for people: those that do not compile with what the adapter says, in `messages` by name. */
export function leftOut(refused: readonly string[], messages: Readonly<Record<string, string>> = {}): string {
  const wrong = refused.filter(name => messages[name] === undefined)
  const told = [...new Set(refused.flatMap(name => messages[name] ?? []))].map(
    message => `${refused.filter(name => messages[name] === message).join(', ')} (${message})`,
  )
  const because = (why: string, list: readonly string[]) =>
    list.length > 0 ? `; left out, for it ${why} them: ${list.join(', ')}` : ''
  return `${because('does not compile', told)}${because('computes wrongly with', wrong)}`
}

const unfinished = (tuning: KeptTuning | undefined): string =>
  tuning && !tuning.complete ? '; the next use goes on measuring its kernels' : ''

async function openWasm(options: WasmOptions, why: string): Promise<OpenedBackend> {
  const { createWasmBackend } = await loadWasm()
  const backend = await createWasmBackend(options)
  return { backend, reason: `${backend.description} (${why})` }
}

async function findAdapters(): Promise<{ adapters: AdapterInfo[]; reason: string }> {
  try {
    const adapters = await listAdapters()
    return { adapters, reason: adapters.length > 0 ? '' : await whyNoAdapter() }
  } catch (error) {
    return { adapters: [], reason: (error as Error).message }
  }
}

const whyNoAdapter = (): Promise<string> =>
  requestAdapter().then(
    opened => {
      opened.release()
      return ''
    },
    (error: Error) => error.message,
  )

export interface BackendsInfo {
  readonly backends: {
    readonly webgpu: {
      readonly available: boolean
      readonly adapter?: string
      readonly vendor?: string
      readonly software?: boolean
      readonly features?: readonly string[]
      readonly limits?: Readonly<Record<string, number>>
      readonly reason?: string
      /** All that were found. */
      readonly adapters: readonly AdapterInfo[]
    }
    readonly wasm: {
      readonly available: boolean
      readonly threads: number
      readonly simd: boolean
      /** Relaxed SIMD: fused products. */
      readonly relaxed_simd: boolean
      readonly reason?: string
    }
  }
  /** What runs where nothing is asked for. */
  readonly default: 'webgpu' | 'wasm'
}

async function describeWasm(): Promise<BackendsInfo['backends']['wasm']> {
  try {
    const { createWasmBackend } = await loadWasm()
    const { hasRelaxedSimd } = await import('../backend/wasm/module.js')
    const backend = await createWasmBackend()
    backend.close()
    return { available: true, threads: backend.threads, simd: true, relaxed_simd: hasRelaxedSimd() }
  } catch (error) {
    return { available: false, threads: 0, simd: false, relaxed_simd: false, reason: (error as Error).message }
  }
}

const shownLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
  'minStorageBufferOffsetAlignment',
] as const

/** What this machine offers. `adapter` chooses the one that is described. */
export async function describeBackends(adapter?: string): Promise<BackendsInfo> {
  const { adapters, reason } = await findAdapters()
  const wasm = await describeWasm()
  const preferred = adapters.some(each => !each.software) ? 'webgpu' : 'wasm'
  if (adapters.length === 0)
    return { backends: { webgpu: { available: false, reason, adapters }, wasm }, default: preferred }
  // The one that would run: hardware before software, as openBackend chooses.
  const chosen = adapter ?? (adapters.find(each => !each.software) ?? adapters[0])?.name
  const opened = await requestAdapter(chosen ? { adapter: chosen } : {})
  const { name, vendor, software } = opened.info
  const limits = Object.fromEntries(shownLimits.map(limit => [limit, Number(opened.adapter.limits[limit])]))
  const webgpu = {
    available: true,
    adapter: name,
    vendor,
    software,
    features: [...opened.adapter.features].sort(),
    limits,
    adapters,
  }
  opened.release()
  return { backends: { webgpu, wasm }, default: preferred }
}
