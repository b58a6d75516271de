// A GPU that a page uses for the first time, in headless Chromium: what was found out of it is kept by the browser, and read by the next page and by workers.
import { build } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
// @ts-expect-error: a script without types
import { forBrowsers } from '../../scripts/browser.mjs'
import { serveFiles } from '../../src/runtime/server.js'
import { findChromium, startChromium } from '../support/chromium.js'

const { path, reason } = findChromium()
if (!path) {
  if (process.env.CI === 'true') throw new Error(reason)
  console.log(`skipped: ${reason}`)
}
const root = new URL('../..', import.meta.url).pathname
const CODE = `
import { createWebGpuBackend } from './src/backend/webgpu/backend.js'
import { readCached, writeCached } from './src/runtime/cache.js'
const open = async () => {
  const backend = await createWebGpuBackend({ tune: true, tuneMilliseconds: 0 }).catch(error => String(error))
  if (typeof backend === 'string') return backend
  const { key, complete } = backend.tuning
  backend.close()
  return { key, complete, numerics: backend.numerics }
}
globalThis.work = { open, readCached, writeCached }
if (typeof window === 'undefined') readCached('from the page').then(text => postMessage(text ?? 'nothing'))`

const inTab = path ? test : test.skip
inTab('what is found out is kept, for later pages and for workers', async () => {
  const { outputFiles = [] } = await build({
    ...forBrowsers,
    stdin: { contents: CODE, resolveDir: root, loader: 'ts' },
    ...{ write: false, absWorkingDir: root },
  })
  const page =
    '<!doctype html><meta charset="utf-8"><title>first use</title><script type="module" src="/work.js"></script>'
  const server = await serveFiles({ folders: {}, texts: { '/': page, '/work.js': outputFiles[0]!.text } })
  const chromium = startChromium(path!)
  try {
    const first = await chromium.newPage()
    await first.goto(`${server.address}/`)
    await first.until('Boolean(globalThis.work)')
    await first.evaluate("work.writeCached('from the page', 'kept')")
    assert.is(await first.evaluate("work.readCached('from the page')"), 'kept')
    assert.is(await first.evaluate("work.readCached('another').then(text => text ?? 'nothing')"), 'nothing')
    const told = "new Promise(resolve => { new Worker('/work.js').onmessage = ({ data }) => resolve(data) })"
    assert.is(await first.evaluate(told), 'kept')
    const opened = await first.evaluate<{ key: string; complete: boolean } | string>('work.open()')
    if (typeof opened === 'string') {
      assert.match(opened, /no WebGPU|found no GPU|no adapter/i)
      return console.log(`skipped: ${opened}`)
    }
    assert.is(opened.complete, false)
    assert.equal(await first.evaluate('work.open()'), opened)
  } finally {
    await chromium.close()
    await server.close()
  }
})

test.run()
