// The times of a run's passes, by the device's own time stamps: written around each pass, resolved at the end of the run, read back later.
import type { BoundCall } from '../backend.js'
import type { Params } from '../kernels.js'
import { type Profile, recordCall, recordHost } from '../profile.js'

export interface PassTimes {
  /** Where pass i writes its beginning and end. */
  writes(pass: number): GPUComputePassTimestampWrites
  /** Records what brings the stamps to where they can be read. */
  resolve(encoder: GPUCommandEncoder): void
  /** (passes, 2) nanoseconds on the device's clock. To be called when the run was submitted. */
  read(): Promise<BigUint64Array>
}

/** Stamps that one query set may hold. */
const SET_SIZE = 4096
const [QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ] = [0x200, 0x04, 0x08, 0x01] // GPUBufferUsage

export function timePasses(device: GPUDevice, passes: number): PassTimes {
  const stamps = 2 * passes
  const sets = Array.from({ length: Math.ceil(stamps / SET_SIZE) }, (_, i) =>
    device.createQuerySet({ type: 'timestamp', count: Math.min(SET_SIZE, stamps - i * SET_SIZE) }),
  )
  const resolved = device.createBuffer({ label: 'time stamps', size: 8 * stamps, usage: QUERY_RESOLVE | COPY_SRC })
  const staging = device.createBuffer({ label: 'times', size: 8 * stamps, usage: COPY_DST | MAP_READ })
  return {
    writes(pass) {
      const at = (2 * pass) % SET_SIZE
      const querySet = sets[Math.floor((2 * pass) / SET_SIZE)]!
      return { querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 }
    },
    resolve(encoder) {
      sets.forEach((set, i) => {
        encoder.resolveQuerySet(set, 0, set.count, resolved, 8 * SET_SIZE * i)
      })
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, 8 * stamps)
    },
    async read() {
      await staging.mapAsync(MAP_READ)
      const times = new BigUint64Array(staging.getMappedRange().slice(0))
      for (const each of [...sets, resolved, staging]) each.destroy()
      return times
    },
  }
}

/** Adds a run to the profile: the host's part at once, the device's when it tells. `start`: when the host began to record it. */
export function recordTimes(
  profile: Profile,
  times: PassTimes,
  calls: readonly BoundCall[],
  params: readonly Params[],
  start: number,
): void {
  const submitted = performance.now()
  recordHost(profile, calls.length, start, submitted - start)
  const pending = times.read().then(
    stamps => {
      // The clocks differ: the first pass is taken to begin when the run was handed over.
      const since = (stamp: bigint) => Number(stamp - stamps[0]!) / 1e6
      calls.forEach(({ kernel }, i) => {
        const begin = since(stamps[2 * i]!)
        recordCall(profile, kernel, params[i]!, submitted + begin, since(stamps[2 * i + 1]!) - begin)
      })
    },
    // The device is lost; whoever waits for results hears of it.
    () => undefined,
  )
  profile.pending.add(pending)
  void pending.then(() => profile.pending.delete(pending))
}
