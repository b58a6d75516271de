// Devices for tests of variants by name: one with the specification's default limits, and one with the adapter's own for variants that need more workgroup
// memory than those give.
import { createWebGpuBackend, type WebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { type Variant, variants } from '../../src/backend/webgpu/variants.js'
import { webgpuBackend } from './adapter.js'

/** The specification's default. */
const LEAST = 16384 // bytes

/** `choose`: the name that is forced. What comes back gives a variant's device; undefined where this machine has none, which is printed. */
export async function backendsFor(choose: () => string): Promise<(variant: Variant) => WebGpuBackend | undefined> {
  const present = await webgpuBackend()
  if (!present) return () => undefined
  const adapter = present.adapterInfo.name
  const least = await createWebGpuBackend({ adapter, choose, defaultLimits: true, variants: 'all' })
  const all = Object.values(variants).flat()
  const larger = all.filter(({ workgroupMemory = 0, f16 }) => workgroupMemory > LEAST && !f16).map(({ name }) => name)
  // The plain product is what an adapter is tested with; of one with a second dispatch all have the binding.
  const names = [...new Set(larger), 'matmul_vec4_16x64_split', 'matmul_32x32']
  const ample = await createWebGpuBackend({ adapter, choose, variants: names })
  const limit = ample.device.limits.maxComputeWorkgroupStorageSize
  return ({ name, workgroupMemory = 0 }) => {
    if (workgroupMemory <= LEAST) return least
    if (workgroupMemory <= limit) return ample
    console.log(`skipped: ${name} takes ${workgroupMemory} bytes of workgroup memory, ${adapter} has ${limit}`)
    return undefined
  }
}
