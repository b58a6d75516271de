// The header of a safetensors file: each rule broken once, and what is legal though odd.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openSafetensors } from '../../src/data/safetensors.js'
import { failure, folderWith } from '../support/temporary.js'

/** A file's bytes: the length of the header (or a lie about it), the header, the data. */
function fileBytes(header: unknown, data: Uint8Array = new Uint8Array(0), length?: bigint): Uint8Array {
  const json =
    header instanceof Uint8Array
      ? header
      : new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + json.length + data.length)
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true)
  bytes.set(json, 8)
  bytes.set(data, 8 + json.length)
  return bytes
}

const bytesOf = (...views: ArrayBufferView[]) =>
  new Uint8Array(
    Buffer.concat(views.map(view => new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength))),
  )

const opened = (bytes: Uint8Array) => openSafetensors(join(folderWith({ 'x.safetensors': bytes }), 'x.safetensors'))
const tensor = (dtype: unknown, shape: unknown, ...data_offsets: unknown[]) => ({ dtype, shape, data_offsets })
const eight = new Uint8Array(8)

const hostile: [name: string, bytes: Uint8Array, message: RegExp][] = [
  ['empty file', new Uint8Array(0), /is 0 bytes long.*at least 8.*cut short/],
  ['length cut short', new Uint8Array(5), /is 5 bytes long/],
  [
    'length beyond the limit',
    fileBytes('{}', eight, 100_000_001n),
    /header is said to be 100000001 bytes long, at most 100000000/,
  ],
  [
    'length beyond 2^53',
    fileBytes('{}', eight, 0xffff_ffff_ffff_fff0n),
    /header is said to be 18446744073709551600 bytes long/,
  ],
  ['length beyond the file', fileBytes('{}', eight, 11n), /the header ends at byte 19, the file at 18/],
  ['no header', fileBytes(''), /does not begin with '\{'/],
  ['space before the brace', fileBytes(' {}'), /does not begin with '\{'/],
  ['byte order mark', fileBytes('\ufeff{}'), /does not begin with '\{'/],
  ['array', fileBytes('[]'), /does not begin with '\{'/],
  ['not UTF-8', fileBytes(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])), /not valid UTF-8/],
  ['not JSON', fileBytes('{"a"'), /the header is not valid JSON/],
  ['something after the object', fileBytes('{}{}'), /the header is not valid JSON/],
  [
    'a tensor twice',
    fileBytes(
      '{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}',
      eight,
    ),
    /the key "a" occurs twice/,
  ],
  [
    'a dtype twice',
    fileBytes('{"a":{"dtype":"U8","dtype":"F32","shape":[8],"data_offsets":[0,8]}}', eight),
    /the key "dtype" occurs twice/,
  ],
  ['metadata twice', fileBytes('{"__metadata__":{},"__metadata__":{}}'), /the key "__metadata__" occurs twice/],
  [
    'metadata of another type',
    fileBytes({ __metadata__: ['a'] }),
    /__metadata__ is \["a"\], expected an object of strings/,
  ],
  ['metadata number', fileBytes({ __metadata__: { format: 1 } }), /__metadata__ holds "format": 1, expected a string/],
  ['tensor is null', fileBytes({ a: null }), /tensor "a" holds null, expected a JSON object/],
  [
    'unknown dtype',
    fileBytes({ a: tensor('F31', [2], 0, 8) }, eight),
    /tensor "a" has dtype "F31", expected one of BOOL, U8/,
  ],
  ['inherited dtype', fileBytes({ a: tensor('constructor', [2], 0, 8) }, eight), /has dtype "constructor"/],
  ['missing dtype', fileBytes({ a: { shape: [2], data_offsets: [0, 8] } }, eight), /has dtype undefined/],
  ['negative size', fileBytes({ a: tensor('F32', [-2], 0, 8) }, eight), /has shape \[-2\]/],
  ['fractional size', fileBytes({ a: tensor('F32', [0.5, 4], 0, 8) }, eight), /has shape \[0.5,4\]/],
  ['shape is text', fileBytes({ a: tensor('F32', '2', 0, 8) }, eight), /has shape "2"/],
  ['missing shape', fileBytes({ a: { dtype: 'F32', data_offsets: [0, 8] } }, eight), /has shape undefined/],
  [
    'shape overflows',
    fileBytes({ a: tensor('F32', [2 ** 32, 2 ** 32], 0, 8) }, eight),
    /the size of shape \[4294967296, 4294967296\] overflows/,
  ],
  ['shape overflows before a zero', fileBytes({ a: tensor('F32', [2 ** 32, 2 ** 32, 0], 0, 0) }), /overflows/],
  ['bytes overflow', fileBytes({ a: tensor('F64', [2 ** 52], 0, 8) }, eight), /overflows/],
  ['one offset', fileBytes({ a: tensor('F32', [2], 8) }, eight), /has data_offsets \[8\]/],
  ['three offsets', fileBytes({ a: tensor('F32', [2], 0, 8, 8) }, eight), /has data_offsets \[0,8,8\]/],
  ['negative offset', fileBytes({ a: tensor('F32', [2], -8, 0) }, eight), /has data_offsets \[-8,0\]/],
  [
    'offset that is no exact integer',
    fileBytes('{"a":{"dtype":"U8","shape":[0],"data_offsets":[9007199254740993,9007199254740993]}}'),
    /has data_offsets/,
  ],
  ['offsets reversed', fileBytes({ a: tensor('F32', [2], 8, 0) }, eight), /begins at byte 8 and ends before, at 0/],
  [
    'size is not the shape’s',
    fileBytes({ a: tensor('F32', [2], 0, 4) }, eight),
    /F32 of shape \[2\] takes 8 bytes, its data_offsets span 4/,
  ],
  ['does not begin at 0', fileBytes({ a: tensor('F32', [1], 4, 8) }, eight), /tensor "a" begins at byte 4, expected 0/],
  [
    'gap',
    fileBytes({ a: tensor('U8', [2], 0, 2), b: tensor('F32', [1], 4, 8) }, eight),
    /tensor "b" begins at byte 4, expected 2/,
  ],
  [
    'overlap',
    fileBytes({ a: tensor('F32', [1], 0, 4), b: tensor('F32', [1], 0, 4) }, eight),
    /tensor "b" begins at byte 0, expected 4/,
  ],
  [
    'empty tensor inside another',
    fileBytes({ a: tensor('F32', [2], 0, 8), b: tensor('F32', [0], 4, 4) }, eight),
    /tensor "b" begins at byte 4, expected 8/,
  ],
  [
    'data cut short',
    fileBytes({ a: tensor('F32', [2], 0, 8) }, eight.slice(1)),
    /holds 7 bytes of data, its header promises 8: the file is cut short/,
  ],
  [
    'data left over',
    fileBytes({ a: tensor('F32', [1], 0, 4) }, eight),
    /4 bytes after the last tensor belong to no tensor/,
  ],
  ['data without tensors', fileBytes({}, eight), /8 bytes after the last tensor/],
]
for (const [name, bytes, message] of hostile)
  test(`refused: ${name}`, async () => assert.match(await failure(opened(bytes)), message))

test('legal: no tensors, empty tensors anywhere, a scalar, any order in the header, unknown fields, padding', async () => {
  await (await opened(fileBytes('{}'))).close()
  const header = {
    late: { ...tensor('F32', [], 4, 8), extra: 1 },
    empty_last: tensor('F64', [3, 0], 8, 8),
    early: tensor('I8', [2, 2], 0, 4),
    empty_middle: tensor('F32', [0], 4, 4),
    empty_first: tensor('BF16', [0, 2 ** 40], 0, 0),
    __metadata__: { format: 'pt', '': 'ü' },
  }
  const file = await opened(
    fileBytes(`${JSON.stringify(header)}   `, bytesOf(new Int8Array([1, -2, 3, -4]), new Float32Array([2.5]))),
  )
  assert.equal([...file.tensors.keys()], ['empty_first', 'early', 'empty_middle', 'late', 'empty_last'])
  assert.equal(file.metadata, { format: 'pt', '': 'ü' })
  assert.equal(file.tensors.get('late'), { name: 'late', dtype: 'F32', shape: [], begin: 4, end: 8 })
  assert.equal(await file.readF32('late'), new Float32Array([2.5]))
  assert.equal(await file.readI32('early'), new Int32Array([1, -2, 3, -4]))
  assert.is((await file.readF32('empty_last')).length, 0)
  assert.match(await failure(file.readF32('other')), /has no tensor "other"/)
  assert.match(
    await failure(file.readF32('early')),
    /tensor "early" is I8, expected a floating dtype: F32, F16, BF16, F64/,
  )
  assert.match(await failure(file.readI32('late')), /tensor "late" is F32, expected an integer dtype/)
  await file.close()
})

test.run()
