// The WebGPU backend: buffers, the kernels of shaders/, and reading back. Work is handed to the device by `run` and
// waited for by `read` and `finish`, which throw what went wrong since.
import type { AdapterInfo } from '../../runtime/adapter-info.js'
import type { Backend, Memory } from '../backend.js'
import type { KernelName, Params } from '../kernels.js'
import type { Profile } from '../profile.js'
import { bindCalls, checkCall, checkView, encodeRun, type PreparedCalls, STORAGE_ALIGNMENT } from './calls.js'
import { type Device, type DeviceOptions, openDevice } from './device.js'
import { type Allowed, type FirstUse, findTuning, type TunedBackend } from './first-use.js'
import { createPipelineCache, type PipelineCache, type PipelineOptions, pickVariant } from './pipelines.js'
import { computesRightly } from './product-check.js'
import { createReader } from './read.js'
import { selfTest } from './self-test.js'
import { mostFlops } from './split.js'
import { recordTimes, timePasses } from './times.js'
import { type Choice, choiceOf, fnv, type KeptTuning } from './tuning.js'
import { SCRATCH_BYTES } from './variants.js'

export interface WebGpuBackend extends Backend {
  readonly kind: 'webgpu'
  readonly adapterInfo: AdapterInfo
  readonly features: readonly string[]
  /** For measurements and tests. */
  readonly device: GPUDevice
  /** Where the variants were chosen by measurement. */
  readonly tuning?: KeptTuning
  /** The name of the variant that does such a call, once the kernel was prepared. */
  variantOf(kernel: KernelName, params: Params): Promise<string>
}

const STORAGE = 0x80 // GPUBufferUsage
const COPY_SRC = 0x04
const COPY_DST = 0x08
const USAGE = STORAGE | COPY_SRC | COPY_DST

/** Of a call, at most. */
const MOST_TENSORS = 16

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

export interface WebGpuOptions extends Omit<DeviceOptions, 'timed'>, PipelineOptions {
  /** Where each call's time goes to; each call is a pass of its own then. */
  readonly profile?: Profile | undefined
  /** Whether the best variants are measured on this adapter, or read from the cache; default: not on a software adapter. */
  readonly tune?: boolean | undefined
  /** As another process of this adapter and driver had it: nothing is measured then, and the results are the same to the bit. */
  readonly tuning?: KeptTuning | undefined
  /** For what is not measured yet; default: 3 s. */
  readonly tuneMilliseconds?: number | undefined
  /** FLOPs of one dispatch at most, for tests; default: by the rate that was measured, unlimited where none was. */
  readonly mostFlops?: number | undefined
}

/**
 * A backend on one adapter, default: the runtime's choice. Rejects where there is no such adapter, saying why, and
 * where it computes wrongly.
 */
export async function createWebGpuBackend(options: WebGpuOptions = {}): Promise<WebGpuBackend> {
  const { profile } = options
  const opened = await openDevice({ ...options, timed: profile !== undefined })
  const given: Choice = options.choose ?? (() => undefined)
  let choose = given
  let forced: string | undefined
  // Plain ones alone until it is known that the adapter computes at all
  let isAllowed: Allowed = () => false
  let { mostFlops: longest } = options
  const pipelines: PipelineCache = createPipelineCache(opened.device, opened.target, {
    ...options,
    choose: (kernel, params) => choose(kernel, params),
    isAllowed: (kernel, name) =>
      name === forced || isAllowed(kernel, name) || name === pipelines.wanted(kernel).at(-1)!.name,
  })
  const backend = backendOn(opened, pipelines, profile, () => longest)
  const force = (name: string | undefined) => {
    forced = name
    choose = () => name
  }
  const use: FirstUse = {
    ...{ backend, force, wanted: pipelines.wanted, target: opened.target },
    compile: (kernel, variant) => {
      const made = [pipelines.compile(kernel, variant), pipelines.compile(kernel, pipelines.wanted(kernel).at(-1)!)]
      return Promise.all(made).then(
        ([own]) => (own && 'message' in own ? { message: own.message } : {}),
        (error: Error) => ({ message: error.message }),
      )
    },
    allow: rule => {
      isAllowed = rule
    },
  }
  try {
    await checkPlain(use, opened.info.name, options.mixed ?? false)
    isAllowed = () => true
    force(undefined)
    choose = given
    if (!(options.tune ?? (!opened.info.software && !options.choose))) return backend
    const tuning = await findTuning(use, opened.info, options)
    choose = choiceOf(tuning)
    longest ??= mostFlops(tuning.gflops)
    const { choices, passed, refused, gflops } = tuning
    const variants = fnv(JSON.stringify([choices, passed, refused, gflops]))
    return { ...backend, numerics: `${backend.numerics}, variants ${variants}`, tuning }
  } catch (error) {
    backend.close()
    throw error
  }
}

/** Refuses an adapter that computes wrongly with what everything else is compared with. */
async function checkPlain({ backend, force }: TunedBackend, adapter: string, mixed: boolean): Promise<void> {
  force(PLAIN)
  await selfTest(backend, adapter)
  if (!mixed) return
  force(PLAIN_F16)
  if (!(await computesRightly(backend, PLAIN_F16, 'matmul_f16')))
    throw new Error(`the WebGPU adapter ${adapter} computes products of f16 wrongly; use precision f32`)
}

/** The product that the others are measured against: where it is wrong, the adapter is refused. */
const PLAIN = 'matmul_32x32'
const PLAIN_F16 = 'matmul_f16_32x32'

function backendOn(
  opened: Device,
  pipelines: PipelineCache,
  profile: Profile | undefined,
  longest: () => number | undefined,
): WebGpuBackend {
  const { device, info, features } = opened
  const buffers = new Map<Memory, GPUBuffer>()
  let scratch: GPUBuffer | undefined
  const scratchBuffer = () => {
    scratch ??= device.createBuffer({ label: 'scratch', size: SCRATCH_BYTES, usage: STORAGE })
    return scratch
  }
  const reader = createReader(device)
  const absent = {
    read: device.createBuffer({ label: 'absent', size: 16, usage: STORAGE }),
    write: device.createBuffer({ label: 'absent, written', size: MOST_TENSORS * STORAGE_ALIGNMENT, usage: STORAGE }),
  }
  const limits = {
    binding: device.limits.maxStorageBufferBindingSize,
    memory: Math.floor(device.limits.maxBufferSize / 4) * 4,
    alignment: STORAGE_ALIGNMENT,
  }
  let closed = false
  const bufferOf = (memory: Memory): GPUBuffer => {
    const buffer = buffers.get(memory)
    if (!buffer) throw new Error(`memory ${memory.label} is not of this backend, or was freed before its last use`)
    return buffer
  }
  const waited = async <T>(work: Promise<T>): Promise<T> => {
    try {
      const result = await work
      await opened.settle()
      opened.check()
      return result
    } catch (error) {
      throw await opened.explain(error)
    }
  }

  return {
    kind: 'webgpu',
    numerics: `webgpu, ${info.name}`,
    description: `WebGPU on ${info.name}${info.software ? ' (software)' : ''}`,
    adapterInfo: info,
    features,
    f16: features.includes('shader-f16'),
    device,
    limits,
    variantOf: async (kernel, params) => pickVariant(await pipelines.of(kernel), params).variant.name,
    allocate(bytes, label) {
      opened.checkOpen()
      if (!Number.isSafeInteger(bytes) || bytes < 0)
        throw new Error(`cannot allocate ${bytes} bytes for ${label}: expected a whole number`)
      const what = `cannot allocate ${mebibytes(bytes)} for ${label}`
      if (bytes > limits.memory)
        throw new Error(
          `${what}: a buffer of ${info.name} holds at most ${mebibytes(limits.memory)}; use a smaller batch or chunk`,
        )
      const size = Math.max(16, Math.ceil(bytes / 4) * 4)
      const memory: Memory = { label, bytes }
      buffers.set(
        memory,
        opened.watchMemory(() => device.createBuffer({ label, size, usage: USAGE }), what),
      )
      return memory
    },
    free(memory) {
      if (closed) return
      bufferOf(memory).destroy()
      buffers.delete(memory)
    },
    write(view, data) {
      opened.checkOpen()
      checkView(view, view.memory.label)
      if (data.byteLength > view.bytes)
        throw new Error(`cannot write ${data.byteLength} bytes to ${view.memory.label}: the view holds ${view.bytes}`)
      device.queue.writeBuffer(bufferOf(view.memory), view.offset, ownWords(data))
    },
    async read(view) {
      opened.checkOpen()
      checkView(view, view.memory.label)
      return waited(reader(bufferOf(view.memory), view.offset, view.bytes))
    },
    async prepare(calls) {
      opened.checkOpen()
      for (const call of calls) checkCall(call)
      const compiled = await waited(Promise.all(calls.map(call => pipelines.of(call.kernel))))
      return bindCalls({ device, limit: limits.binding, bufferOf, absent, scratch: scratchBuffer }, calls, compiled)
    },
    run(prepared, params) {
      opened.checkOpen()
      const start = performance.now()
      const times = profile && !profile.paused ? timePasses(device, prepared.calls.length) : undefined
      const { commands, spent } = encodeRun(device, prepared as PreparedCalls, params, times, longest())
      device.queue.submit([commands])
      for (const buffer of spent) buffer.destroy()
      if (profile && times) recordTimes(profile, times, prepared.calls, params, start)
    },
    async finish() {
      opened.checkOpen()
      await waited(device.queue.onSubmittedWorkDone())
    },
    close() {
      closed = true
      buffers.clear()
      opened.close()
    },
  }
}

// writeBuffer takes multiples of 4 bytes (a view's memory is rounded up to that), and Dawn in Node crashes on shared
// memory.
function ownWords(data: ArrayBufferView): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  if (bytes.buffer instanceof ArrayBuffer && bytes.length % 4 === 0) return bytes as Uint8Array<ArrayBuffer>
  const copy = new Uint8Array(Math.ceil(bytes.length / 4) * 4)
  copy.set(bytes)
  return copy
}
