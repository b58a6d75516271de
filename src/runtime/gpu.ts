// The GPU of this runtime: lists adapters, chooses one, says why there is none. adapters.ts knows where they come from. Trap: the object that Dawn's
// `create` returns must stay referenced as long as a device lives, and keeps the process from ending as long as it is referenced.
import type { AdapterInfo, Api } from './adapter-info.js'
import { type Candidate, candidates, noAdapter } from './adapters.js'

export interface OpenAdapter {
  readonly adapter: GPUAdapter
  readonly info: AdapterInfo
  /** Limits that a device must be asked for beside those that are wanted: see adapters.ts. */
  readonly limits: Readonly<Record<string, number>>
  /** Lets the process end; devices of this adapter must be destroyed before. */
  release(): void
}

export interface AdapterOptions {
  /** A part of the adapter's name, upper or lower case; default: the runtime's choice, the fastest first. */
  readonly adapter?: string
  /** What the adapter is driven by, Node only; default: the system's own. */
  readonly api?: Api | undefined
  /** Dawn's options, Node only: `enable-dawn-features=…` and the like. */
  readonly flags?: readonly string[]
}

const SOFTWARE = /llvmpipe|lavapipe|swiftshader|warp|basic render driver/i

// Dawn's objects by the adapters that need them: see the trap above.
const referenced = new Map<GPUAdapter, GPU>()

/** What the machine's adapters say of themselves, the runtime's choice first. Rejects where WebGPU is missing. */
export async function listAdapters(flags: readonly string[] = []): Promise<AdapterInfo[]> {
  const infos: AdapterInfo[] = []
  for await (const candidate of candidates(flags)) {
    const info = (await openCandidate(candidate))?.info
    if (info && !infos.some(known => sameAdapter(known, info))) infos.push(info)
  }
  return infos
}

/** Rejects where there is no adapter, or none of that name, saying why. */
export async function requestAdapter(options: AdapterOptions = {}): Promise<OpenAdapter> {
  const wanted = options.adapter?.toLowerCase()
  const found: AdapterInfo[] = []
  const { api, flags = [] } = options
  for await (const candidate of candidates([...flags, ...(api ? [`backend=${api}`] : [])])) {
    const opened = await openCandidate(candidate)
    if (!opened && wanted === undefined) break
    if (!opened) continue
    if (wanted === undefined || searchText(opened.info).includes(wanted)) {
      referenced.set(opened.adapter, candidate.gpu)
      return { ...opened, limits: candidate.limits ?? {}, release: () => referenced.delete(opened.adapter) }
    }
    if (!found.some(known => sameAdapter(known, opened.info))) found.push(opened.info)
  }
  if (found.length === 0)
    throw new Error(api ? `no WebGPU adapter is driven by ${api} here; leave --api out, or give another` : noAdapter())
  const names = found.map(info => info.name).join('; ')
  throw new Error(`no WebGPU adapter is named "${options.adapter}"; found: ${names}`)
}

async function openCandidate(candidate: Candidate): Promise<{ adapter: GPUAdapter; info: AdapterInfo } | undefined> {
  // Dawn throws where a backend is missing, others resolve to null.
  const adapter = await candidate.gpu.requestAdapter(candidate.options).catch(() => null)
  return adapter ? { adapter, info: describeAdapter(adapter.info) } : undefined
}

function describeAdapter(info: GPUAdapterInfo): AdapterInfo {
  const { vendor, architecture, device, description } = info
  // Dawn's device is the marketing name, others give its number; browsers may leave all but the vendor empty.
  const named = isNumber(device) ? description || device : device || description
  const words = named || [vendor, architecture].filter(Boolean).join(' ') || 'unnamed adapter'
  // Dawn puts a dash for what Mesa has in brackets, at the end too.
  const name = words.replace(/[-\s]+$/, '')
  const software = info.isFallbackAdapter === true || SOFTWARE.test(`${name} ${description} ${architecture}`)
  return { name, vendor, architecture, device, description, software }
}

const isNumber = (device: string): boolean => /^(0x)?[0-9a-f]+$/i.test(device)

const searchText = (info: AdapterInfo): string =>
  [info.name, info.vendor, info.architecture, info.device, info.description].join(' ').toLowerCase()

const sameAdapter = (a: AdapterInfo, b: AdapterInfo): boolean => searchText(a) === searchText(b)
