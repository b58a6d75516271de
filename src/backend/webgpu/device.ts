// A device and its failures. WebGPU reports errors late and elsewhere; here they are collected and thrown where the
// caller waits anyway.
import { type AdapterInfo, type OpenAdapter, requestAdapter } from '../../runtime/gpu.js'

export interface DeviceOptions {
  /** A part of the adapter's name; default: the runtime's choice. */
  readonly adapter?: string | undefined
  /** Skips Dawn's validation and bounds checks (Node only). */
  readonly fast?: boolean | undefined
  /** With time stamps, which most adapters have. */
  readonly timed?: boolean | undefined
  /** Exactly the specification's default limits, for tests. */
  readonly defaultLimits?: boolean | undefined
}

export interface Device {
  readonly device: GPUDevice
  readonly info: AdapterInfo
  readonly features: readonly string[]
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

const FAST_FLAGS = ['enable-dawn-features=skip_validation,disable_robustness']

// Rounded to 0.1 ms otherwise.
const TIMED_FLAGS = ['disable-dawn-features=timestamp_quantization']

/** Rejects where there is no such adapter, or where it gives no device. */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  const opened = await requestAdapter({
    ...(options.adapter !== undefined && { adapter: options.adapter }),
    flags: [...(options.fast ? FAST_FLAGS : []), ...(options.timed ? TIMED_FLAGS : [])],
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
  { defaultLimits, timed }: DeviceOptions,
): Promise<GPUDevice> {
  if (timed && !adapter.features.has('timestamp-query'))
    throw new Error(
      `the WebGPU adapter ${info.name} has no timestamp-query, which a profile needs; leave --profile out`,
    )
  const requiredLimits: Record<string, number> = { ...limits }
  if (!defaultLimits) for (const name of LIMITS) requiredLimits[name] = adapter.limits[name]
  try {
    return await adapter.requestDevice({ requiredLimits, requiredFeatures: timed ? ['timestamp-query'] : [] })
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
    if (causes.length > 0) throw new Error(causes.join('\n'))
    if (found.length > 0) throw new Error(`the GPU reported an error: ${[...new Set(found)].join('\n')}`)
  }

  return {
    device,
    info: opened.info,
    features: [...device.features].sort(),
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
