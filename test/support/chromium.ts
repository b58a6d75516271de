// Headless Chromium for tests, driven through the pipe of its debugging protocol: a null byte ends each message.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'

export interface Page {
  /** The value of an expression, a promise's when it is settled. */
  evaluate<T>(expression: string): Promise<T>
  send(method: string, parameters?: object): Promise<Record<string, unknown>>
  on(method: string, listener: (parameters: Record<string, unknown>) => void): void
  goto(address: string): Promise<void>
  /** A PNG of the page, base64. */
  screenshot(): Promise<string>
  /** Repeats the expression until it is true. */
  until(expression: string, seconds?: number): Promise<void>
}

export interface Chromium {
  newPage(): Promise<Page>
  /** Ends the process that drives the GPU: every page loses its devices. */
  crashGpu(): Promise<void>
  close(): Promise<void>
}

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Chromium's path, installed from the distribution where that may be done; undefined, and why, where there is none. */
export function findChromium(): { path?: string; reason?: string } {
  const named = process.env.WGPU_RETRIEVE_CHROMIUM
  const path = named ?? PATHS.find(existsSync)
  if (path) return { path }
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync('/etc/debian_version'))
    return { reason: 'Chromium is not installed (WGPU_RETRIEVE_CHROMIUM names it where it is elsewhere)' }
  console.log('no Chromium: installing that of the distribution')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const words of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']])
    if (spawnSync('apt-get', ['-q', ...words], { env, stdio: 'ignore', timeout: 300_000 }).status !== 0)
      return { reason: `Chromium is not installed, and apt-get ${words[0]} failed` }
  const installed = PATHS.find(existsSync)
  return installed ? { path: installed } : { reason: 'the distribution has no package chromium' }
}

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--no-first-run',
  '--disable-gpu-watchdog',
  '--disable-dev-shm-usage',
  '--remote-debugging-pipe',
]

/** `gpu`: WebGPU on SwiftShader, the software adapter that Chromium brings; else none. */
export function startChromium(path: string, { gpu = true } = {}): Chromium {
  const profile = mkdtempSync(join(tmpdir(), 'wgpu-retrieve-chromium-'))
  const webgpu = gpu ? ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'] : ['--disable-features=WebGPU']
  const words = [...FLAGS, ...webgpu, `--user-data-dir=${profile}`, 'about:blank']
  const child = spawn(path, words, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] })
  const [into, from] = [child.stdio[3] as Writable, child.stdio[4] as unknown as Readable]
  const waiting = new Map<number, { resolve(value: Record<string, unknown>): void; reject(error: Error): void }>()
  const listeners: { session: string; method: string; call(parameters: Record<string, unknown>): void }[] = []
  let [count, text] = [0, '']
  from.setEncoding('utf8')
  from.on('data', (chunk: string) => {
    const parts = (text + chunk).split('\0')
    text = parts.pop()!
    for (const part of parts) {
      const { id, result, error, method, params, sessionId } = JSON.parse(part)
      const waited = waiting.get(id)
      waiting.delete(id)
      if (error) waited?.reject(new Error(error.message))
      else waited?.resolve(result)
      for (const each of listeners) if (each.session === sessionId && each.method === method) each.call(params)
    }
  })
  const end = (error: Error) => {
    for (const { reject } of waiting.values()) reject(error)
  }
  child.on('exit', code => end(new Error(`Chromium ended with ${code}`)))
  into.on('error', end)
  const send = (method: string, params: object, sessionId?: string) =>
    new Promise<Record<string, unknown>>((resolve, reject) => {
      const id = ++count
      waiting.set(id, { resolve, reject })
      into.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`)
    })
  return {
    async newPage() {
      const { targetId } = await send('Target.createTarget', { url: 'about:blank' })
      const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true })
      return pageOf(
        (method, parameters = {}) => send(method, parameters, sessionId as string),
        (method, call) => void listeners.push({ session: sessionId as string, method, call }),
      )
    },
    async crashGpu() {
      await send('Browser.crashGpuProcess', {})
    },
    async close() {
      if (child.exitCode === null && child.signalCode === null)
        await new Promise(resolve => {
          child.once('exit', resolve)
          child.kill('SIGKILL')
        })
      // Its own children still write for a moment.
      await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
}

async function pageOf(send: Page['send'], on: Page['on']): Promise<Page> {
  await Promise.all(['Page.enable', 'Runtime.enable'].map(method => send(method)))
  const evaluate = async <T>(expression: string): Promise<T> => {
    const { result, exceptionDetails } = (await send('Runtime.evaluate', {
      ...{ expression, awaitPromise: true, returnByValue: true },
    })) as { result: { value: T }; exceptionDetails?: { exception?: { description?: string }; text: string } }
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }
  return {
    evaluate,
    send,
    on,
    async goto(address) {
      const loaded = new Promise<void>(resolve => on('Page.loadEventFired', () => resolve()))
      await send('Page.navigate', { url: address })
      await loaded
    },
    screenshot: async () =>
      (await send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true })).data as string,
    async until(expression, seconds = 60) {
      const end = performance.now() + seconds * 1000
      // What a page is asked while it goes to another has no answer.
      while (!(await evaluate<boolean>(`Boolean(${expression})`).catch(() => false))) {
        if (performance.now() > end) throw new Error(`after ${seconds} s still not: ${expression}`)
        await new Promise(resolve => setTimeout(resolve, 50))
      }
    },
  }
}
