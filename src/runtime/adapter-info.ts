// What is said of GPUs, in types that need none of WebGPU's: compilers before TypeScript 6 do not have them.

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

/** Of those that Dawn can drive: a system has one or two. */
export const apis = ['vulkan', 'metal', 'd3d12', 'd3d11', 'opengl'] as const
export type Api = (typeof apis)[number]
