// A backend that keeps count of its memory, for tests of what is given back.
import type { Backend, Memory } from '../../src/backend/backend.js'

/** The backend, and what of its memory is held at present. */
export function counted(inner: Backend): { backend: Backend; held: ReadonlySet<Memory> } {
  const held = new Set<Memory>()
  const allocate: Backend['allocate'] = (bytes, label) => {
    const memory = inner.allocate(bytes, label)
    held.add(memory)
    return memory
  }
  const free: Backend['free'] = memory => {
    inner.free(memory)
    held.delete(memory)
  }
  return { backend: { ...inner, allocate, free }, held }
}
