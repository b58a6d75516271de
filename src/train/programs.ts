// Programs of a training step by name, recorded when they are first asked for, over one pool.
import type { Backend } from '../backend/backend.js'
import { createPlan } from '../tensor/plan.js'
import { createPool, createProgram, type Program, poolBytes, releasePool } from '../tensor/program.js'
import { createTrace, type Trace } from '../tensor/trace.js'

export interface Programs {
  /** The program of this name; `record` makes it. */
  named(name: string, record: (trace: Trace) => void, training?: boolean): Program
  /** Releases those whose names begin so. */
  drop(prefix: string): void
  /** Of the pool, and of what programs hold beside it. */
  bytes(): number
  release(): void
}

export function createPrograms(backend: Backend): Programs {
  const pool = createPool(backend)
  const programs = new Map<string, Program>()
  const drop = (prefix: string): void => {
    for (const [name, made] of programs) {
      if (!name.startsWith(prefix)) continue
      made.release()
      programs.delete(name)
    }
  }
  return {
    named(name, record, training = true) {
      const present = programs.get(name)
      if (present) return present
      const trace = createTrace({ training })
      record(trace)
      const made = createProgram(createPlan(name, trace), pool)
      programs.set(name, made)
      return made
    },
    drop,
    bytes: () => [...programs.values()].reduce((sum, made) => sum + made.bytes(), poolBytes(pool)),
    release() {
      drop('')
      releasePool(pool)
    },
  }
}
