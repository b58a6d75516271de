// Where adapters come from in Node (npm `webgpu`, which is Dawn), Deno (`navigator.gpu`) and Bun (npm `bun-webgpu`, where it is installed: npm `webgpu`
// crashes Bun). browser/adapters.ts stands for this file in a browser.

/** One way to an adapter. */
export interface Candidate {
  readonly gpu: GPU
  readonly options: GPURequestAdapterOptions
  /** Limits that a device must be asked for in any case. */
  readonly limits?: Readonly<Record<string, number>>
}

const runtimeName = (): 'Deno' | 'Bun' | 'Node' => {
  if ('Deno' in globalThis) return 'Deno'
  return 'Bun' in globalThis ? 'Bun' : 'Node'
}

const powers = [{ powerPreference: 'high-performance' }, { powerPreference: 'low-power' }] as const

/** Lazily: each object that Dawn creates looks at every driver again, and complains on stderr where there is none. */
export async function* candidates(flags: readonly string[]): AsyncGenerator<Candidate> {
  const runtime = runtimeName()
  if (runtime !== 'Node' && flags.some(flag => flag.startsWith('backend=')))
    throw new Error(
      `the API that drives an adapter can be chosen in Node only, and this is ${runtime}; leave --api out`,
    )
  if (runtime === 'Bun') return yield* bunCandidates()
  const gpu = typeof navigator === 'object' ? (navigator as Partial<Navigator>).gpu : undefined
  if (gpu) {
    for (const options of [...powers, { forceFallbackAdapter: true }]) yield { gpu, options }
    return
  }
  if (runtime === 'Deno') throw new Error('this Deno has no WebGPU (navigator.gpu is missing): use Deno 2.2 or newer')
  const create = await loadDawn()
  if (process.platform === 'linux' && !hasVulkanLoader()) return
  const dawn = create([...flags])
  for (const options of powers) yield { gpu: dawn, options }
  for (const name of availableNames(create, flags)) yield { gpu: create([...flags, `adapter=${name}`]), options: {} }
}

// bun-webgpu compares the defaults of these limits with the adapter's, which it leaves at 0, and refuses the device.
const BUN_LIMITS = {
  maxStorageBuffersInVertexStage: 0,
  maxStorageTexturesInVertexStage: 0,
  maxStorageBuffersInFragmentStage: 0,
  maxStorageTexturesInFragmentStage: 0,
  maxImmediateSize: 0,
}

async function* bunCandidates(): AsyncGenerator<Candidate> {
  if (process.platform === 'linux' && !hasVulkanLoader()) return
  const gpu = await loadBunWebGpu()
  for (const options of powers) yield { gpu, options, limits: BUN_LIMITS }
}

let bunGpu: GPU | undefined

async function loadBunWebGpu(): Promise<GPU> {
  if (bunGpu) return bunGpu
  // A name that no bundler follows: it is there only where its user installed it.
  const name = 'bun-webgpu'
  const loaded = (await import(name).catch((error: Error) => {
    throw new Error(
      `Bun has no WebGPU of its own, and npm bun-webgpu does not load: install it (bun add bun-webgpu), or use wasm (${error.message.split('\n')[0]})`,
      { cause: error },
    )
  })) as { setupGlobals(): Promise<void> }
  await loaded.setupGlobals()
  bunGpu = navigator.gpu
  return bunGpu
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

export function noAdapter(): string {
  const what = 'no WebGPU adapter'
  if (runtimeName() === 'Deno')
    return `${what}: Deno found no GPU; install its driver, or the software one (mesa-vulkan-drivers)`
  if (process.platform !== 'linux') return `${what}: the system found no GPU that Dawn supports; update its driver`
  return `${what}: no Vulkan driver was found; install the GPU's, or the software one (mesa-vulkan-drivers, Mesa 25 or newer)`
}
