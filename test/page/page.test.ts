// The page in headless Chromium, as people use it: loads, embeds, searches, adapts, saves, works offline; and what may be missing.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { documents } from '../support/library.js'
import {
  addPair,
  built,
  chromium,
  click,
  closeAll,
  declared,
  embed,
  fill,
  folders,
  hits,
  opened,
  picture,
  READY,
  says,
  served,
  text,
  untilHits,
} from '../support/open-page.js'

declared('loads the model beside it, embeds, searches as one types, adapts, saves and loads', async () => {
  const { server, page } = await opened()
  assert.match(await text(page, 'status'), /^Runs on wasm .*threads.*\.$/)
  assert.match(await text(page, 'model-note'), 'Loaded: 32 dimensions, 64 tokens')
  await embed(page)
  const question = 'what makes dough rise'
  await fill(page, 'search', question)
  await page.until("document.querySelectorAll('#hits li').length === 6")
  assert.match(await text(page, 'search-note'), /^6 results in [\d.]+ ms$/)
  const before = await hits(page)
  assert.equal([...before].sort(), Object.values(documents).sort())

  for (const [query, id] of [
    [question, 'bread-0'],
    ['why do magnets attract', 'magnets-1'],
  ] as const) {
    await addPair(page, query, documents[id]!)
  }
  await fill(page, 'steps', '20')
  await fill(page, 'rate', '0.005')
  // The page answers while its worker computes.
  await page.evaluate(
    'globalThis.beats = 0; globalThis.longest = 0; let last = performance.now(); setInterval(() => { beats++; longest = Math.max(longest, performance.now() - last); last = performance.now() }, 20)',
  )
  await click(page, 'train')
  await says(page, 'train-note', /^Step/)
  await says(page, 'train-note', /^Adapted in/)
  const [beats, points] = await page.evaluate<[number, string]>(
    "[beats, document.querySelector('#loss polyline').getAttribute('points')]",
  )
  assert.ok(beats > 2, `${beats} beats`)
  assert.is(points.split(' ').length, 20)
  const [, first, lastLoss] = /loss (\d+\.\d+) → (\d+\.\d+)/.exec(await text(page, 'train-note'))!
  assert.ok(Number(lastLoss) < Number(first), `${first} → ${lastLoss}`)
  const rows = await page.evaluate<string[][]>(
    "[...document.querySelectorAll('#places tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))",
  )
  assert.is(rows.length, 2)
  assert.is(rows[0]![2], 'first')
  await page.until(
    `document.querySelector('#hits li').childNodes[1].textContent === ${JSON.stringify(documents['bread-0'])}`,
  )
  await picture(page, 'adapted')

  await click(page, 'save')
  await says(page, 'adapter-note', /^Saved/)
  const adapted = await hits(page)
  await click(page, 'forget')
  await says(page, 'adapter-note', /as it was loaded/)
  await untilHits(page, before)
  await click(page, 'kept')
  await says(page, 'adapter-note', /adapter is on/)
  await untilHits(page, adapted)

  // Nothing is served any more.
  await server.close()
  await page.goto(`${server.address}/`)
  await page.until(READY)
  assert.match(await text(page, 'model-note'), 'Loaded: 32 dimensions')
  await embed(page)
  await fill(page, 'search', question)
  await page.until("document.querySelectorAll('#hits li').length === 6")
})

declared(
  'without isolation of its server threads still come, by the service worker; where it may not, one thread, said',
  async () => {
    const { server, page } = await opened({ isolated: false })
    await page.until('crossOriginIsolated')
    await says(page, 'status', /threads/)
    await server.close()
    const other = await served({ isolated: false })
    const bare = await chromium!.newPage()
    await bare.send('Page.addScriptToEvaluateOnNewDocument', { source: 'delete Navigator.prototype.serviceWorker' })
    await bare.goto(`${other.address}/`)
    await bare.until(READY)
    assert.match(await text(bare, 'status'), '1 thread (this page is not cross-origin isolated)')
    await embed(bare)
    await other.close()
  },
)

declared(
  'mistakes are told: a wrong address, a model that is none, WebGPU insisted on where it is missing',
  async () => {
    const { server, page } = await opened({ folders: { '/': built } })
    assert.is(await text(page, 'status'), 'Ready. Load a model to begin.')
    await fill(page, 'search', 'x')
    await page.until("document.getElementById('search-note').classList.contains('bad')")
    assert.match(await text(page, 'search-note'), 'no model is loaded yet')
    await fill(page, 'address', `${server.address}/nothing`)
    await page.evaluate("document.getElementById('model-form').requestSubmit()")
    await page.until("document.getElementById('model-note').classList.contains('bad')")
    assert.match(await text(page, 'model-note'), 'it has no config.json')
    await server.close()
  },
)

declared('the benchmark: every kernel is right on what the model runs on', async () => {
  const { server, page } = await opened()
  await click(page, 'bench')
  await says(page, 'bench-note', /^(\d\d+) of \1 kernels are right\.$/, 300)
  assert.is(
    await page.evaluate("document.querySelectorAll('#rows tbody tr').length"),
    Number.parseInt(await text(page, 'bench-note'), 10),
  )
  await picture(page, 'benchmark')
  await server.close()
})

declared('a worker that a content security policy keeps from starting is said', async () => {
  const { server, page } = await opened({
    folders,
    headers: { 'content-security-policy': "worker-src 'none'" },
  })
  await page.until("document.getElementById('status').classList.contains('bad')")
  assert.match(await text(page, 'status'), "the page's worker does not run")
  await server.close()
  // Its threads alone: the model runs on one.
  const headers = { 'content-security-policy': "worker-src 'self'" }
  const half = await opened({ folders, headers })
  assert.match(await text(half.page, 'status'), /1 thread \(.*content security policy/)
  await half.server.close()
})

test.after(closeAll)
test.run()
