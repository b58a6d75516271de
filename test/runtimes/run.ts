// The suite in Node, Deno or Bun: a JSON line a report on standard output.
import { readFileSync } from 'node:fs'
import { runSuite, type SuiteSettings } from './suite.js'

// Which case was how close is for the tests of each backend.
console.log = () => undefined
const settings = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as SuiteSettings
await runSuite(settings, line => process.stdout.write(`${JSON.stringify(line)}\n`))
process.exit(0)
