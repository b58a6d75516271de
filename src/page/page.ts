// The page: what its buttons do. All work is the worker's.
import type { FilesByName, Pair } from '../index.js'
import { drawLosses } from './chart.js'
import { type Call, type Client, STOPPED, startClient } from './client.js'
import type { Action, LoadedModel, Place } from './messages.js'
import { packTar, unpackTar } from './tar.js'
import { textsIn } from './texts.js'

const at = <T extends Element = HTMLElement>(id: string): T => document.getElementById(id) as unknown as T
const value = (id: string): string => at<HTMLInputElement>(id).value

function say(id: string, text: string, bad = false): void {
  const place = at(id)
  place.textContent = text
  place.classList.toggle('bad', bad)
}

const message = (error: unknown): string => (error as Error).message
const pairs: Pair[] = []
let client: Client

/** Shows what a call is about while it lasts: its button off, a stop button and a bar where they exist, and its error. */
async function busy<A extends Action>(
  call: Call<A>,
  note: string,
  button: string,
  stop?: string,
  bar?: string,
): Promise<void> {
  const [pressed, stopper] = [at<HTMLButtonElement>(button), stop ? at<HTMLButtonElement>(stop) : undefined]
  pressed.disabled = true
  if (stopper) [stopper.hidden, stopper.onclick] = [false, () => call.abort()]
  if (bar) at(bar).hidden = false
  try {
    await call.result
  } catch (error) {
    say(note, message(error) === STOPPED ? 'Stopped.' : message(error), message(error) !== STOPPED)
  } finally {
    pressed.disabled = false
    if (stopper) stopper.hidden = true
    if (bar) at(bar).hidden = true
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

let loaded: LoadedModel | undefined
let roomForOffline = true

function showModel(model: LoadedModel): void {
  const { description, dimensions, maxLength } = model
  loaded = model
  const offline = roomForOffline ? '' : ' There is no room in this browser to keep it for when you are offline.'
  say('status', `Runs on ${description}.`)
  say('model-note', `Loaded: ${dimensions} dimensions, ${maxLength} tokens a text at most.${offline}`)
}

async function load(location: string | FilesByName): Promise<void> {
  say('model-note', 'Loading …')
  ;[loaded, roomForOffline] = [undefined, true]
  const backend = value('backend') as 'auto'
  const call = client.call('load', { location, backend }, ({ file, bytes, total }) => {
    at<HTMLProgressElement>('load-progress').value = bytes / total
    say('model-note', `${file}: ${megabytes(bytes)} of ${megabytes(total)}`)
  })
  void call.result.then(showModel, () => undefined).then(searchNow)
  await busy(call, 'model-note', 'load', 'stop-load', 'load-progress')
}

/** Files of a folder by their names in it. */
async function filesOf(list: FileList): Promise<FilesByName> {
  const named = Array.from(
    list,
    file => [file.webkitRelativePath.split('/').slice(1).join('/') || file.name, file] as const,
  )
  return Object.fromEntries(named)
}

async function addFiles(list: FileList | null): Promise<void> {
  const found: string[] = []
  try {
    for (const file of list ?? []) found.push(...textsIn(file.name, await file.text()))
  } catch (error) {
    return say('index-note', message(error), true)
  }
  const box = at<HTMLTextAreaElement>('texts')
  box.value = [box.value.trim(), ...found].filter(Boolean).join('\n')
  await embed()
}

async function embed(): Promise<void> {
  const texts = textsIn('', value('texts'))
  const started = performance.now()
  const call = client.call('index', { texts }, ({ texts: done, total, tokens }) => {
    at<HTMLProgressElement>('index-progress').value = done / total
    say(
      'index-note',
      `${done} of ${total} texts, ${Math.round(tokens / ((performance.now() - started) / 1000))} tokens a second`,
    )
  })
  const show = ({ texts: count, tokens, seconds }: { texts: number; tokens: number; seconds: number }) =>
    say(
      'index-note',
      `${count} texts, ${tokens} tokens in ${seconds.toFixed(2)} s: ${Math.round(tokens / seconds)} tokens a second.`,
    )
  void call.result.then(show, () => undefined).then(searchNow)
  await busy(call, 'index-note', 'index', 'stop-index', 'index-progress')
}

let searching: Call<'search'> | undefined

/** The last of what was typed counts: a search that waits is dropped. */
async function searchNow(): Promise<void> {
  const query = value('search').trim()
  searching?.abort()
  if (query === '') {
    at('hits').replaceChildren()
    return say('search-note', '')
  }
  const call = client.call('search', { query })
  searching = call
  try {
    const { hits, milliseconds } = await call.result
    if (searching !== call) return
    const items = hits.map(({ text, score }) => {
      const item = document.createElement('li')
      const [points, use] = [document.createElement('span'), document.createElement('button')]
      points.className = 'score'
      points.textContent = score.toFixed(3)
      use.textContent = 'this answers it'
      use.type = 'button'
      use.onclick = () => addPair(query, text)
      item.append(points, text, use)
      return item
    })
    at('hits').replaceChildren(...items)
    say(
      'search-note',
      hits.length > 0 ? `${hits.length} results in ${milliseconds.toFixed(1)} ms` : 'No texts yet: add some above.',
    )
  } catch (error) {
    if (message(error) !== STOPPED) say('search-note', message(error), true)
  }
}

function addPair(query: string, answer: string): void {
  if (query.trim() === '' || answer.trim() === '') {
    say('train-note', 'A pair needs a question and the text that answers it.', true)
    return
  }
  pairs.push({ query: query.trim(), positives: [answer.trim()] })
  showPairs()
  say('train-note', `${pairs.length} pair${pairs.length > 1 ? 's' : ''}.`)
}

function showPairs(): void {
  const items = pairs.map(({ query, positives }, i) => {
    const [item, text, remove] = [
      document.createElement('li'),
      document.createElement('span'),
      document.createElement('button'),
    ]
    text.textContent = `${query} → ${positives[0]}`
    remove.textContent = 'Remove'
    remove.type = 'button'
    remove.setAttribute('aria-label', `Remove the pair ${query}`)
    remove.onclick = () => {
      pairs.splice(i, 1)
      showPairs()
    }
    item.append(text, remove)
    return item
  })
  at('pairs').replaceChildren(...items)
}

function row(cells: readonly string[], numbers: readonly number[] = []): HTMLTableRowElement {
  const made = document.createElement('tr')
  for (const [i, text] of cells.entries()) {
    const cell = made.insertCell()
    cell.textContent = text
    if (numbers.includes(i)) cell.className = 'number'
  }
  return made
}

function showPlaces(places: readonly Place[]): void {
  const stand = ({ rank, first }: Place['before']) =>
    rank === 0 ? 'not among the texts' : rank === 1 ? 'first' : `place ${rank}; first is “${first.slice(0, 120)}”`
  at('places')
    .querySelector('tbody')!
    .replaceChildren(...places.map(({ query, before, after }) => row([query, stand(before), stand(after)])))
  at('places').hidden = places.length === 0
}

async function train(): Promise<void> {
  if (pairs.length === 0) return say('train-note', 'Add a pair first.', true)
  const losses: number[] = []
  const call = client.call(
    'train',
    { pairs, steps: Number(value('steps')), learningRate: Number(value('rate')) },
    ({ step, steps, loss }) => {
      losses.push(loss)
      at('curve').hidden = false
      drawLosses(at('loss'), losses, steps)
      say('train-note', `Step ${step + 1} of ${steps}, loss ${loss.toFixed(3)}`)
    },
  )
  void call.result.then(
    ({ losses: all, seconds, places }) => {
      say(
        'train-note',
        `Adapted in ${seconds.toFixed(1)} s: loss ${all[0]!.toFixed(3)} → ${all.at(-1)!.toFixed(3)}. Searches use the adapter now.`,
      )
      showPlaces(places)
      void searchNow()
    },
    () => undefined,
  )
  await busy(call, 'train-note', 'train', 'stop-train')
}

async function save(): Promise<void> {
  const call = client.call('save', {})
  void call.result.then(
    ({ files, notKept }) => {
      const link = document.createElement('a')
      link.href = URL.createObjectURL(packTar(files))
      link.download = 'adapter.tar'
      link.click()
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
      const downloaded = 'ownloaded as adapter.tar (a PEFT folder)'
      if (notKept) say('train-note', `D${downloaded}, but not kept in this browser: ${notKept}.`, true)
      else say('train-note', `Saved: kept in this browser, and d${downloaded}.`)
    },
    () => undefined,
  )
  await busy(call, 'train-note', 'save')
}

async function restore(list?: FileList | null): Promise<void> {
  let files: FilesByName | undefined
  try {
    const tar = Array.from(list ?? []).find(({ name }) => name.endsWith('.tar'))
    if (tar) files = unpackTar(new Uint8Array(await tar.arrayBuffer()))
    else if (list) files = await filesOf(list)
  } catch (error) {
    return say('train-note', message(error), true)
  }
  await useModel(client.call('restore', files ? { files } : {}), 'The adapter is on.', 'kept')
}

async function useModel(call: Call<'restore' | 'forget'>, done: string, button: string): Promise<void> {
  void call.result.then(
    () => {
      say('train-note', done)
      void searchNow()
    },
    () => undefined,
  )
  await busy(call, 'train-note', button)
}

async function bench(): Promise<void> {
  const body = at('rows').querySelector('tbody')!
  body.replaceChildren()
  say('bench-note', 'Measuring …')
  const call = client.call('bench', {}, ({ name, shape, milliseconds, rate, verified }) => {
    at('rows').hidden = false
    body.append(row([name, shape, `${milliseconds.toFixed(3)} ms`, rate, verified ? 'yes' : 'NO'], [2, 3]))
  })
  void call.result.then(
    ({ rows, verified }) => say('bench-note', `${verified} of ${rows} kernels are right.`, verified < rows),
    () => undefined,
  )
  await busy(call, 'bench-note', 'bench')
}

function wire(): void {
  const on = (id: string, type: string, act: (event: Event) => unknown) =>
    at(id).addEventListener(type, event => void act(event))
  const onSubmit = (id: string, act: () => unknown) =>
    on(id, 'submit', event => {
      event.preventDefault()
      act()
    })
  onSubmit('model-form', () =>
    value('address').trim()
      ? load(value('address').trim())
      : say('model-note', 'Give an address, or choose a folder.', true),
  )
  onSubmit('pair-form', () => {
    addPair(value('query'), value('answer'))
    at<HTMLFormElement>('pair-form').reset()
    at('query').focus()
  })
  const chosen = (id: string) => at<HTMLInputElement>(id).files!
  on('folder', 'change', async () => load(await filesOf(chosen('folder'))))
  on('files', 'change', () => addFiles(chosen('files')))
  on('adapter', 'change', () => restore(chosen('adapter')))
  on('index', 'click', embed)
  on('search', 'input', searchNow)
  on('train', 'click', train)
  on('save', 'click', save)
  on('kept', 'click', () => restore())
  on('forget', 'click', () => useModel(client.call('forget', {}), 'The model is as it was loaded.', 'forget'))
  on('bench', 'click', bench)
  const box = at('texts')
  for (const type of ['dragenter', 'dragover', 'dragleave', 'drop'])
    box.addEventListener(type, event => {
      event.preventDefault()
      box.classList.toggle('dropping', type === 'dragenter' || type === 'dragover')
      if (type === 'drop') void addFiles((event as DragEvent).dataTransfer?.files ?? null)
    })
}

/** Keeps the page for when there is no network, and isolates it where its server does not: threads need that, once it is loaded anew. */
async function installServiceWorker(): Promise<void> {
  if (!('serviceWorker' in navigator)) return
  const { serviceWorker } = navigator
  serviceWorker.addEventListener('message', () => {
    roomForOffline = false
    if (loaded) showModel(loaded)
  })
  serviceWorker.startMessages()
  const registered = serviceWorker.register('./service-worker.js').then(() => serviceWorker.ready)
  const claimed =
    serviceWorker.controller ?? new Promise(resolve => serviceWorker.addEventListener('controllerchange', resolve))
  const late = new Promise(resolve => setTimeout(resolve, 3000))
  await Promise.race([registered.then(() => claimed), late]).catch(() => undefined)
  if (crossOriginIsolated || !serviceWorker.controller || sessionStorage.getItem('isolating')) return
  sessionStorage.setItem('isolating', 'once')
  location.reload()
  await new Promise(() => undefined)
}

await installServiceWorker()
client = startClient(new URL('./worker.js', import.meta.url), text => say('status', text, true))
wire()
say('status', 'Ready. Load a model to begin.')
const small = new URL('./model/', location.href).href
const answer = await fetch(`${small}config.json`).catch(() => undefined)
// What is not read to its end is not kept for offline.
await answer?.text().catch(() => undefined)
if (answer?.ok && !/text\/html/.test(answer.headers.get('content-type') ?? '')) {
  at<HTMLInputElement>('address').value = small
  await load(small)
}
document.documentElement.dataset.ready = 'yes'
