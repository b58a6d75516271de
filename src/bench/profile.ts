// A profile for people: a table of kernels by time, and a trace for Perfetto.
import type { KernelTotal, Profile } from '../backend/profile.js'

/** Kernels of the table; the others are summed in one line. */
const SHOWN = 25

export function profileLines(profile: Profile): string[] {
  const totals = [...profile.totals.values()].sort((a, b) => b.milliseconds - a.milliseconds)
  const all = totals.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  const rest = totals.slice(SHOWN)
  const other: KernelTotal = { name: `${rest.length} others`, calls: 0, milliseconds: 0, flops: 0, bytes: 0 }
  for (const { calls, milliseconds } of rest) {
    other.calls += calls
    other.milliseconds += milliseconds
  }
  const shown = rest.length > 0 ? [...totals.slice(0, SHOWN), other] : totals
  const calls = totals.reduce((sum, total) => sum + total.calls, 0)
  return [
    row('kernel', 'calls', 'ms', 'share', 'rate', 'of limit'),
    ...shown.map(total => line(total, all, profile.limits)),
    row('all', String(calls), all.toFixed(1), '', '', ''),
    ...(profile.runs > 0
      ? [`host: ${(profile.host / profile.runs).toFixed(3)} ms to hand over each of ${profile.runs} runs`]
      : []),
    ...(profile.limits
      ? [`limits: ${rate(profile.limits.gflops)}FLOP/s of multiply-adds, ${rate(profile.limits.gbps)}B/s copied`]
      : []),
  ]
}

function line(
  { name, calls, milliseconds, flops, bytes }: KernelTotal,
  all: number,
  limits: Profile['limits'],
): string {
  const [gflops, gbps] = [flops / milliseconds / 1e6, bytes / milliseconds / 1e6]
  const speed = flops > 0 ? `${rate(gflops)}FLOP/s` : bytes > 0 ? `${rate(gbps)}B/s` : ''
  const part = !limits || speed === '' ? undefined : flops > 0 ? gflops / limits.gflops : gbps / limits.gbps
  const share = `${((100 * milliseconds) / all).toFixed(1)} %`
  return row(name, String(calls), milliseconds.toFixed(1), share, speed, part === undefined ? '' : percent(part))
}

const percent = (part: number): string => `${Math.round(100 * part)} %`

/** 12.3 G, 1.23 T */
const rate = (giga: number): string => (giga < 1000 ? `${giga.toPrecision(3)} G` : `${(giga / 1000).toPrecision(3)} T`)

const row = (name: string, calls: string, ms: string, share: string, speed: string, part: string): string =>
  `${name.padEnd(38)}${calls.padStart(8)}${ms.padStart(11)}${share.padStart(9)}${speed.padStart(15)}${part.padStart(10)}`

const TRACKS = [
  { tid: 1, name: 'host' },
  { tid: 2, name: 'kernels' },
] as const

/** Chrome's trace format, which ui.perfetto.dev and chrome://tracing open. */
export function traceJson({ events }: Profile): string {
  const names = TRACKS.map(({ tid, name }) => ({ name: 'thread_name', ph: 'M', pid: 1, tid, args: { name } }))
  const lines = [...names, ...events].map(event => JSON.stringify(event))
  return `{"displayTimeUnit":"ms","traceEvents":[\n${lines.join(',\n')}\n]}\n`
}
