// What comes into the page and leaves it: files dropped, text pasted, an adapter saved and chosen again, all of it without a network too.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadEncoder } from '../../src/index.js'
import { unpackTar } from '../../src/page/tar.js'
import type { Page } from '../support/chromium.js'
import { documents, smallModel } from '../support/library.js'
import {
  addPair,
  built,
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
  untilHits,
} from '../support/open-page.js'
import { folderWith, temporaryFolder } from '../support/temporary.js'

/** Files let go over an element, as a browser tells it. */
const drop = (page: Page, place: string, files: Readonly<Record<string, string>>) =>
  page.evaluate<boolean>(`(() => {
    const dataTransfer = new DataTransfer()
    for (const [name, content] of Object.entries(${JSON.stringify(files)})) dataTransfer.items.add(new File([content], name))
    const at = document.querySelector('${place}')
    const fire = type => at.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }))
    return [fire('dragover'), document.getElementById('texts').classList.contains('dropping') ? false : 'no frame', fire('drop')].every(each => each === false)
  })()`)

/** Files chosen in an input. */
async function choose(page: Page, id: string, files: readonly string[]): Promise<void> {
  const { root } = (await page.send('DOM.getDocument')) as { root: { nodeId: number } }
  const { nodeId } = await page.send('DOM.querySelector', { nodeId: root.nodeId, selector: `#${id}` })
  await page.send('DOM.setFileInputFiles', { nodeId, files })
}

declared('files dropped anywhere are texts, of every form; what is no text is refused', async () => {
  const { page } = await opened()
  const line = (record: object) => `${JSON.stringify(record)}\n`
  const files = {
    'notes.txt': 'A magnet\npoints north.\n\nDough rises.\n',
    'lines.csv': 'the tides\nthe moon\n',
    'corpus.jsonl': line({ title: 'Yeast', text: 'makes bread' }) + line({ text: 'a crust' }),
  }
  assert.ok(await drop(page, 'h1', files), 'the page takes what is dropped beside the box')
  await says(page, 'index-note', /^6 texts/)
  assert.is(
    await page.evaluate("document.getElementById('texts').value"),
    'A magnet points north.\nDough rises.\nthe tides\nthe moon\nYeast makes bread\na crust',
  )
  assert.not.ok(await page.evaluate("document.getElementById('texts').classList.contains('dropping')"))
  await drop(page, '#texts', { 'more.md': 'one more' })
  await says(page, 'index-note', /^7 texts/)
  await drop(page, '#texts', { 'picture.png': '\u0000\u0001' })
  await says(page, 'index-note', /^picture\.png is not plain text: expected/)
  await drop(page, '#texts', { 'bad.jsonl': '{"text": 7}' })
  await says(page, 'index-note', /^bad\.jsonl:1: expected an object with a string "text"/)
  await choose(page, 'files', [`${folderWith({ 'chosen.txt': 'a chosen one' })}/chosen.txt`])
  await says(page, 'index-note', /^8 texts/)
})

declared('pasted lines are embedded; texts that were there before the model, when it comes', async () => {
  const { server, page } = await opened()
  await page.send('Browser.grantPermissions', {
    ...{ permissions: ['clipboardReadWrite', 'clipboardSanitizedWrite'], origin: server.address },
  })
  await page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(Object.values(documents).join('\n'))})`)
  await page.evaluate("document.getElementById('texts').focus()")
  await page.send('Input.dispatchKeyEvent', { type: 'keyDown', key: 'v', code: 'KeyV', commands: ['paste'] })
  await says(page, 'index-note', /^6 texts/)

  const bare = await opened({ folders: { '/': built } })
  await drop(bare.page, '#texts', { 'lines.csv': 'the tides\nthe moon\n' })
  await says(bare.page, 'index-note', /^no model is loaded yet/)
  await choose(bare.page, 'folder', [folderWith(await smallModel())])
  await says(bare.page, 'model-note', /^Loaded/, 20)
  await says(bare.page, 'index-note', /^2 texts/)
  await fill(bare.page, 'address', `${bare.server.address}/nothing`)
  await submit(bare.page, 'model-form')
  await says(bare.page, 'model-note', /it has no config\.json/)
  assert.is(await text(bare.page, 'status'), 'No model is loaded.')
})

declared('examples for who has no texts; texts that were changed say that they are not embedded yet', async () => {
  const { page } = await opened()
  await click(page, 'examples')
  await says(page, 'index-note', /^10 texts/)
  await page.until("document.querySelectorAll('#hits li').length === 10")
  assert.is(await page.evaluate("document.getElementById('search').value"), 'how do animals navigate at night')
  await fill(page, 'texts', 'another')
  await says(page, 'index-note', /^The texts have changed/)
  await click(page, 'index')
  await says(page, 'index-note', /^1 text,/)
  await click(page, 'examples')
  await says(page, 'index-note', /^11 texts/)
})

declared('without a network from the start: adapts, saves, and loads what it saved', async () => {
  const { server, page } = await opened()
  await page.send('Network.emulateNetworkConditions', {
    ...{ offline: true, latency: 0, downloadThroughput: 0, uploadThroughput: 0 },
  })
  await server.close()
  await embed(page)
  const question = 'what makes dough rise'
  await fill(page, 'search', question)
  await page.until("document.querySelectorAll('#hits li').length === 6")
  const before = await hits(page)
  await click(page, 'kept')
  await says(page, 'adapter-note', /^no adapter is kept in this browser yet/)
  await addPair(page, question, documents['bread-0']!)
  await addPair(page, 'why do magnets attract', documents['magnets-1']!)
  await fill(page, 'steps', '20')
  await fill(page, 'rate', '0.005')
  await click(page, 'train')
  await says(page, 'train-note', /^Adapted in/)
  await page.until(
    `document.querySelector('#hits li').childNodes[1].textContent === ${JSON.stringify(documents['bread-0'])}`,
  )
  const adapted = await hits(page)
  const downloads = temporaryFolder()
  await page.send('Page.setDownloadBehavior', { behavior: 'allow', downloadPath: downloads })
  await click(page, 'save')
  await says(page, 'adapter-note', /^Saved: kept in this browser, and downloaded as adapter\.tar/)
  const tar = join(downloads, 'adapter.tar')
  for (let i = 0; i < 100 && !existsSync(tar); i++) await new Promise(resolve => setTimeout(resolve, 50))

  // What any other program of PEFT's reads; here the library.
  const adapter = unpackTar(new Uint8Array(readFileSync(tar)))
  for (const name of ['adapter_config.json', 'adapter_model.safetensors']) assert.ok(name in adapter, name)
  const encoder = await loadEncoder(await smallModel(), { adapter, backend: 'wasm', threads: 1 })
  const [query, first] = [await encoder.encode([question]), await encoder.encode([adapted[0]!])]
  const score = query.reduce((sum, each, i) => sum + each * first[i]!, 0)
  assert.is(await page.evaluate("document.querySelector('#hits .score').textContent"), score.toFixed(3))
  await encoder.close()

  await click(page, 'forget')
  await untilHits(page, before)
  await choose(page, 'adapter', [tar])
  await says(page, 'adapter-note', /adapter is on/)
  await untilHits(page, adapted)
})

declared('one pair alone, texts of nothing, steps that are none', async () => {
  const { page } = await opened()
  await click(page, 'train')
  await says(page, 'train-note', /^Add a pair first/)
  await addPair(page, 'what makes dough rise', documents['bread-0']!)
  await click(page, 'train')
  await says(page, 'train-note', /^one pair alone teaches nothing: add another, or texts above/)
  await click(page, 'index')
  await says(page, 'index-note', /^No texts\.$/)
  await fill(page, 'steps', '')
  await click(page, 'train')
  assert.ok(await page.evaluate("document.getElementById('steps').matches(':user-invalid, :invalid')"))
})

test.after(closeAll)
test.run()
