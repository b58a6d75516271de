// How long a run has taken, the parts before it was interrupted included: kept beside it while it goes on, so that a part that is killed loses seconds
// of it, not all.
import { asObject, parseStrictJson } from '../data/json.js'
import { exists, join, readText, removeFile } from '../runtime/files.js'
import { writeFile } from '../runtime/write.js'

export interface RunClock {
  /** Of all parts. */
  seconds(): number
  /** Keeps them where that was last done some seconds ago; `now`: in any case. */
  keep(now?: boolean): Promise<void>
  /** The run has ended: nothing is kept any more. */
  end(): Promise<void>
}

/** Seconds that a part which is killed may lose. */
const BETWEEN = 5

/** `started`: when this part began, by performance.now(). */
export async function openClock(folder: string, started: number): Promise<RunClock> {
  const path = join(folder, 'seconds.json')
  const before = await earlier(path)
  const seconds = () => before + (performance.now() - started) / 1000
  let kept = seconds()
  return {
    seconds,
    async keep(now = false) {
      if (!now && seconds() - kept < BETWEEN) return
      kept = seconds()
      await writeFile(path, `${JSON.stringify({ seconds: kept })}\n`)
    },
    end: () => removeFile(path),
  }
}

async function earlier(path: string): Promise<number> {
  if (!(await exists(path))) return 0
  const { seconds } = asObject(parseStrictJson(await readText(path), path), path)
  if (typeof seconds === 'number' && seconds >= 0) return seconds
  throw new Error(`${path}: seconds is ${JSON.stringify(seconds)}, expected a number; remove it, and time counts anew`)
}
