import { request } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { packTar, unpackTar } from '../../src/page/tar.js'
import { textsIn } from '../../src/page/texts.js'
import { serveFiles } from '../../src/runtime/server.js'
import { failure, folderWith } from '../support/temporary.js'

/** fetch would tidy the path up. */
const ask = (address: string, path: string, headers: Record<string, string> = {}, method = 'GET') =>
  new Promise<{ status: number; body: string; headers: Record<string, unknown> }>((resolve, reject) => {
    const { hostname, port } = new URL(address)
    request({ hostname, port, path, headers, method }, response => {
      let body = ''
      response.on('data', chunk => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode!, body, headers: response.headers }))
    })
      .on('error', reject)
      .end()
  })

test('serves what lies in its folders and nothing above; to this machine alone; isolated unless told otherwise', async () => {
  const folder = folderWith({ 'page/index.html': '<p>', 'model/config.json': '{}', 'secret.txt': 'no' })
  const server = await serveFiles({ folders: { '/': `${folder}/page`, '/model/': `${folder}/model` } })
  const { address } = server
  const page = await ask(address, '/')
  assert.is(page.body, '<p>')
  assert.is(page.headers['cross-origin-opener-policy'], 'same-origin')
  assert.is((await ask(address, '/model/config.json')).body, '{}')
  for (const path of [
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/model/..%2f..%2fsecret.txt',
    '/%00',
    '/model/%5c..%5c..%5csecret.txt',
    '/%zz',
  ])
    assert.is.not((await ask(address, path)).status, 200, path)
  assert.is((await ask(address, '/none')).status, 404)
  assert.is((await ask(address, '/', { host: 'evil.example' })).status, 403)
  assert.is((await ask(address, '/', {}, 'POST')).status, 405)
  assert.match(await failure(serveFiles({ folders: {}, port: Number(new URL(address).port) })), 'is taken')
  await server.close()
})

test('an adapter packed is unpacked as it was; what is no whole file is refused', async () => {
  const files = {
    'adapter_config.json': new TextEncoder().encode('{"r": 8}'),
    'a.safetensors': new Uint8Array(1500).fill(7),
  }
  const packed = new Uint8Array(await packTar(files).arrayBuffer())
  assert.is(packed.length % 512, 0)
  assert.equal(unpackTar(packed), files)
  assert.throws(() => unpackTar(packed.slice(0, 1200)), /no whole adapter file/)
  assert.throws(() => unpackTar(new Uint8Array(1024).fill(65)), /no whole adapter file/)
})

test('texts of files: lines, paragraphs, JSON Lines', () => {
  assert.equal(textsIn('', 'a\r\n\n b \n'), ['a', 'b'])
  assert.equal(textsIn('x.txt', 'a\nb\n\nc\n'), ['a b', 'c'])
  assert.equal(textsIn('x.txt', 'a\nb\n'), ['a', 'b'])
  assert.equal(textsIn('x.jsonl', '{"title": "t", "text": "x"}\n{"text": "y"}\n'), ['t x', 'y'])
  assert.throws(() => textsIn('x.jsonl', '{"text": 1}'), /x.jsonl:1: expected an object with a string "text"/)
})

test.run()
