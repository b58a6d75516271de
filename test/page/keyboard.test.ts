// The whole story on the page with a keyboard alone, and what a screen reader is told.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Page } from '../support/chromium.js'
import { documents } from '../support/library.js'
import {
  closeAll,
  declared,
  focused,
  hits,
  opened,
  picture,
  press,
  says,
  tabTo,
  text,
  type,
} from '../support/open-page.js'

interface AxNode {
  readonly role?: { readonly value: string }
  readonly name?: { readonly value: string }
  readonly ignored: boolean
  readonly backendDOMNodeId: number
  readonly properties?: readonly { readonly name: string; readonly value: { readonly value: unknown } }[]
}

async function tree(page: Page): Promise<AxNode[]> {
  const { nodes } = (await page.send('Accessibility.getFullAXTree')) as unknown as { nodes: AxNode[] }
  return nodes.filter(({ ignored }) => !ignored)
}

const named = (nodes: readonly AxNode[], role: string): string[] =>
  nodes.filter(each => each.role?.value === role).map(({ name }) => (name?.value ?? '').trim())

/** What has the focus, or the label that stands for it, has a frame around it. */
const FRAMED = `(() => {
  const active = document.activeElement
  const shown = active.classList.contains('hidden') ? document.querySelector('label[for=' + active.id + ']') : active
  const { outlineStyle, outlineWidth } = getComputedStyle(shown)
  return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2
})()`

const live = (page: Page, id: string) =>
  page.evaluate<string>(`document.getElementById('${id}').getAttribute('aria-live')`)

declared('from texts to an adapter, with Tab, Enter and Space', async () => {
  const { page } = await opened()
  await press(page, 'Tab')
  assert.is(await page.evaluate('document.activeElement.textContent'), 'Skip to search')
  await tabTo(page, /^texts$/)
  await type(page, Object.values(documents).join('\n'))
  await tabTo(page, /^index$/)
  await press(page, 'Enter')
  await says(page, 'index-note', /^6 texts, \d+ tokens in/)
  assert.is(await focused(page), 'index', 'a button that works keeps the focus')

  await tabTo(page, /^search$/)
  await type(page, 'what makes dough rise')
  await page.until("document.querySelectorAll('#hits li').length === 6")
  await tabTo(page, /^this answers it: yeast/)
  await press(page, 'Space')
  await says(page, 'train-note', /^1 pair\.$/)
  await tabTo(page, /^query$/)
  await type(page, 'why do magnets attract')
  await tabTo(page, /^answer$/)
  await type(page, documents['magnets-1']!)
  await press(page, 'Enter')
  await says(page, 'train-note', /^2 pairs\.$/)
  assert.is(await focused(page), 'query', 'ready for the next pair')
  await tabTo(page, /^Remove the pair why do magnets attract$/)
  await press(page, 'Enter')
  await says(page, 'train-note', /^1 pair\.$/)
  assert.is(await focused(page), 'query')
  await type(page, 'why do magnets attract')
  await tabTo(page, /^answer$/)
  await type(page, documents['magnets-1']!)
  await press(page, 'Enter')

  await tabTo(page, /^steps$/)
  await page.evaluate("document.getElementById('steps').value = 1000")
  await tabTo(page, /^train$/)
  await press(page, 'Enter')
  await says(page, 'train-note', /^Step [2-9]/)
  assert.is(await live(page, 'train-note'), 'off', 'steps are not read out')
  assert.equal(await tabTo(page, /./), ['stop-train'], 'the next stop is what stops it')
  await press(page, 'Enter')
  await says(page, 'train-note', /^Stopped\.$/)
  assert.is(await live(page, 'train-note'), 'polite')
  assert.is(await focused(page), 'train')
  await page.evaluate("document.getElementById('steps').value = 5")
  await press(page, 'Enter')
  await says(page, 'train-note', /^Adapted in/)
  assert.is(await live(page, 'train-note'), 'polite')
  assert.is(await focused(page), 'train')
  await picture(page, 'keyboard')
  await tabTo(page, /^save$/)
  await press(page, 'Enter')
  await says(page, 'adapter-note', /^Saved/)
  await tabTo(page, /^forget$/)
  await press(page, 'Enter')
  await says(page, 'adapter-note', /as it was loaded/)
  await tabTo(page, /^bench$/)
  await press(page, 'Enter')
  await page.until("document.querySelectorAll('#rows tbody tr').length > 0")
  assert.equal(await tabTo(page, /./), ['stop-bench'])
  await press(page, 'Enter')
  await says(page, 'bench-note', /^Stopped\.$/)
  assert.is((await hits(page)).length, 6)
})

declared('Tab goes by every control in the order of the page, each with a frame', async () => {
  const { page } = await opened()
  const passed: string[] = []
  await press(page, 'Tab')
  for (let at = await focused(page); ; at = await focused(page)) {
    passed.push(at)
    assert.ok(await page.evaluate(FRAMED), `${at} has no frame`)
    if (at === 'bench') break
    await press(page, 'Tab')
  }
  // The first is the link past the model.
  assert.equal(passed, [
    ...[
      '',
      'address',
      'backend',
      'load',
      'folder',
      'texts',
      'index',
      'files',
      'examples',
      'search',
      'query',
      'answer',
      '',
    ],
    ...['steps', 'rate', 'train', 'save', 'adapter', 'kept', 'forget', 'bench'],
  ])
})

declared('every control, list and table has a name; what is said is in live regions', async () => {
  const { page } = await opened()
  await picture(page, 'start')
  const nodes = await tree(page)
  for (const role of ['textbox', 'searchbox', 'button', 'combobox', 'spinbutton', 'link'])
    for (const name of named(nodes, role)) assert.ok(name !== '', `a ${role} has no name`)
  assert.equal(named(nodes, 'heading').slice(1), ['Model', 'Texts', 'Search', 'Adapt', 'Benchmark'])
  assert.equal(named(nodes, 'region'), ['Model', 'Texts', 'Search', 'Adapt', 'Benchmark'])
  const said = nodes.filter(({ properties }) =>
    properties?.some(({ name, value }) => name === 'live' && value.value === 'polite'),
  )
  const ids = await Promise.all(
    said
      .filter(({ role }) => role?.value === 'status')
      .map(async ({ backendDOMNodeId: backendNodeId }) => {
        const { node } = (await page.send('DOM.describeNode', { backendNodeId })) as { node: { attributes: string[] } }
        return node.attributes[node.attributes.indexOf('id') + 1]!
      }),
  )
  assert.equal(ids, ['status', 'model-note', 'index-note', 'search-note', 'train-note', 'adapter-note', 'bench-note'])
  assert.match(await text(page, 'status'), /^Runs on/)
  await page.send('Emulation.setDeviceMetricsOverride', { width: 360, height: 740, deviceScaleFactor: 1, mobile: true })
  assert.ok(await page.evaluate('document.documentElement.scrollWidth <= 360'), 'wider than a phone')
  await picture(page, 'phone')
})

test.after(closeAll)
test.run()
