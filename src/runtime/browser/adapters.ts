// Adapters of a browser, on a page or in a worker: `navigator.gpu`. It stands for ../adapters.ts.
import type { Candidate } from '../adapters.js'

export type { Candidate }

export async function* candidates(_flags: readonly string[]): AsyncGenerator<Candidate> {
  const { gpu } = navigator as Partial<Navigator>
  if (!gpu)
    throw new Error(
      `this ${isSecureContext ? 'browser has no WebGPU' : 'page has no WebGPU: it needs https or localhost'}`,
    )
  yield { gpu, options: { powerPreference: 'high-performance' } }
  yield { gpu, options: { powerPreference: 'low-power' } }
  yield { gpu, options: { forceFallbackAdapter: true } }
}

export const noAdapter = (): string =>
  'no WebGPU adapter: the browser offers no GPU; check that hardware acceleration is on and the driver is up to date'
