// What every rival in JavaScript shares: requests as JSON lines on stdin, answers as JSON lines on stdout, timing, and files of f32 values.
import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

export const readFloats = path => {
  const bytes = readFileSync(path)
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
}
export const writeFloats = (path, values) =>
  writeFileSync(path, new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
export const readJson = path => JSON.parse(readFileSync(path, 'utf8'))

/** A package's version, from its own package.json beside this file. */
export const versionOf = name => readJson(new URL(`./node_modules/${name}/package.json`, import.meta.url)).version

const median = values => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** One call that does not count where seconds are given, then calls until so many have passed; the median in milliseconds, and the busy cores. */
async function timed(call, seconds) {
  if (seconds > 0) await call()
  const times = []
  const [busy, begun] = [process.cpuUsage(), performance.now()]
  for (let sum = 0; sum < seconds * 1000 || times.length < 1; ) {
    const start = performance.now()
    await call()
    times.push(performance.now() - start)
    sum += times.at(-1)
  }
  const { user, system } = process.cpuUsage(busy)
  return { milliseconds: median(times), cores: (user + system) / 1000 / (performance.now() - begun) }
}

/**
 * `open(request)` → {name, threads}; `prepare(request)` → {call, repeats}: what is timed, and how many of the operation one call holds. Preparing
 * has already computed once, which is the warm-up of an encoder; short calls get another one.
 */
export async function serve({ open, prepare }) {
  let ready
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line)
    try {
      let answer = {}
      if (request.do === 'open') answer = await open(request)
      else if (request.do === 'prepare') ready = await prepare(request)
      else if (request.do === 'time') {
        const { call, repeats = 1 } = ready
        const { milliseconds, cores } = await timed(call, request.seconds)
        answer = { milliseconds: milliseconds / repeats, cores }
      } else throw new Error(`unknown request ${request.do}`)
      process.stdout.write(`${JSON.stringify(answer)}\n`)
    } catch (error) {
      process.stdout.write(`${JSON.stringify({ error: String(error?.message ?? error) })}\n`)
    }
  }
  process.exit(0)
}
