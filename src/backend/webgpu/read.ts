// Reading back: copied into a staging buffer, which is mapped. Small staging buffers are kept: a step reads its loss
// back every time.

const MAP_READ = 0x01 // GPUBufferUsage, and GPUMapMode.READ
const COPY_DST = 0x08
const SMALL = 65536

/** Copies `bytes` from `offset` of a buffer, after everything submitted before. */
export function createReader(
  device: GPUDevice,
): (source: GPUBuffer, offset: number, bytes: number) => Promise<ArrayBuffer> {
  const small: GPUBuffer[] = []
  return async (source, offset, bytes) => {
    if (bytes === 0) return new ArrayBuffer(0)
    const size = Math.ceil(bytes / 4) * 4
    const reusable = size <= SMALL
    const staging =
      (reusable ? small.pop() : undefined) ??
      device.createBuffer({ label: 'read', size: reusable ? SMALL : size, usage: MAP_READ | COPY_DST })
    const encoder = device.createCommandEncoder()
    encoder.copyBufferToBuffer(source, offset, staging, 0, size)
    device.queue.submit([encoder.finish()])
    try {
      await staging.mapAsync(MAP_READ, 0, size)
    } catch (error) {
      staging.destroy()
      throw error
    }
    const copy = staging.getMappedRange(0, size).slice(0, bytes)
    staging.unmap()
    if (reusable) small.push(staging)
    else staging.destroy()
    return copy
  }
}
