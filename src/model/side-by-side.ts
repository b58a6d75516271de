// Frozen tensors of layers that read one x (query, key and value; gate and up) side by side in one piece of memory, so that one product can read them all.
import type { Backend, Memory, View } from '../backend/backend.js'
import type { MemoryPlan, PlacedTensor } from './placement.js'

/** Views begin at multiples of it, in bytes. */
const ALIGNMENT = 256

const roundUp = (bytes: number): number => Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT)

/** Where a tensor lies beside others of its group; undefined where it has memory of its own. The memory of a group comes with the first that is asked for. */
export function sideBySide(
  backend: Pick<Backend, 'limits' | 'allocate'>,
  { tensors }: Pick<MemoryPlan, 'tensors'>,
): (name: string) => View | undefined {
  const groups = new Map<string, { bytes: number; memory?: Memory }>()
  const places = new Map<string, { readonly group: string; readonly offset: number; readonly bytes: number }>()
  for (const { name, group, place, bytes } of tensors) {
    if (!group || !isPlain(place)) continue
    const laid = groups.get(group) ?? { bytes: 0 }
    groups.set(group, laid)
    places.set(name, { group, offset: laid.bytes, bytes: Math.max(4 * Math.ceil(bytes / 4), ALIGNMENT) })
    laid.bytes += roundUp(bytes)
  }
  const most = Math.min(backend.limits.binding, backend.limits.memory)
  return name => {
    const place = places.get(name)
    const laid = place && groups.get(place.group)!
    if (!laid || laid.bytes > most) return undefined
    laid.memory ??= backend.allocate(laid.bytes, place.group)
    return { memory: laid.memory, offset: place.offset, bytes: place.bytes }
  }
}

const isPlain = (place: PlacedTensor['place']): boolean => place === 'f32' || place === 'half'
