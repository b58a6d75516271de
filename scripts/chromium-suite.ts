// The suite of test/runtimes in headless Chromium: on a page with cross-origin isolation, both backends with threads; on one without, one thread.
import { serveFiles } from '../src/runtime/server.js'
import type { Report, SuiteSettings } from '../test/runtimes/suite.js'
import { findChromium, startChromium } from '../test/support/chromium.js'
import type { RuntimeResult } from './runtimes.js'

const PAGE = `<!doctype html><meta charset="utf-8"><title>suite</title><script type="module">
globalThis.reports = []
globalThis.start = settings => {
  const worker = new Worker('/suite/worker.js', { type: 'module' })
  worker.onmessage = ({ data }) => reports.push(data)
  worker.onerror = event => reports.push({ test: 'the worker', error: event.message || 'did not start', milliseconds: 0 }, 'done')
  worker.postMessage(settings)
}
</script>`

export async function inChromium(
  built: string,
  settings: SuiteSettings,
  result: RuntimeResult,
  report: (line: Report) => void,
): Promise<void> {
  const { path, reason } = findChromium()
  if (!path) {
    if (process.env.CI === 'true') result.failures.push(reason!)
    else result.notes.push(`skipped: ${reason}`)
    return
  }
  const chromium = startChromium(path)
  try {
    for (const isolated of [true, false]) {
      const server = await serveFiles({ folders: { '/suite/': built }, texts: { '/': PAGE }, isolated })
      const parts = isolated ? settings.parts : [{ backend: 'wasm', threads: 2, kernels: false } as const]
      const page = await chromium.newPage()
      await page.goto(`${server.address}/`)
      const found = await page.evaluate<boolean>('crossOriginIsolated')
      if (found === isolated) result.passed++
      else
        result.failures.push(
          `crossOriginIsolated is ${found} on a page that is served ${isolated ? 'with' : 'without'} isolation`,
        )
      await page.evaluate(`start(${JSON.stringify({ ...settings, parts })})`)
      await page.until("reports.at(-1) === 'done'", 600)
      const lines = await page.evaluate<(Report | 'done')[]>('reports')
      const suffix = isolated ? '' : ' without isolation'
      for (const line of lines)
        if (line !== 'done') report('part' in line ? { ...line, part: `${line.part}${suffix}` } : line)
      await server.close()
    }
  } catch (error) {
    result.failures.push((error as Error).message)
  } finally {
    await chromium.close()
  }
}
