// A device and its failures. WebGPU reports errors late and elsewhere; here they are collected and thrown where the
// caller waits anyway.
import type { AdapterInfo, Api } from '../../runtime/adapter-info.js'
import { type OpenAdapter, requestAdapter } from '../../runtime/gpu.js'
import { OUT_OF_MEMORY } from '../backend.js'
import type { Target } from './variants.js'

export interface DeviceOptions {
  /** A part of the adapter's name; default: the runtime's choice. */
  readonly adapter?: string | undefined
  /** What drives the adapter (Node only); default: the system's own. */
  readonly api?: Api | undefined
  /** Skips Dawn's validation and bounds checks (Node only). */
  readonly fast?: boolean | undefined
  /** With time stamps, which most adapters have. */
  readonly timed?: boolean | undefined
  /** With shader-f16, which must be there, and matrix units where the adapter has them. */
  readonly mixed?: boolean | undefined
  /** Exactly the specification's default limits and no subgroups, for tests. */
  readonly defaultLimits?: boolean | undefined
}

export interface Device {
  readonly device: GPUDevice
  readonly info: AdapterInfo
  readonly features: readonly string[]
  /** What its kernels' variants may depend on. */
  readonly target: Target
  /** Throws once the device is closed or lost. */
  checkOpen(): void
  /** Throws what failed since the last check. To be called when `settle` has passed. */
  check(): void
  /** Throws an error of its own device in words a user understands, in place of what a rejected promise said. */
  explain(error: unknown): Promise<Error>
  /** Watches one buffer's creation, whose failure `check` throws once `settle` has passed. */
  watchMemory<T>(create: () => T, what: string): T
  /** Resolves when every watched creation is known to have succeeded or failed. */
  settle(): Promise<void>
  close(): void
}

// Larger is better for these; of alignments the default stays, so that a plan's memory does not depend on the adapter.
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
] as const

const FAST = ['skip_validation', 'disable_robustness']

// Without the first NVIDIA offers no f16, without the second nobody offers matrix units.
const MIXED = ['vulkan_enable_f16_on_nvidia', 'allow_unsafe_apis']

// Rounded to 0.1 ms otherwise.
const TIMED_FLAGS = ['disable-dawn-features=timestamp_quantization']

const SUBGROUPS = 'subgroups' as GPUFeatureName
const MATRICES = 'chromium-experimental-subgroup-matrix' as GPUFeatureName

// One list for all that are enabled: of two Dawn takes the last.
function dawnFlags({ fast, mixed, timed }: DeviceOptions): string[] {
  const enabled = [...(fast ? FAST : []), ...(mixed ? MIXED : [])]
  return [...(enabled.length > 0 ? [`enable-dawn-features=${enabled}`] : []), ...(timed ? TIMED_FLAGS : [])]
}

/** Whether an adapter multiplies matrices as common/subgroup_matrix.wgsl takes them. */
function hasMatrices({ features, info }: GPUAdapter): boolean {
  const { subgroupMatrixConfigs = [], subgroupMinSize, subgroupMaxSize } = info as GPUAdapterInfo & MatrixInfo
  return (
    features.has(MATRICES) &&
    features.has(SUBGROUPS) &&
    subgroupMinSize === 32 &&
    subgroupMaxSize === 32 &&
    [...subgroupMatrixConfigs].some(
      ({ componentType, resultComponentType, M, N, K }) =>
        componentType === 'f16' && resultComponentType === 'f32' && M === 16 && N === 16 && K === 16,
    )
  )
}

interface MatrixInfo {
  readonly subgroupMatrixConfigs?: Iterable<{
    readonly componentType: string
    readonly resultComponentType: string
    readonly M: number
    readonly N: number
    readonly K: number
  }>
}

/** Rejects where there is no such adapter, or where it gives no device. */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  const opened = await requestAdapter({
    ...(options.adapter !== undefined && { adapter: options.adapter }),
    api: options.api,
    flags: dawnFlags(options),
  })
  try {
    return watchDevice(opened, await requestDevice(opened, options))
  } catch (error) {
    opened.release()
    throw error
  }
}

async function requestDevice(
  { adapter, info, limits }: OpenAdapter,
  { defaultLimits, mixed, timed }: DeviceOptions,
): Promise<GPUDevice> {
  if (timed && !adapter.features.has('timestamp-query'))
    throw new Error(
      `the WebGPU adapter ${info.name} has no timestamp-query, which a profile needs; leave --profile out`,
    )
  if (mixed && !adapter.features.has('shader-f16'))
    throw new Error(
      `the WebGPU adapter ${info.name} has no shader-f16, which precision mixed needs; use precision f32, or another adapter`,
    )
  const requiredFeatures: GPUFeatureName[] = [
    ...(timed ? ['timestamp-query' as const] : []),
    ...(mixed ? ['shader-f16' as const] : []),
    ...(adapter.features.has(SUBGROUPS) && !defaultLimits ? [SUBGROUPS] : []),
    ...(mixed && hasMatrices(adapter) ? [MATRICES] : []),
  ]
  const requiredLimits: Record<string, number> = { ...limits }
  if (!defaultLimits) for (const name of LIMITS) requiredLimits[name] = adapter.limits[name]
  try {
    return await adapter.requestDevice({ requiredLimits, requiredFeatures })
  } catch (error) {
    throw new Error(`the WebGPU adapter ${info.name} gives no device: ${(error as Error).message}`, { cause: error })
  }
}

function watchDevice(opened: OpenAdapter, device: GPUDevice): Device {
  const errors: string[] = []
  const memoryErrors: string[] = []
  const watched = new Set<Promise<void>>()
  let closed = false
  let lost: string | undefined
  const lostPromise = device.lost.then(({ reason, message }) => {
    if (!closed) lost = lostMessage(reason, message)
  })
  device.addEventListener('uncapturederror', event => {
    event.preventDefault?.()
    errors.push(event.error.message)
  })

  const checkOpen = (): void => {
    if (closed) throw new Error('the WebGPU backend is closed: create another with createWebGpuBackend()')
    if (lost) throw new Error(lost)
  }
  const check = (): void => {
    checkOpen()
    // What uses memory that could not be had fails as well: the cause is the one to tell.
    const causes = memoryErrors.splice(0)
    const found = errors.splice(0)
    if (causes.length > 0) throw new Error(causes.join('\n'), { cause: OUT_OF_MEMORY })
    if (found.length > 0) throw new Error(`the GPU reported an error: ${[...new Set(found)].join('\n')}`)
  }

  return {
    device,
    info: opened.info,
    features: [...device.features].sort(),
    target: {
      software: opened.info.software,
      features: [...device.features],
      matrices: device.features.has(MATRICES),
      workgroupMemory: device.limits.maxComputeWorkgroupStorageSize,
    },
    checkOpen,
    check,
    async explain(error) {
      // A lost device rejects what waits for it a moment before or after it says why.
      await Promise.race([lostPromise, new Promise(resolve => setTimeout(resolve, 100))])
      try {
        check()
      } catch (known) {
        return known as Error
      }
      return error instanceof Error ? error : new Error(String(error))
    },
    watchMemory(create, what) {
      device.pushErrorScope('out-of-memory')
      const made = create()
      const outcome = device.popErrorScope().then(
        error => {
          if (error) memoryErrors.push(outOfMemory(what, opened.info.name, error.message))
        },
        // The scope of a lost device; `lost` tells.
        () => undefined,
      )
      watched.add(outcome)
      void outcome.then(() => watched.delete(outcome))
      return made
    },
    async settle() {
      await Promise.all(watched)
    },
    close() {
      if (closed) return
      closed = true
      device.destroy()
      opened.release()
    },
  }
}

const outOfMemory = (what: string, adapter: string, message: string): string =>
  `${what}: ${adapter} is out of memory; use a smaller batch or chunk${message ? ` (${message.trim()})` : ''}`

const lostMessage = (reason: string, message: string): string => {
  const details = message ? `: ${message.trim()}` : ''
  return `the GPU device was lost (reason: ${reason || 'unknown'}${details}); resume from the last checkpoint`
}
