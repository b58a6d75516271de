// npm test [name …]: every test/**/*.test.ts (or those whose path holds a name) in a process of its own, then one line with the sum.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ensureAdapter } from './lavapipe.js'

const names = process.argv.slice(2)
const files = readdirSync('test', { recursive: true, withFileTypes: true })
  .map(entry => join(entry.parentPath ?? entry.path, entry.name))
  .filter(path => path.endsWith('.test.ts') && (names.length === 0 || names.some(name => path.includes(name))))
  .sort()

const adapter = await ensureAdapter()
if (!adapter.available) {
  console.log(`no WebGPU adapter, its tests are skipped: ${adapter.reason}`)
  if (process.env.CI === 'true') console.log('CI=true: that is a failure')
}

const failures: string[] = []
const sum = { passed: 0, failed: !adapter.available && process.env.CI === 'true' ? 1 : 0, skipped: 0 }
for (const file of files) {
  const started = performance.now()
  const { output, code } = await runFile(file)
  const notes = new Set(output.split('\n').filter(line => line.startsWith('skipped: ')))
  const count = (word: string) => Number(new RegExp(`${word}:\\s+(\\d+)`).exec(output)?.[1] ?? 0)
  const [total, passed] = [count('Total'), count('Passed')]
  // The tests of a backend that is not there are not even declared: they count as one.
  const undeclared = [...notes].filter(note => note.startsWith('skipped: WebGPU')).length
  const skipped = count('Skipped') + undeclared
  // A file that crashed, or that ran nothing, is a failure even where no assertion spoke.
  const failed = Math.max(total - passed, code !== 0 || total + skipped === 0 ? 1 : 0)
  sum.passed += passed
  sum.failed += failed
  sum.skipped += skipped
  const figures = [
    `${passed} passed`,
    ...(failed ? [`${failed} failed`] : []),
    ...(skipped ? [`${skipped} skipped`] : []),
  ]
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${failed ? 'FAIL' : 'ok  '} ${file}  ${figures.join(', ')}  (${seconds} s)`)
  for (const note of notes) console.log(`     ${note}`)
  if (!failed) continue
  console.log(withoutRepeats(output))
  failures.push(file, ...output.split('\n').filter(line => line.startsWith('   FAIL  ')))
}
// Once more where a log that was cut still has them.
if (failures.length) console.log(`failed:\n${failures.join('\n')}`)
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
process.exit(sum.failed || sum.passed === 0 ? 1 : 0)

/** Dawn warns of the same limits for every device: once is enough, or what failed is lost among them. */
function withoutRepeats(output: string): string {
  const seen = new Set<string>()
  return output
    .split('\n')
    .filter(line => {
      const warning = /Warning: .*/.exec(line)?.[0]
      if (!warning) return true
      const repeated = seen.has(warning)
      seen.add(warning)
      return !repeated
    })
    .join('\n')
}

function runFile(file: string): Promise<{ output: string; code: number }> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, ['--import', 'tsx', file], {
      env: { ...process.env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.on('data', chunk => {
      output += chunk
    })
    child.stderr.on('data', chunk => {
      output += chunk
    })
    child.on('close', code => resolve({ output, code: code ?? 1 }))
  })
}
