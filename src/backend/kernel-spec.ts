// What a row of the kernel table says, and the words it is written in.
export type DType = 'f32' | 'i32' | 'u32'
export type Access = 'read' | 'write' | 'update'

export interface TensorSpec {
  readonly access: Access
  readonly dtype: DType
  readonly optional: boolean
}

export interface KernelSpec {
  readonly tensors: Readonly<Record<string, TensorSpec>>
  readonly params: Readonly<Record<string, 'u32' | 'f32'>>
  /** The number of independent units of work, for splitting over threads. */
  readonly units: (p: Params) => number
  /** Floating-point operations of one call, where the figure means something (products). */
  readonly flops?: (p: Params) => number
  /** A feature of WebGPU devices that it needs, so that it is no kernel of wasm; or `wasm`, where it is no kernel of WebGPU. */
  readonly needs?: 'shader-f16' | 'wasm'
}

/** Parameter values of one call. */
export type Params = Readonly<Record<string, number>>

export const spec = <A extends Access, D extends DType>(access: A, dtype: D) =>
  ({ access, dtype, optional: false }) as const
export const maybe = <A extends Access, D extends DType>(access: A, dtype: D) =>
  ({ access, dtype, optional: true }) as const
export const read = spec('read', 'f32')
export const write = spec('write', 'f32')
export const update = spec('update', 'f32')
export const readInt = spec('read', 'i32')
export const optional = {
  read: maybe('read', 'f32'),
  keys: maybe('read', 'u32'),
  write: maybe('write', 'f32'),
  update: maybe('update', 'f32'),
  int: maybe('read', 'i32'),
  writeInt: maybe('write', 'i32'),
}

export const u32 = 'u32' as const
export const f32 = 'f32' as const
export const at = (p: Params, name: string): number => p[name] ?? 0
export const units = (name: string) => (p: Params) => at(p, name)

/** Dropout: an element is dropped when its 32 random bits are below `threshold` (rate · 2³²), else multiplied by `scale` = 1/(1−rate). */
export const dropout = { threshold: u32, scale: f32, key0: u32, key1: u32 }

/** Columns of c that one unit of a product computes where there are more columns than rows. */
export const MATMUL_COLUMNS = 16
