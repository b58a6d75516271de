// SentencePiece's compiled normalisation; what becomes of single texts is in fixtures/normalizers.jsonl.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { normalizing } from '../support/normalizing.js'
import { failure } from '../support/temporary.js'

/** A table as it stands in a file: its units, and the texts that they name by place. */
function charsmap(units: Record<number, number>, texts: string): string {
  const size = 4 * 512
  const words = new Uint32Array(1 + 512)
  words[0] = size
  for (const [place, unit] of Object.entries(units)) words[1 + Number(place)] = unit
  const bytes = [...new Uint8Array(words.buffer), ...new TextEncoder().encode(texts)]
  return btoa(String.fromCharCode(...bytes))
}

const leaf = (place: number) => (0x80000000 | place) >>> 0
const key = 0x100
const offset = (from: number, to: number) => (from ^ to) << 10

// From 0 to base 256: "a" to base 300 (a key, text 0), "b" to base 310, behind it "c" to base 320 (a key, text 3).
const units = {
  0: offset(0, 256),
  [256 ^ 0x61]: 0x61 | key | offset(256 ^ 0x61, 300),
  300: leaf(0),
  [256 ^ 0x62]: 0x62 | offset(256 ^ 0x62, 310),
  [310 ^ 0x63]: 0x63 | key | offset(310 ^ 0x63, 320),
  320: leaf(3),
}

const precompiled = (precompiled_charsmap: string) => normalizing({ type: 'Precompiled', precompiled_charsmap })

test('keys are looked up in clusters: only one that is a whole cluster, or begins one, counts', async () => {
  const normalize = await precompiled(charsmap(units, 'xx\0y\0'))
  // "bc" is two clusters, so that its key is never met.
  assert.equal(normalize(['a', 'bc', 'cab', 'ba', '']), ['xx', 'bc', 'cxxb', 'bxx', ''])
  // What follows in the same cluster goes, unless the cluster has 6 bytes or more.
  assert.equal(normalize(['a\u0301z', 'a\u0301\u0301z', 'a\u0301\u0301\u0301z']), [
    'xxz',
    'xxz',
    'xx\u0301\u0301\u0301z',
  ])
})

test('the last text of a table may lack its zero byte', async () => {
  const normalize = await precompiled(charsmap({ ...units, 300: leaf(3) }, 'xx\0y'))
  assert.equal(normalize(['aa']), ['yy'])
})

test('a table that is damaged is refused', async () => {
  assert.match(await failure(precompiled('*')), /normalizer\.precompiled_charsmap is not base 64/)
  assert.match(await failure(precompiled('')), /has 0 bytes and a double array of 0/)
  assert.match(await failure(precompiled(charsmap(units, '').slice(0, 100))), /and a double array of 2048/)
  const outside = { ...units, 300: leaf(99) }
  assert.match(await failure(precompiled(charsmap(outside, 'xx\0y\0'))), /leads out of its own double array/)
  const away = { ...units, [256 ^ 0x62]: 0x62 | offset(256 ^ 0x62, 5000) }
  assert.match(await failure(precompiled(charsmap(away, 'xx\0y\0'))), /leads out of its own double array/)
})

test.run()
