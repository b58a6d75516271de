// What a tab may lose or lack, on the page in headless Chromium: the GPU, room to keep things, memory for a model.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Page } from '../support/chromium.js'
import { documents, smallModel } from '../support/library.js'
import {
  addPair,
  browser,
  click,
  closeAll,
  declared,
  embed,
  fill,
  hits,
  opened,
  says,
  submit,
  text,
} from '../support/open-page.js'

const question = 'what makes dough rise'

async function train(page: Page, steps: number): Promise<void> {
  await fill(page, 'steps', String(steps))
  await fill(page, 'rate', '0.005')
  await click(page, 'train')
}

async function search(page: Page): Promise<string[]> {
  await fill(page, 'search', question)
  await page.until("document.querySelectorAll('#hits li').length === 6", SLOW)
  return hits(page)
}

/** Seconds: shaders are made by a GPU that is a processor. */
const SLOW = 300

async function loadOnGpu(page: Page): Promise<void> {
  await page.evaluate("document.getElementById('backend').value = 'webgpu'")
  await submit(page, 'model-form')
  await says(page, 'status', /^Runs on WebGPU on .*swiftshader/i, SLOW)
}

// In a browser of its own: after a crash it may give no more devices.
declared('a lost GPU: model and adapter go on with wasm', async () => {
  const own = browser()
  const { page } = await opened({}, own)
  await embed(page)
  await addPair(page, question, documents['bread-0']!)
  await addPair(page, 'why do magnets attract', documents['magnets-1']!)
  await train(page, 4)
  await says(page, 'train-note', /^Adapted in/)
  await click(page, 'save')
  await says(page, 'adapter-note', /^Saved/)
  await loadOnGpu(page)
  await click(page, 'kept')
  await says(page, 'adapter-note', /adapter is on/, SLOW)
  const adapted = await search(page)
  await own.crashGpu()
  await fill(page, 'search', '')
  assert.equal(await search(page), adapted)
  assert.match(await text(page, 'status'), /^The GPU was lost: model and adapter were loaded again, on wasm/)
  assert.match(await text(page, 'search-note'), /^6 results/)
})

declared('a GPU lost while an adapter is trained: said, nothing of it is kept, the next trains on wasm', async () => {
  const own = browser()
  const { page } = await opened({}, own)
  await embed(page)
  await addPair(page, question, documents['bread-0']!)
  await loadOnGpu(page)
  // No search waits, which would be the first to hear of the loss.
  await train(page, 1000)
  await own.crashGpu()
  await says(page, 'train-note', /the GPU was lost on the way, and nothing of this is kept: begin again/, SLOW)
  assert.match(await text(page, 'status'), /^The GPU was lost: the model was loaded again, on wasm/)
  await click(page, 'save')
  await says(page, 'adapter-note', /nothing has been adapted yet/)
  await train(page, 2)
  await says(page, 'train-note', /^Adapted in/)
})

const quota = (page: Page, origin: string, quotaSize?: number) =>
  page.send('Storage.overrideQuotaForOrigin', { origin, ...(quotaSize !== undefined && { quotaSize }) })

declared('without room for the adapter the one kept before stays whole, and it is said', async () => {
  const { server, page } = await opened()
  await embed(page)
  await search(page)
  await addPair(page, question, documents['bread-0']!)
  await addPair(page, 'why do magnets attract', documents['magnets-1']!)
  await train(page, 20)
  await says(page, 'train-note', /^Adapted in/)
  await click(page, 'save')
  await says(page, 'adapter-note', /^Saved: kept in this browser/)
  const scores = () =>
    page.evaluate<string[]>("[...document.querySelectorAll('#hits .score')].map(each => each.textContent)")
  const first = [await hits(page), await scores()]

  await train(page, 40)
  await says(page, 'train-note', /^Adapted in/)
  const shown = "[...document.querySelectorAll('#hits .score')].map(each => each.textContent).join()"
  await page.until(`${shown} !== ${JSON.stringify(first[1]!.join())}`)
  // Room for its small files, not for the large one.
  const usage = await page.evaluate<number>('navigator.storage.estimate().then(({ usage }) => usage)')
  await quota(page, server.address, usage + 4096)
  await click(page, 'save')
  await says(page, 'adapter-note', /^Downloaded as adapter\.tar .*but not kept in this browser: .*quota for this site/)
  await quota(page, server.address)
  await click(page, 'forget')
  await says(page, 'adapter-note', /as it was loaded/)
  await click(page, 'kept')
  await says(page, 'adapter-note', /adapter is on/)
  await page.until(`document.querySelector('#hits .score').textContent === ${JSON.stringify(first[1]![0])}`)
  assert.equal([await hits(page), await scores()], first)
})

declared('without room for the model it runs all the same, and is said not to be kept', async () => {
  const { server, page } = await opened()
  assert.not.match(await text(page, 'model-note'), 'no room')
  await quota(page, server.address, 1)
  await submit(page, 'model-form')
  await says(page, 'model-note', /^Loaded: 32 dimensions.*no room in this browser to keep it for when you are offline/)
  await embed(page)
})

/** A server of the small model whose weights are said to have so many bytes, and come without an end. */
async function largeModel(bytes: number): Promise<{ server: Server; address: string; sent(): number }> {
  const files = await smallModel()
  let sent = 0
  const chunk = new Uint8Array(1 << 20)
  const server = createServer(({ url = '/' }, response) => {
    const name = decodeURIComponent(url.slice(1))
    const headers = { 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin' }
    const file = files[name]
    if (!file) return void response.writeHead(404, headers).end()
    if (name !== 'model.safetensors') return void response.writeHead(200, headers).end(file)
    response.writeHead(200, { ...headers, 'content-length': bytes })
    response.write(file)
    const more = () => {
      while (!response.destroyed && response.write(chunk)) sent += chunk.length
    }
    response.on('drain', more)
    more()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { server, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sent: () => sent }
}

declared("a model over the tab's memory is refused with the figure, before it is downloaded", async () => {
  const { page } = await opened()
  const large = await largeModel(5 * 2 ** 30)
  await fill(page, 'address', large.address)
  await submit(page, 'model-form')
  await says(page, 'model-note', /model\.safetensors is 5\.00 GiB, more than the \d\.\d\d GiB that there is room for/)
  const sent = large.sent()
  assert.ok(sent < 2 ** 26, `${sent} bytes were sent`)
  // What keeps it for when one is offline takes no more of it either.
  await new Promise(resolve => setTimeout(resolve, 300))
  assert.ok(large.sent() - sent < 2 ** 24, `${large.sent() - sent} bytes more were sent`)
  large.server.closeAllConnections()
  large.server.close()
})

declared('without WebGPU: why, and wasm; insisted on, an error', async () => {
  const { page } = await opened({}, browser({ gpu: false }))
  assert.match(
    await text(page, 'status'),
    /^Runs on wasm .*\(no WebGPU adapter: the browser offers no GPU; check .*\)\.$/,
  )
  await embed(page)
  await page.evaluate("document.getElementById('backend').value = 'webgpu'")
  await submit(page, 'model-form')
  await says(page, 'model-note', /no WebGPU/)
  assert.ok(await page.evaluate("document.getElementById('model-note').classList.contains('bad')"))
})

test.after(closeAll)
test.run()
