// The page built and opened in headless Chromium, and hands to use it with.
import { mkdirSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
// @ts-expect-error: a script without types
import { buildPage } from '../../scripts/page.mjs'
import { type FileServer, type ServerSettings, serveFiles } from '../../src/runtime/server.js'
import { type Chromium, findChromium, type Page, startChromium } from './chromium.js'
import { documents, smallModel } from './library.js'
import { folderWith, temporaryFolder } from './temporary.js'

const { path, reason } = findChromium()
if (!path) console.log(`skipped: ${reason}`)
const started: Chromium[] = []

/** One more, closed by `closeAll`. */
export function browser(options?: Parameters<typeof startChromium>[1]): Chromium {
  const chromium = startChromium(path!, options)
  started.push(chromium)
  return chromium
}

/** Undefined where Chromium is missing. */
export const chromium = path ? browser() : undefined
/** A test, skipped where Chromium is missing. */
export const declared = path ? test : (name: string, _: () => Promise<void>) => test.skip(`${name}: no Chromium here`)

/** The page's own folder. */
export const built = `${temporaryFolder()}/page`
if (path) await buildPage(built, 'test')
/** The page, and the small model where it looks for one. */
export const folders = { '/': built, '/model/': folderWith(await smallModel()) }

export const READY = "document.documentElement?.dataset.ready === 'yes'"
const servers: FileServer[] = []

/** A server of files that `closeAll` closes. */
export async function served(settings: Partial<ServerSettings> = {}): Promise<FileServer> {
  const server = await serveFiles({ folders, ...settings })
  servers.push(server)
  return server
}

/** The page, ready, on a server of its own. */
export async function opened(
  settings: Partial<ServerSettings> = {},
  inside = chromium!,
): Promise<{ server: FileServer; page: Page }> {
  const server = await served(settings)
  const page = await inside.newPage()
  await page.goto(`${server.address}/`)
  await page.until(READY)
  return { server, page }
}

export async function closeAll(): Promise<void> {
  for (const each of started) await each.close()
  for (const server of servers) await server.close()
}

export const text = (page: Page, id: string) => page.evaluate<string>(`document.getElementById('${id}').textContent`)
export const fill = (page: Page, id: string, value: string) =>
  page.evaluate(
    `(() => { const box = document.getElementById('${id}'); box.value = ${JSON.stringify(value)}; box.dispatchEvent(new Event('input', { bubbles: true })) })()`,
  )
export const click = (page: Page, id: string) => page.evaluate(`document.getElementById('${id}').click()`)
export const submit = (page: Page, id: string) => page.evaluate(`document.getElementById('${id}').requestSubmit()`)
/** Until what an element says matches. */
export const says = (page: Page, id: string, pattern: RegExp, seconds?: number) =>
  page.until(`${pattern}.test(document.getElementById('${id}').textContent)`, seconds)

const HITS = "[...document.querySelectorAll('#hits li')].map(item => item.childNodes[1].textContent)"
export const hits = (page: Page) => page.evaluate<string[]>(HITS)
/** Until these are the results, in this order. */
export const untilHits = (page: Page, expected: readonly string[]) =>
  page.until(`JSON.stringify(${HITS}) === ${JSON.stringify(JSON.stringify(expected))}`)

export async function embed(page: Page, seconds?: number): Promise<void> {
  await fill(page, 'texts', Object.values(documents).join('\n'))
  await click(page, 'index')
  await says(page, 'index-note', /^6 texts, \d+ tokens in/, seconds)
}

export async function addPair(page: Page, query: string, answer: string): Promise<void> {
  await fill(page, 'query', query)
  await fill(page, 'answer', answer)
  await submit(page, 'pair-form')
}

const KEYS = {
  Tab: { key: 'Tab', code: 'Tab', windowsVirtualKeyCode: 9 },
  Enter: { key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13, text: '\r' },
  Space: { key: ' ', code: 'Space', windowsVirtualKeyCode: 32, text: ' ' },
}

export async function press(page: Page, key: keyof typeof KEYS): Promise<void> {
  for (const type of ['keyDown', 'keyUp']) await page.send('Input.dispatchKeyEvent', { type, ...KEYS[key] })
}

/** What has the focus: its id, or its name where it has none. */
export const focused = (page: Page) =>
  page.evaluate<string>("document.activeElement.id || document.activeElement.ariaLabel || ''")

/** Presses Tab until the focus is there; what it came by. */
export async function tabTo(page: Page, there: RegExp): Promise<string[]> {
  const passed: string[] = []
  do {
    await press(page, 'Tab')
    passed.push(await focused(page))
    if (passed.length > 80) throw new Error(`Tab does not come to ${there}: ${passed.join(', ')}`)
  } while (!there.test(passed.at(-1)!))
  return passed
}

/** Types where the focus is. */
export const type = (page: Page, words: string) => page.send('Input.insertText', { text: words })

/** Where WGPU_RETRIEVE_SCREENSHOTS names a folder, what the page looks like is left there. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.WGPU_RETRIEVE_SCREENSHOTS
  if (!folder) return
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/${name}.png`, Buffer.from(await page.screenshot(), 'base64'))
}
