// Safetensors: every dtype, shards, atomic writing, and files that other programs wrote.
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openSafetensors, type TensorToWrite, writeSafetensors } from '../../src/data/safetensors.js'
import { needs } from '../support/shared.js'
import { failure, folderWith, temporaryFolder } from '../support/temporary.js'

/** A file with one f32, put together by hand. */
function oneFloat(name: string, value: number): Uint8Array {
  const header = JSON.stringify({ [name]: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } })
  const bytes = Buffer.alloc(8 + header.length + 4)
  bytes.writeBigUInt64LE(BigInt(header.length))
  bytes.write(header, 8)
  bytes.writeFloatLE(value, 8 + header.length)
  return bytes
}

test('a missing file, a folder, and a file cut short after it was opened', async () => {
  assert.match(
    await failure(openSafetensors('/nowhere/x.safetensors')),
    /cannot open \/nowhere\/x.safetensors: no such file/,
  )
  assert.match(await failure(openSafetensors(temporaryFolder())), /it is a folder, expected a file/)
  const path = join(folderWith({ 'x.safetensors': oneFloat('a', 1) }), 'x.safetensors')
  const file = await openSafetensors(path)
  truncateSync(path, statSync(path).size - 1)
  assert.match(await failure(file.readF32('a')), /the file is cut short/)
  await file.close()
})

/** Slow and plain: an f16 as a number. */
function halfValue(half: number): number {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >> 10) & 31
  const mantissa = (half & 1023) / 1024
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (exponent === 0 ? mantissa * 2 ** -14 : (1 + mantissa) * 2 ** (exponent - 15))
}

test('all 65536 values of F16 and BF16, and the bits of F32, NaN payloads included', async () => {
  const halves = Uint16Array.from({ length: 65536 }, (_, i) => i)
  const bits = Uint32Array.from([0x7fc12345, 0x7f812345, 0x80000000, 1, 0x7f800000, 0xff7fffff])
  const folder = temporaryFolder()
  const path = join(folder, 'x.safetensors')
  await writeSafetensors(path, [
    { name: 'f16', dtype: 'F16', shape: [256, 256], data: halves },
    { name: 'bf16', dtype: 'BF16', shape: [65536], data: halves },
    { name: 'f32', dtype: 'F32', shape: [6], data: new Float32Array(bits.buffer) },
  ])
  const file = await openSafetensors(path)
  const f16 = await file.readF32('f16')
  const bf16 = new Uint32Array((await file.readF32('bf16')).buffer)
  for (let i = 0; i < 65536; i++) {
    if (!Object.is(f16[i], halfValue(i)))
      assert.unreachable(`f16 ${i.toString(16)}: ${f16[i]}, expected ${halfValue(i)}`)
    if (bf16[i] !== i * 65536) assert.unreachable(`bf16 ${i.toString(16)}`)
  }
  assert.equal(new Uint32Array((await file.readF32('f32')).buffer), bits)
  await file.close()
})

test('F64 is rounded, integers of every width are read, values outside i32 are named', async () => {
  const path = join(temporaryFolder(), 'x.safetensors')
  const lowest = -(2 ** 31)
  await writeSafetensors(path, [
    { name: 'f64', dtype: 'F64', shape: [3], data: new Float64Array([0.1, 1e300, -0]) },
    { name: 'i64', dtype: 'I64', shape: [3], data: new BigInt64Array([-1n, 2n ** 31n - 1n, -(2n ** 31n)]) },
    { name: 'i64 high', dtype: 'I64', shape: [2], data: new BigInt64Array([0n, 2n ** 31n]) },
    { name: 'i64 low', dtype: 'I64', shape: [1], data: new BigInt64Array([-(2n ** 31n) - 1n]) },
    { name: 'u64', dtype: 'U64', shape: [1], data: new BigUint64Array([7n]) },
    { name: 'u64 high', dtype: 'U64', shape: [1], data: new BigUint64Array([2n ** 64n - 1n]) },
    { name: 'u32', dtype: 'U32', shape: [1], data: new Uint32Array([2 ** 31 - 1]) },
    { name: 'u32 high', dtype: 'U32', shape: [2], data: new Uint32Array([1, 2 ** 31]) },
    { name: 'i32', dtype: 'I32', shape: [2], data: new Int32Array([lowest, 5]) },
    { name: 'i16', dtype: 'I16', shape: [1], data: new Int16Array([-300]) },
    { name: 'u16', dtype: 'U16', shape: [1], data: new Uint16Array([65535]) },
    { name: 'i8', dtype: 'I8', shape: [1], data: new Int8Array([-3]) },
    { name: 'u8', dtype: 'U8', shape: [3], data: new Uint8Array([0, 255, 7]) },
    { name: 'bool', dtype: 'BOOL', shape: [2], data: new Uint8Array([1, 0]) },
  ])
  const file = await openSafetensors(path)
  const integers = async (name: string) => [...(await file.readI32(name))]
  assert.equal(await file.readF32('f64'), new Float32Array([0.1, Number.POSITIVE_INFINITY, -0]))
  assert.equal(await integers('i64'), [-1, 2 ** 31 - 1, lowest])
  assert.equal(await integers('u64'), [7])
  assert.equal(await integers('u32'), [2 ** 31 - 1])
  assert.equal(await integers('i32'), [lowest, 5])
  assert.equal(await integers('i16'), [-300])
  assert.equal(await integers('u16'), [65535])
  assert.equal(await integers('i8'), [-3])
  assert.equal(await integers('u8'), [0, 255, 7])
  assert.equal(await integers('bool'), [1, 0])
  assert.equal(await file.readBytes('i16'), new Uint8Array([0xd4, 0xfe]))
  assert.match(
    await failure(file.readI32('i64 high')),
    /"i64 high" holds a value that is 2147483648 at 1, outside the range/,
  )
  assert.match(await failure(file.readI32('i64 low')), /-2147483649 at 0/)
  assert.match(await failure(file.readI32('u64 high')), /18446744073709551615 at 0/)
  assert.match(await failure(file.readI32('u32 high')), /2147483648 at 1/)
  for (const { name, begin } of file.tensors.values())
    assert.is(
      begin % (name.includes('64') ? 8 : name.includes('32') ? 4 : name.includes('16') ? 2 : 1),
      0,
      `${name} lies aligned`,
    )
  await file.close()
})

test('a tensor of several blocks', async () => {
  const path = join(temporaryFolder(), 'x.safetensors')
  const values = Float32Array.from({ length: 2_500_000 }, (_, i) => i)
  await writeSafetensors(path, [{ name: 'a', dtype: 'F32', shape: [2_500_000], data: values }])
  const file = await openSafetensors(path)
  const read = await file.readF32('a')
  assert.is(read.length, values.length)
  assert.not.ok(read.some((value, i) => value !== i))
  await file.close()
})

async function* pieces(...list: Float32Array[]): AsyncGenerator<Float32Array> {
  for (const piece of list) {
    await Promise.resolve()
    yield piece
  }
}

test('writing: header padded to 8 with spaces, wide dtypes first, names that an object would reorder, pieces, parts of a buffer', async () => {
  const path = join(temporaryFolder(), 'deep', 'x.safetensors')
  const buffer = new Float32Array([9, 1, 2, 3, 9])
  await writeSafetensors(
    path,
    [
      { name: 'b', dtype: 'U8', shape: [3], data: new Uint8Array([1, 2, 3]) },
      { name: '10', dtype: 'F32', shape: [3], data: buffer.subarray(1, 4) },
      { name: '__proto__', dtype: 'F32', shape: [0], data: new Float32Array(0) },
      {
        name: '9',
        dtype: 'F32',
        shape: [2, 2],
        data: pieces(new Float32Array([1]), new Float32Array(0), new Float32Array([2, 3, 4])),
      },
    ],
    { format: 'pt' },
  )
  const bytes = readFileSync(path)
  const length = Number(bytes.readBigUInt64LE(0))
  assert.is(length % 8, 0)
  const header =
    '{"__metadata__":{"format":"pt"},"10":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"9":{"dtype":"F32","shape":[2,2],' +
    '"data_offsets":[12,28]},"__proto__":{"dtype":"F32","shape":[0],"data_offsets":[28,28]},"b":{"dtype":"U8","shape":[3],"data_offsets":[28,31]}}'
  assert.is(bytes.subarray(8, 8 + length).toString(), header.padEnd(length, ' '))
  assert.ok(length - header.length < 8)
  assert.is(bytes.length, 8 + length + 31)
  const file = await openSafetensors(path)
  assert.equal(await file.readF32('9'), new Float32Array([1, 2, 3, 4]))
  assert.equal(await file.readF32('10'), new Float32Array([1, 2, 3]))
  await file.close()
})

test('a write that fails leaves nothing, and an older file as it was', async () => {
  async function* breaks(): AsyncGenerator<Float32Array> {
    yield new Float32Array(1)
    throw new Error('the device is gone')
  }
  const one = { name: 'a', dtype: 'F32', shape: [2], data: new Float32Array(2) } as const
  const failing: [TensorToWrite[], RegExp][] = [
    [[one, { ...one, name: 'b', data: breaks() }], /the device is gone/],
    [
      [one, { ...one, name: 'b', data: pieces(new Float32Array(1)) }],
      /tensor "b" of shape \[2\] takes 8 bytes, its data has 4/,
    ],
    [[{ ...one, data: pieces(new Float32Array(2), new Float32Array(1)) }], /takes 8 bytes, its data has more/],
    [[{ ...one, data: new Float32Array(3) }], /takes 8 bytes, its data has more/],
    [[{ ...one, data: new Int32Array(2) }], /tensor "a" is F32, its data a Int32Array, expected Float32Array/],
    [[one, one], /the tensor name "a" is taken/],
    [[{ ...one, name: '__metadata__' }], /the tensor name "__metadata__" is taken/],
    [[{ ...one, shape: [-2] }], /impossible shape \[-2\]/],
    [[{ ...one, dtype: 'float32' as 'F32' }], /tensor "[^"]*" has the dtype float32, expected one of .*F32/],
    [[{ ...one, shape: [1.5] }], /impossible shape \[1.5\]/],
    [[{ ...one, shape: [2 ** 52, 4] }], /impossible shape/],
  ]
  const folder = temporaryFolder()
  for (const [tensors, message] of failing) {
    assert.match(await failure(writeSafetensors(join(folder, 'x.safetensors'), tensors)), message)
    assert.equal(readdirSync(folder), [])
  }
  writeFileSync(join(folder, 'x.safetensors'), 'older')
  assert.match(
    await failure(writeSafetensors(join(folder, 'x.safetensors'), failing[0]?.[0] as TensorToWrite[])),
    /cannot write|gone/,
  )
  assert.equal(readdirSync(folder), ['x.safetensors'])
  assert.is(readFileSync(join(folder, 'x.safetensors'), 'utf8'), 'older')
})

const indexed = (weight_map: unknown, files: Record<string, Uint8Array> = {}) =>
  join(
    folderWith({
      'model.safetensors.index.json': JSON.stringify({ metadata: { total_size: 8 }, weight_map }),
      ...files,
    }),
    'model.safetensors.index.json',
  )

test('shards: tensors from all of them, hostile names and missing files refused', async () => {
  const files = { 'b.safetensors': oneFloat('x', 1), 'a.safetensors': oneFloat('y', 2) }
  const file = await openSafetensors(indexed({ x: 'b.safetensors', y: 'a.safetensors' }, files))
  assert.equal(
    file.files.map(path => path.slice(-13)),
    ['a.safetensors', 'b.safetensors'],
  )
  assert.equal([...file.tensors.keys()], ['x', 'y'])
  assert.equal(await file.readF32('x'), new Float32Array([1]))
  assert.equal(await file.readF32('y'), new Float32Array([2]))
  assert.match(await failure(file.readF32('z')), /index.json has no tensor "z"/)
  await file.close()

  for (const name of [
    '../b.safetensors',
    'sub/b.safetensors',
    'sub\\b.safetensors',
    '/etc/passwd',
    '..',
    'a\0',
    '',
    3,
    null,
  ])
    assert.match(
      await failure(openSafetensors(indexed({ x: name }, files))),
      /the shard of "x" is .*expected the name of a file beside/,
    )
  assert.match(
    await failure(openSafetensors(indexed({ x: 'b.safetensors', y: 'c.safetensors', z: 'd.safetensors' }, files))),
    /shards are missing beside it: c.safetensors, d.safetensors/,
  )
  assert.match(
    await failure(openSafetensors(indexed({ x: 'b.safetensors', z: 'a.safetensors' }, files))),
    /tensors that their shards do not hold: z \(a.safetensors\)/,
  )
  assert.match(await failure(openSafetensors(indexed(undefined))), /weight_map holds undefined, expected a JSON object/)
  assert.match(
    await failure(openSafetensors(indexed({ x: 'b.safetensors' }, { 'b.safetensors': oneFloat('x', 1).slice(0, -1) }))),
    /b.safetensors holds 3 bytes/,
  )
  const twice = join(
    folderWith({ 'model.safetensors.index.json': '{"weight_map":{"x":"a","x":"b"}}' }),
    'model.safetensors.index.json',
  )
  assert.match(await failure(openSafetensors(twice)), /the key "x" occurs twice/)
})

const fixtures = needs('models/safetensors-fixtures')
;(fixtures ? test : test.skip)('F32, F16, I8, F64 and I32 files of another program', async () => {
  const open = (name: string) => openSafetensors(`${fixtures}/${name}.safetensors`)
  const [f32, f16, i8, mixed] = await Promise.all(['float32', 'float16', 'int8', 'vocab-quantized'].map(open))
  if (!f32 || !f16 || !i8 || !mixed) throw new Error('not opened')
  assert.equal(f32.tensors.get('embeddings')?.shape, [29528, 2])
  const wide = await f32.readF32('embeddings')
  const narrow = await f16.readF32('embeddings')
  let worst = 0
  for (const [i, value] of wide.entries())
    worst = Math.max(worst, Math.abs(value - (narrow[i] as number)) / Math.max(Math.abs(value), 2 ** -14))
  assert.ok(worst > 0 && worst <= 2 ** -11, `f16 is f32 rounded to 11 bits: ${worst}`)
  const quantized = await i8.readI32('embeddings')
  assert.is(quantized.length, 29528 * 2)
  assert.is(Math.max(...quantized.subarray(0, 50_000)) <= 127, true)
  const doubles = new Float64Array((await mixed.readBytes('weights')).slice().buffer)
  assert.equal(await mixed.readF32('weights'), Float32Array.from(doubles))
  assert.ok((await mixed.readI32('mapping')).every(row => row >= 0 && row < 128))
  for (const file of [f32, f16, i8, mixed]) await file.close()
})

/** Writes again what a file holds; every byte must come out as it was. */
async function rewritten(path: string): Promise<boolean> {
  const file = await openSafetensors(path)
  const target = join(temporaryFolder(), 'again.safetensors')
  const tensors: TensorToWrite[] = []
  // The other way round: the order must come from the rules, not from the input.
  for (const { name, dtype, shape } of [...file.tensors.values()].reverse())
    tensors.push({ name, dtype, shape, data: await file.readBytes(name) })
  await writeSafetensors(target, tensors, Object.keys(file.metadata).length > 0 ? { ...file.metadata } : undefined)
  await file.close()
  return Buffer.compare(readFileSync(path), readFileSync(target)) === 0
}

const oracles = needs('oracles/encoders')
;(oracles ? test : test.skip)('files of the format’s own writer come out byte by byte when written again', async () => {
  const listed = readdirSync(oracles as string, { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.safetensors'),
  )
  assert.ok(listed.length > 10)
  for (const name of listed) assert.ok(await rewritten(join(oracles as string, name)), name)
  if (fixtures) assert.ok(await rewritten(join(fixtures, 'vocab-quantized.safetensors')))
})

const sharded = needs('oracles/decoders/qwen2-sharded')
;(sharded ? test : test.skip)('a real sharded checkpoint', async () => {
  assert.not.ok(existsSync(`${sharded}/model.safetensors`))
  const file = await openSafetensors(`${sharded}/model.safetensors.index.json`)
  assert.is(file.files.length, 4)
  let bytes = 0
  for (const { name, dtype, begin, end } of file.tensors.values()) {
    bytes += end - begin
    const values = dtype === 'F32' ? await file.readF32(name) : new Float32Array(0)
    assert.ok(values.length > 0 && values.every(Number.isFinite), name)
  }
  assert.is(bytes, 193120) // metadata.total_size
  await file.close()
})

test.run()
