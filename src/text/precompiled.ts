// The normalizer "Precompiled" of tokenizer.json: SentencePiece's table of replacements, as a double array and the
// texts that it names. assembly/text/precompiled.ts walks it; its units are described there.

import { bytesOfBase64, type Host, place } from './host.js'
import { parseComponent } from './parse.js'
import * as v from './schema.js'

export interface Precompiled {
  readonly kind: 'precompiled'
  readonly units: Int32Array
  /** UTF-8, each ended by a zero byte. */
  readonly replacements: Uint8Array
  /** Bytes of a replacement for each byte that it replaces, at most; at least 1. */
  readonly growth: number
}

const Schema = v.looseObject({ precompiled_charsmap: v.string() })

export function readPrecompiled(json: unknown, place: string, source: string): Precompiled {
  const { precompiled_charsmap: charsmap } = parseComponent(Schema, json, source, place)
  const fail = (found: string) => new Error(`${source}: ${place}.precompiled_charsmap ${found}`)
  const bytes = bytesOfBase64(charsmap)
  if (!bytes) throw fail('is not base 64; download the file again')
  const view = new DataView(bytes.buffer)
  const size = bytes.length >= 4 ? view.getUint32(0, true) : 0
  if (size === 0 || size % 4 !== 0 || size > bytes.length - 4)
    throw fail(`has ${bytes.length} bytes and a double array of ${size}, expected a multiple of 4 within them`)
  // Room for any byte behind the last block, and for the end of the last text.
  const units = new Int32Array(Math.ceil(size / 1024) * 256)
  for (let i = 0; i < size / 4; i++) units[i] = view.getInt32(4 + 4 * i, true)
  const replacements = new Uint8Array(bytes.length - 4 - size + 1)
  replacements.set(bytes.subarray(4 + size))
  const growth = growthOf(units, replacements)
  if (growth === undefined) throw fail('leads out of its own double array; download the file again')
  return { kind: 'precompiled', units, replacements, growth }
}

const offsetOf = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6)

/** Walks all of the double array; undefined where it leads out of it. */
function growthOf(units: Int32Array, replacements: Uint8Array): number | undefined {
  let growth = 1
  // The nearest first, each place once.
  const open = [{ base: offsetOf(units[0]!), length: 0 }]
  const seen = new Set<number>()
  for (const { base, length } of open) {
    if (base >= units.length) return undefined
    if (seen.has(base)) continue
    seen.add(base)
    for (let byte = 1; byte < 256; byte++) {
      const unit = units[base ^ byte]!
      if ((unit & 0x800000ff) !== byte) continue
      const next = (base ^ byte ^ offsetOf(unit)) >>> 0
      if (next >= units.length) return undefined
      // The shortest key counts: what goes on behind one is never reached.
      if (!(unit & 0x100)) open.push({ base: next, length: length + 1 })
      else {
        const start = units[next]! & 0x7fffffff
        if (start >= replacements.length) return undefined
        growth = Math.max(growth, (replacements.indexOf(0, start) - start) / (length + 1))
      }
    }
  }
  return growth
}

export function putPrecompiled(host: Host, { units, replacements }: Precompiled, source: string): void {
  const what = `${source}: the normalizer's table`
  host.module.setUpPrecompiled(place(host, units, what), place(host, replacements, what))
}

export const precompiledGrowth = ({ growth }: Precompiled): number => Math.ceil(growth)
