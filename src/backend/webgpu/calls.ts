// Prepared calls: bind groups made once, parameters packed into one uniform buffer with a slot a call, one compute pass
// a run.
import type { BoundCall, Memory, Prepared, View } from '../backend.js'
import { type KernelSpec, kernelSpec, type Params } from '../kernels.js'
import { namedSizes } from '../sizes.js'
import { type KernelPipelines, pickVariant } from './pipelines.js'
import { type Piece, piecesOf } from './split.js'
import type { PassTimes } from './times.js'

/** What binding a call needs of its backend. */
export interface Binding {
  readonly device: GPUDevice
  /** The largest range of one binding, in bytes. */
  readonly limit: number
  readonly bufferOf: (memory: Memory) => GPUBuffer
  /** SCRATCH_BYTES for calls with a second dispatch; one for all, since they run one after the other. */
  readonly scratch: () => GPUBuffer
  /** Stands for absent optional tensors that are read, and that are written: each of a call's at an offset of its own. */
  readonly absent: { readonly read: GPUBuffer; readonly write: GPUBuffer }
}

export interface PreparedCall {
  readonly call: BoundCall
  readonly pipelines: KernelPipelines
  readonly group: GPUBindGroup
  /** In u32 words of the parameter buffer. */
  readonly slot: number
  readonly fields: readonly { readonly name: string; readonly float: boolean }[]
  /** Of its tensors. */
  readonly names: readonly string[]
}

export interface PreparedCalls extends Prepared {
  readonly prepared: readonly PreparedCall[]
  readonly uniforms: GPUBuffer
  /** A group for a piece of call i, whose parameters lie at `offset` of `uniforms`. */
  readonly bindPiece: (i: number, piece: Piece, uniforms: GPUBuffer, offset: number) => GPUBindGroup
  readonly words: Uint32Array<ArrayBuffer>
  readonly floats: Float32Array<ArrayBuffer>
}

const UNIFORM = 0x40 // GPUBufferUsage.UNIFORM
const COPY_DST = 0x08
/** Bytes of a call's parameters, and of the word behind them, at most. */
const SLOT = 32 * 4
const roundUp = (x: number, multiple: number): number => Math.ceil(x / multiple) * multiple

/** Binds calls that `checkCall` has passed. */
export function bindCalls(
  binding: Binding,
  calls: readonly BoundCall[],
  pipelines: readonly KernelPipelines[],
): PreparedCalls {
  const { device } = binding
  const alignment = device.limits.minUniformBufferOffsetAlignment
  const stride = roundUp(SLOT, alignment)
  const uniforms = device.createBuffer({
    label: 'parameters',
    size: Math.max(1, calls.length) * stride,
    usage: UNIFORM | COPY_DST,
  })
  const words = new Uint32Array((calls.length * stride) / 4)
  const bind = (call: BoundCall, { layout, scratch }: KernelPipelines, from: GPUBuffer, offset: number) => {
    const entries = [
      ...tensorEntries(binding, call),
      { binding: call.views.length, resource: { buffer: from, offset, size: SLOT } },
      ...(scratch ? [{ binding: call.views.length + 1, resource: { buffer: binding.scratch() } }] : []),
    ]
    return device.createBindGroup({ label: call.kernel, layout, entries })
  }
  const prepared = calls.map((call, i): PreparedCall => {
    const fields = Object.entries(kernelSpec(call.kernel).params).map(([name, type]) => ({
      name,
      float: type === 'f32',
    }))
    const group = bind(call, pipelines[i]!, uniforms, i * stride)
    const names = Object.keys(kernelSpec(call.kernel).tensors)
    return { call, pipelines: pipelines[i]!, group, slot: (i * stride) / 4, fields, names }
  })
  const floats = new Float32Array(words.buffer)
  const bindPiece: PreparedCalls['bindPiece'] = (i, { offsets }, from, offset) =>
    bind(partOf(calls[i]!, offsets), pipelines[i]!, from, offset)
  return { calls, prepared, uniforms, bindPiece, words, floats, release: () => uniforms.destroy() }
}

/** A call whose tensors begin so many bytes later. */
function partOf({ kernel, views }: BoundCall, offsets: Piece['offsets']): BoundCall {
  const names = Object.keys(kernelSpec(kernel).tensors)
  return {
    kernel,
    views: views.map((view, i) => {
      const by = offsets[names[i]!] ?? 0
      return view && { memory: view.memory, offset: view.offset + by, bytes: view.bytes - by }
    }),
  }
}

function tensorEntries({ limit, bufferOf, absent }: Binding, call: BoundCall): GPUBindGroupEntry[] {
  return Object.values(kernelSpec(call.kernel).tensors).map((tensor, i) => {
    const view = call.views[i]
    if (!view && tensor.access === 'read') return { binding: i, resource: { buffer: absent.read } }
    if (!view) return { binding: i, resource: { buffer: absent.write, offset: i * STORAGE_ALIGNMENT, size: 16 } }
    // Memory may be larger than a binding; a tensor is not (run checks it), and lies at the view's start.
    const size = Math.min(roundUp(Math.max(4, view.bytes), 4), Math.floor(limit / 4) * 4)
    return { binding: i, resource: { buffer: bufferOf(view.memory), offset: view.offset, size } }
  })
}

/** Throws where a call does not fit the table, or where WebGPU would refuse what it binds together. */
export function checkCall(call: BoundCall): void {
  const spec: KernelSpec | undefined = kernelSpec(call.kernel)
  if (!spec) throw new Error(`unknown kernel ${call.kernel}: it is not in the kernel table`)
  if (spec.needs === 'wasm') throw new Error(`${call.kernel} is a kernel of the wasm backend alone`)
  const names = Object.keys(spec.tensors)
  if (call.views.length !== names.length)
    throw new Error(`${call.kernel} takes ${names.length} tensors (${names.join(', ')}), found ${call.views.length}`)
  names.forEach((name, i) => {
    const view = call.views[i]
    if (view) checkView(view, `${call.kernel}: tensor ${name}`)
    else if (!spec.tensors[name]!.optional)
      throw new Error(`${call.kernel}: tensor ${name} is missing and not optional`)
  })
  checkAliases(call, spec, names)
}

/** Storage offsets are multiples of this on every adapter. */
export const STORAGE_ALIGNMENT = 256

export function checkView(view: View, what: string): void {
  const { label, bytes } = view.memory
  if (view.offset % STORAGE_ALIGNMENT !== 0)
    throw new Error(`${what}: a view at byte ${view.offset} of ${label}; expected a multiple of ${STORAGE_ALIGNMENT}`)
  if (view.offset < 0 || view.offset + view.bytes > bytes)
    throw new Error(
      `${what}: a view of bytes ${view.offset} to ${view.offset + view.bytes} of ${label}, which has ${bytes}`,
    )
}

// WebGPU forbids one buffer to be bound for reading and for writing in one dispatch, even at ranges that do not meet;
// for writing twice only where they meet.
function checkAliases(call: BoundCall, spec: KernelSpec, names: readonly string[]): void {
  for (let i = 0; i < names.length; i++) {
    for (let j = i + 1; j < names.length; j++) {
      const [a, b] = [call.views[i], call.views[j]]
      if (!a || !b || a.memory !== b.memory) continue
      const written = [i, j].filter(k => spec.tensors[names[k]!]!.access !== 'read').length
      const meet = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes
      if (written === 1 || (written === 2 && meet))
        throw new Error(
          `${call.kernel}: tensors ${names[i]} and ${names[j]} share the memory ${a.memory.label}, ` +
            'which one call cannot both read and write on WebGPU; give them memory of their own',
        )
    }
  }
}

/**
 * Packs the parameters of all calls and encodes them into one pass, or a pass a call where those are timed; the caller submits. Calls of more than
 * `most` FLOPs are dispatched in pieces. What is `spent` may be destroyed once it is submitted.
 */
export function encodeRun(
  device: GPUDevice,
  prepared: PreparedCalls,
  params: readonly Params[],
  times?: PassTimes,
  most = Number.POSITIVE_INFINITY,
): { readonly commands: GPUCommandBuffer; readonly spent: readonly GPUBuffer[] } {
  const list = prepared.prepared
  if (params.length !== list.length)
    throw new Error(`run: ${list.length} calls were prepared, but ${params.length} parameter records given`)
  for (let i = 0; i < list.length; i++) packParams(prepared, list[i]!, params[i]!)
  device.queue.writeBuffer(prepared.uniforms, 0, prepared.words)
  const limit = device.limits.maxComputeWorkgroupsPerDimension
  const spent: GPUBuffer[] = []
  const encoder = device.createCommandEncoder()
  const begin = (i: number) => encoder.beginComputePass(times && { timestampWrites: times.writes(i) })
  let pass = begin(0)
  let current: GPUComputePipeline | undefined
  const dispatch = (chosen: GPUComputePipeline, group: GPUBindGroup, workgroups: number, call: BoundCall): void => {
    if (workgroups === 0) return
    if (chosen !== current) pass.setPipeline(chosen)
    current = chosen
    pass.setBindGroup(0, group)
    if (workgroups <= limit) pass.dispatchWorkgroups(workgroups)
    else pass.dispatchWorkgroups(...spread(workgroups, limit, call))
  }
  for (let i = 0; i < list.length; i++) {
    const { call, group, pipelines } = list[i]!
    if (times && i > 0) {
      pass.end()
      pass = begin(i)
      current = undefined
    }
    // By the whole call, so that its pieces are computed alike.
    const { variant, pipeline, second } = pickVariant(pipelines, params[i]!)
    const all = variant.workgroups(params[i]!)
    const pieces = most < Number.POSITIVE_INFINITY ? piecesOf(call.kernel, params[i]!, most, all) : WHOLE
    if (pieces.length <= 1) {
      dispatch(pipeline, group, all, call)
      if (second) dispatch(second, group, variant.second!.workgroups(params[i]!), call)
      continue
    }
    const bound = bindPieces(device, prepared, i, pieces)
    spent.push(bound.uniforms)
    pieces.forEach((piece, j) => {
      dispatch(pipeline, bound.groups[j]!, piece.workgroups?.[1] ?? variant.workgroups(piece.params), call)
      if (second) dispatch(second, bound.groups[j]!, variant.second!.workgroups(piece.params), call)
    })
  }
  pass.end()
  times?.resolve(encoder)
  return { commands: encoder.finish(), spent }
}

/** Nothing is split. */
const WHOLE: readonly Piece[] = []

/** Groups for the pieces of call i, made for one run: what they cost is little beside what is dispatched. */
function bindPieces(device: GPUDevice, prepared: PreparedCalls, i: number, pieces: readonly Piece[]) {
  const { fields } = prepared.prepared[i]!
  const stride = roundUp(SLOT, device.limits.minUniformBufferOffsetAlignment)
  const words = new Uint32Array((pieces.length * stride) / 4)
  const floats = new Float32Array(words.buffer)
  pieces.forEach(({ params, workgroups }, j) => {
    const slot = (j * stride) / 4
    writeFields(words, floats, slot, fields, params)
    if (workgroups) words[slot + fields.length] = workgroups[0]
  })
  const uniforms = device.createBuffer({ label: 'pieces', size: words.byteLength, usage: UNIFORM | COPY_DST })
  device.queue.writeBuffer(uniforms, 0, words)
  return { uniforms, groups: pieces.map((piece, j) => prepared.bindPiece(i, piece, uniforms, j * stride)) }
}

function writeFields(
  words: Uint32Array,
  floats: Float32Array,
  slot: number,
  fields: PreparedCall['fields'],
  params: Params,
): void {
  for (let i = 0; i < fields.length; i++) {
    const { name, float } = fields[i]!
    if (float) floats[slot + i] = params[name]!
    else words[slot + i] = params[name]!
  }
}

function packParams(
  { words, floats }: PreparedCalls,
  { call, slot, fields, names }: PreparedCall,
  params: Params,
): void {
  for (const { name } of fields)
    if (params[name] === undefined)
      throw new Error(`${call.kernel}: parameter ${name} is missing; it takes ${fields.map(f => f.name).join(', ')}`)
  writeFields(words, floats, slot, fields, params)
  // With bounds checks on the device a tensor that is too small gives wrong values in silence.
  const least = namedSizes(call.kernel, params)
  for (let i = 0; i < names.length; i++) {
    const bytes = 4 * (least[names[i]!] ?? 0)
    if (bytes > (call.views[i]?.bytes ?? 0)) throw new Error(tooSmall(call, i, bytes, params))
  }
  if (call.kernel === 'top_k' && params.k! > 1024) throw new Error(`top_k: k is ${params.k}, at most 1024`)
}

function tooSmall(call: BoundCall, index: number, bytes: number, params: Params): string {
  const name = Object.keys(kernelSpec(call.kernel).tensors)[index]
  const found = call.views[index] ? `${call.views[index].bytes} bytes` : 'none'
  const given = Object.entries(params).map(([key, value]) => `${key} ${value}`)
  return `${call.kernel}: tensor ${name} needs ${bytes} bytes, found ${found} (${given.join(', ')})`
}

// Over two dimensions as evenly as goes; the shaders pass over what is too much.
function spread(count: number, limit: number, call: BoundCall): [number, number] {
  const y = Math.ceil(count / limit)
  if (y > limit) throw new Error(`${call.kernel}: ${count} workgroups, at most ${limit * limit} can be dispatched`)
  return [Math.ceil(count / y), y]
}
