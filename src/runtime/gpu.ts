// The GPU of this runtime: npm `webgpu` (Dawn) in Node, `navigator.gpu` where it exists (Deno, browsers). Lists
// adapters, chooses one, says why there is none. Traps: the object that Dawn's `create` returns must stay referenced as
// long as a device lives, and keeps the process from ending as long as it is referenced.

/** What an adapter says of itself. */
export interface AdapterInfo {
  /** For people, and what `adapter` of `requestAdapter` is matched with. */
  readonly name: string
  readonly vendor: string
  readonly architecture: string
  readonly device: string
  readonly description: string
  /** Runs on the processor (lavapipe, SwiftShader, WARP). */
  readonly software: boolean
}

export interface OpenAdapter {
  readonly adapter: GPUAdapter
  readonly info: AdapterInfo
  /** Lets the process end; devices of this adapter must be destroyed before. */
  release(): void
}

export interface AdapterOptions {
  /** A part of the adapter's name, upper or lower case; default: the runtime's choice, the fastest first. */
  readonly adapter?: string
  /** Dawn's options, Node only: `enable-dawn-features=…` and the like. */
  readonly flags?: readonly string[]
}

/** One way to an adapter. */
interface Candidate {
  readonly gpu: GPU
  readonly options: GPURequestAdapterOptions
}

const SOFTWARE = /llvmpipe|lavapipe|swiftshader|warp|basic render driver/i

// Dawn's objects by the adapters that need them: see the trap above.
const referenced = new Map<GPUAdapter, GPU>()

const runtimeName = (): string => {
  if ('Deno' in globalThis) return 'Deno'
  if ('Bun' in globalThis) return 'Bun'
  return typeof process === 'object' && process.versions?.node ? 'Node' : 'browser'
}

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
  for await (const candidate of candidates(options.flags ?? [])) {
    const opened = await openCandidate(candidate)
    if (!opened && wanted === undefined) break
    if (!opened) continue
    if (wanted === undefined || searchText(opened.info).includes(wanted)) {
      referenced.set(opened.adapter, candidate.gpu)
      return { ...opened, release: () => referenced.delete(opened.adapter) }
    }
    if (!found.some(known => sameAdapter(known, opened.info))) found.push(opened.info)
  }
  if (found.length === 0) throw new Error(noAdapter())
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
  const name = named || [vendor, architecture].filter(Boolean).join(' ') || 'unnamed adapter'
  const software = info.isFallbackAdapter === true || SOFTWARE.test(`${name} ${description} ${architecture}`)
  return { name, vendor, architecture, device, description, software }
}

const isNumber = (device: string): boolean => /^(0x)?[0-9a-f]+$/i.test(device)

const searchText = (info: AdapterInfo): string =>
  [info.name, info.vendor, info.architecture, info.device, info.description].join(' ').toLowerCase()

const sameAdapter = (a: AdapterInfo, b: AdapterInfo): boolean => searchText(a) === searchText(b)

// Lazily: each object that Dawn creates looks at every driver again, and complains on stderr where there is none.
async function* candidates(flags: readonly string[]): AsyncGenerator<Candidate> {
  const powers = [{ powerPreference: 'high-performance' }, { powerPreference: 'low-power' }] as const
  const gpu = typeof navigator === 'object' ? (navigator as Partial<Navigator>).gpu : undefined
  if (gpu) {
    for (const options of [...powers, { forceFallbackAdapter: true }]) yield { gpu, options }
    return
  }
  const runtime = runtimeName()
  if (runtime === 'Bun')
    throw new Error(
      'Bun has no WebGPU of its own, and the npm package webgpu crashes it: set up bun-webgpu before, or use Node',
    )
  if (runtime !== 'Node') throw new Error(`this ${runtime} has no WebGPU (navigator.gpu is missing)`)
  const create = await loadDawn()
  if (process.platform === 'linux' && !hasVulkanLoader()) return
  const dawn = create([...flags])
  for (const options of powers) yield { gpu: dawn, options }
  for (const name of availableNames(create, flags)) yield { gpu: create([...flags, `adapter=${name}`]), options: {} }
}

// Where the loader is missing Dawn says so on stderr, several lines each time that it is created: asked before it.
function hasVulkanLoader(): boolean {
  try {
    process.dlopen({ exports: {} }, 'libvulkan.so.1')
    return true
  } catch (error) {
    // One that is found is still no module of Node's.
    return !/cannot open shared object|No such file/.test((error as Error).message)
  }
}

async function loadDawn(): Promise<(flags: string[]) => GPU> {
  try {
    return (await import('webgpu')).create
  } catch (error) {
    const { platform, arch } = process
    throw new Error(`npm webgpu does not load here (${platform} ${arch}): ${(error as Error).message}`, {
      cause: error,
    })
  }
}

// Dawn lists its adapters only in the error about one that does not exist.
function availableNames(create: (flags: string[]) => GPU, flags: readonly string[]): string[] {
  try {
    create([...flags, 'adapter=\u0001'])
  } catch (error) {
    const names = [...String((error as Error).message).matchAll(/name: '(.*)'/g)].map(match => match[1]!)
    return [...new Set(names)]
  }
  return []
}

function noAdapter(): string {
  const what = 'no WebGPU adapter'
  if (runtimeName() !== 'Node') return `${what}: the runtime found no GPU; in a browser check that WebGPU is enabled`
  if (process.platform !== 'linux') return `${what}: the system found no GPU that Dawn supports; update its driver`
  return `${what}: no Vulkan driver was found; install the GPU's, or the software one (mesa-vulkan-drivers, Mesa 25 or newer)`
}
