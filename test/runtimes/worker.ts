// The suite in a worker of a page.
import { runSuite, type SuiteSettings } from './suite.js'

console.log = () => undefined
self.addEventListener('message', async (event: MessageEvent<SuiteSettings>) => {
  await runSuite(event.data, postMessage).catch((error: Error) =>
    postMessage({ test: 'the suite', error: String(error.stack), milliseconds: 0 }),
  )
  postMessage('done')
})
