// The page: what its buttons do. All work is the worker's.
import { counted } from '../data/counted.js'
import type { FilesByName, Pair } from '../index.js'
import { drawLosses } from './chart.js'
import { type Call, type Client, STOPPED, startClient } from './client.js'
import { examples, question } from './examples.js'
import type { Action, LoadedModel } from './messages.js'
import { addRow, at, clearRows, say, showHits, showPairs, showPlaces, tell, value } from './show.js'
import { packTar, unpackTar } from './tar.js'
import { textsIn } from './texts.js'

const message = (error: unknown): string => (error as Error).message
const pairs: Pair[] = []
let client: Client

/** A button that works keeps the focus that it has: it is not disabled, but said to be. */
const OFF = 'aria-disabled'

/** Shows what a call is about while it lasts: its button off, a stop button and a bar where they exist, and its error. */
async function busy<A extends Action>(
  call: Call<A>,
  note: string,
  button: string,
  stop?: string,
  bar?: string,
): Promise<void> {
  const [pressed, stopper] = [at(button), stop ? at<HTMLButtonElement>(stop) : undefined]
  pressed.setAttribute(OFF, 'true')
  if (stopper) [stopper.hidden, stopper.onclick] = [false, () => call.abort()]
  if (bar) at(bar).hidden = false
  try {
    await call.result
  } catch (error) {
    say(note, message(error) === STOPPED ? 'Stopped.' : message(error), message(error) !== STOPPED)
  } finally {
    pressed.removeAttribute(OFF)
    if (stopper) {
      if (document.activeElement === stopper) pressed.focus()
      stopper.hidden = true
    }
    if (bar) at(bar).hidden = true
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

let loaded: LoadedModel | undefined
let roomForOffline = true
/** Whether the texts in the box are in the index. */
let embedded = false

function showModel(model: LoadedModel): void {
  const { description, dimensions, maxLength } = model
  loaded = model
  const offline = roomForOffline ? '' : ' There is no room in this browser to keep it for when you are offline.'
  say('status', `Runs on ${description}.`)
  say('model-note', `Loaded: ${dimensions} dimensions, ${maxLength} tokens a text at most.${offline}`)
}

async function load(location: string | FilesByName): Promise<void> {
  tell('model-note', 'Loading …')
  ;[loaded, roomForOffline] = [undefined, true]
  const backend = value('backend') as 'auto'
  const call = client.call('load', { location, backend }, ({ file, bytes, total }) => {
    at<HTMLProgressElement>('load-progress').value = bytes / total
    tell('model-note', `${file}: ${megabytes(bytes)} of ${megabytes(total)}`)
  })
  const shown = call.result.then(showModel, error => {
    // What was loaded before is gone, its texts too. That nothing runs at all is said there already.
    embedded = false
    say('index-note', '')
    if (at('status').textContent !== message(error)) say('status', 'No model is loaded.')
  })
  await busy(call, 'model-note', 'load', 'stop-load', 'load-progress')
  await shown
  if (loaded && !embedded && value('texts').trim()) await embed()
  else await searchNow()
}

/** Files of a folder by their names in it. */
function filesOf(list: readonly File[]): FilesByName {
  const named = list.map(file => [file.webkitRelativePath.split('/').slice(1).join('/') || file.name, file] as const)
  return Object.fromEntries(named)
}

async function addFiles(list: readonly File[]): Promise<void> {
  const found: string[] = []
  try {
    for (const file of list) found.push(...textsIn(file.name, await file.text()))
  } catch (error) {
    return say('index-note', message(error), true)
  }
  await addTexts(found)
}

async function addTexts(texts: readonly string[]): Promise<void> {
  const box = at<HTMLTextAreaElement>('texts')
  box.value = [box.value.trim(), ...texts].filter(Boolean).join('\n')
  await embed()
}

async function addExamples(): Promise<void> {
  const search = at<HTMLInputElement>('search')
  search.value ||= question
  await addTexts(examples)
}

async function embed(): Promise<void> {
  const texts = textsIn('', value('texts'))
  embedded = false
  const started = performance.now()
  const call = client.call('index', { texts }, ({ texts: done, total, tokens }) => {
    at<HTMLProgressElement>('index-progress').value = done / total
    const rate = Math.round(tokens / ((performance.now() - started) / 1000))
    tell('index-note', `${done} of ${total} texts, ${rate} tokens a second`)
  })
  const shown = call.result.then(
    ({ texts: count, tokens, seconds }) => {
      embedded = true
      const rate = `${tokens} tokens in ${seconds.toFixed(2)} s: ${Math.round(tokens / seconds)} tokens a second.`
      say('index-note', count > 0 ? `${counted(count, 'text')}, ${rate}` : 'No texts.')
      void searchNow()
    },
    () => undefined,
  )
  await busy(call, 'index-note', 'index', 'stop-index', 'index-progress')
  await shown
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
    showHits(hits, text => addPair(query, text))
    say(
      'search-note',
      hits.length > 0
        ? `${counted(hits.length, 'result')} in ${milliseconds.toFixed(1)} ms`
        : 'No texts yet: add some above.',
    )
  } catch (error) {
    if (message(error) === STOPPED) return
    at('hits').replaceChildren()
    say('search-note', message(error), true)
  }
}

function addPair(query: string, answer: string): void {
  if (query.trim() === '' || answer.trim() === '') {
    say('train-note', 'A pair needs a question and the text that answers it.', true)
    return
  }
  pairs.push({ query: query.trim(), positives: [answer.trim()] })
  listPairs()
}

function listPairs(): void {
  showPairs(pairs, i => {
    pairs.splice(i, 1)
    listPairs()
    // The button that had the focus is gone.
    at('query').focus()
  })
  say('train-note', `${counted(pairs.length, 'pair')}.`)
}

async function train(): Promise<void> {
  if (pairs.length === 0) return say('train-note', 'Add a pair first.', true)
  if (!['steps', 'rate'].every(id => at<HTMLInputElement>(id).reportValidity())) return
  const losses: number[] = []
  tell('train-note', 'Training …')
  say('adapter-note', '')
  const call = client.call(
    'train',
    { pairs, steps: Number(value('steps')), learningRate: Number(value('rate')) },
    ({ step, steps, loss }) => {
      losses.push(loss)
      at('curve').hidden = false
      drawLosses(at('loss'), losses, steps)
      tell('train-note', `Step ${step + 1} of ${steps}, loss ${loss.toFixed(3)}`)
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
      if (notKept) say('adapter-note', `D${downloaded}, but not kept in this browser: ${notKept}.`, true)
      else say('adapter-note', `Saved: kept in this browser, and d${downloaded}.`)
    },
    () => undefined,
  )
  await busy(call, 'adapter-note', 'save')
}

async function restore(list?: readonly File[]): Promise<void> {
  let files: FilesByName | undefined
  try {
    const tar = list?.find(({ name }) => name.endsWith('.tar'))
    if (tar) files = unpackTar(new Uint8Array(await tar.arrayBuffer()))
    else if (list) files = filesOf(list)
  } catch (error) {
    return say('adapter-note', message(error), true)
  }
  await useModel(client.call('restore', files ? { files } : {}), 'The adapter is on.', 'kept')
}

async function useModel(call: Call<'restore' | 'forget'>, done: string, button: string): Promise<void> {
  void call.result.then(
    () => {
      say('adapter-note', done)
      void searchNow()
    },
    () => undefined,
  )
  await busy(call, 'adapter-note', button)
}

async function bench(): Promise<void> {
  clearRows()
  say('bench-note', 'Measuring …')
  const call = client.call('bench', {}, addRow)
  void call.result.then(
    ({ rows, verified }) => say('bench-note', `${verified} of ${rows} kernels are right.`, verified < rows),
    () => undefined,
  )
  await busy(call, 'bench-note', 'bench', 'stop-bench')
}

/** What was chosen; choosing the same again is a change again. */
function chosen(id: string): readonly File[] {
  const input = at<HTMLInputElement>(id)
  const list = [...input.files!]
  input.value = ''
  return list
}

function wire(): void {
  const on = (id: string, type: string, act: (event: Event) => unknown) =>
    at(id).addEventListener(type, event => void act(event))
  const onPress = (id: string, act: () => unknown) => on(id, 'click', () => at(id).hasAttribute(OFF) || act())
  const onSubmit = (id: string, act: () => unknown) =>
    on(id, 'submit', event => {
      event.preventDefault()
      act()
    })
  onSubmit('model-form', () => {
    if (at('load').hasAttribute(OFF)) return
    const address = value('address').trim()
    return address ? load(address) : say('model-note', 'Give an address, or choose a folder.', true)
  })
  onSubmit('pair-form', () => {
    addPair(value('query'), value('answer'))
    at<HTMLFormElement>('pair-form').reset()
    at('query').focus()
  })
  on('folder', 'change', () => load(filesOf(chosen('folder'))))
  on('files', 'change', () => addFiles(chosen('files')))
  on('adapter', 'change', () => restore(chosen('adapter')))
  onPress('index', embed)
  onPress('examples', addExamples)
  on('search', 'input', searchNow)
  onPress('train', train)
  onPress('save', save)
  onPress('kept', () => restore())
  onPress('forget', () => useModel(client.call('forget', {}), 'The model is as it was loaded.', 'forget'))
  onPress('bench', bench)
  on('texts', 'input', event => {
    if (embedded) tell('index-note', 'The texts have changed: Embed takes that in.')
    embedded = false
    // What was pasted is there to be searched; what is typed, when its writer says so.
    if ((event as InputEvent).inputType === 'insertFromPaste' && loaded) void embed()
  })
  takeDrops()
}

/** Files may be dropped anywhere: beside the box a browser would leave the page to show them. */
function takeDrops(): void {
  for (const type of ['dragover', 'dragleave', 'drop'])
    document.addEventListener(type, event => {
      const { dataTransfer } = event as DragEvent
      if (!dataTransfer?.types.includes('Files')) return
      event.preventDefault()
      at('texts').classList.toggle('dropping', type === 'dragover')
      if (type === 'drop') void addFiles([...dataTransfer.files])
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
