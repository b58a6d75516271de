// Models fetched from a server that behaves like the Hub: only what is needed, into the standard cache; cut connections, damage, refusals.
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type FetchOptions, fetchModel } from '../../src/hub/model.js'
import { openNamedModel } from '../../src/run/named-model.js'
import { tinyWords } from '../support/cli.js'
import { COMMIT, gitHash, type HubBehaviour, type HubServer, sha256, startHub } from '../support/hub.js'
import { failure, temporaryFolder } from '../support/temporary.js'
import { tinyFolder, tinyJson } from '../support/tiny-bert.js'

const name = { repo: 'org/name', revision: 'main' }

/** A model's files, as a repository has them with much else beside. */
async function repository(): Promise<Record<string, Uint8Array | string>> {
  const weights = readFileSync(`${await tinyFolder()}/model.safetensors`)
  const types = ['Transformer', 'Pooling', 'Normalize'].map((kind, i) => ({
    ...{ idx: i, name: String(i), path: i === 0 ? '' : `${i}_${kind}`, type: `sentence_transformers.models.${kind}` },
  }))
  return {
    'README.md': 'read me',
    'config.json': JSON.stringify(tinyJson),
    'model.safetensors': weights,
    'pytorch_model.bin': new Uint8Array(5000),
    'onnx/model.onnx': new Uint8Array(5000),
    'modules.json': JSON.stringify(types),
    '1_Pooling/config.json': JSON.stringify({ word_embedding_dimension: 6 }),
    'vocab.txt': `${tinyWords.join('\n')}\n`,
  }
}

async function withHub(
  behaviour: Partial<HubBehaviour>,
  use: (hub: HubServer, options: FetchOptions & { place: NonNullable<FetchOptions['place']> }) => Promise<void>,
): Promise<void> {
  const hub = await startHub({ files: await repository(), ...behaviour })
  try {
    await use(hub, { place: { endpoint: hub.endpoint, cache: temporaryFolder(), offline: false }, pause: 1 })
  } finally {
    await hub.close()
  }
}

const fetched = (hub: HubServer) =>
  hub.requests.filter(each => each.includes('/resolve/')).map(each => each.split(`${COMMIT}/`)[1])

test('only the files that are needed, laid out as other libraries lay them out; a second time nothing', async () => {
  await withHub({}, async (hub, options) => {
    const folder = await fetchModel(name, options)
    const { cache } = options.place
    const root = `${cache}/models--org--name`
    assert.is(folder, `${root}/snapshots/${COMMIT}`)
    assert.equal(readdirSync(folder).sort(), [
      '1_Pooling',
      'config.json',
      'model.safetensors',
      'modules.json',
      'vocab.txt',
    ])
    assert.is(readFileSync(`${root}/refs/main`, 'utf8'), COMMIT)
    const weights = readFileSync(`${folder}/model.safetensors`)
    assert.ok(lstatSync(`${folder}/model.safetensors`).isSymbolicLink())
    assert.is(readlinkSync(`${folder}/model.safetensors`), `../../blobs/${sha256(weights)}`)
    const pooling = readFileSync(`${folder}/1_Pooling/config.json`)
    assert.is(readlinkSync(`${folder}/1_Pooling/config.json`), `../../../blobs/${gitHash(pooling)}`)
    assert.is(fetched(hub).length, 5)
    hub.requests.length = 0
    assert.is(await fetchModel(name, options), folder)
    assert.equal(fetched(hub), [])
    const offline = { place: { ...options.place, offline: true } }
    hub.requests.length = 0
    assert.is(await fetchModel(name, offline), folder)
    assert.is(await fetchModel({ ...name, revision: COMMIT }, offline), folder)
    assert.equal(hub.requests, [])
    assert.match(
      await failure(fetchModel({ ...name, revision: 'v1' }, offline)),
      /name@v1 is not in the cache .*HF_HUB_OFFLINE is set/,
    )
  })
})

test('the model opens by its name; the tokenizer alone without weights', async () => {
  await withHub({}, async (hub, options) => {
    const source = await openNamedModel('org/name@v1', options)
    assert.equal(
      [source.name, source.settings.normalize, source.base],
      ['org/name@v1', true, { name: 'org/name', revision: COMMIT }],
    )
    assert.is(source.tokenizer!.encode(['red cat']).ids.length, 4)
    await source.close()
    hub.requests.length = 0
    const other = { ...options, place: { ...options.place, cache: temporaryFolder() } }
    await fetchModel(name, { ...other, tokenizerOnly: true })
    assert.equal(fetched(hub), ['vocab.txt'])
  })
})

test('a cut connection is taken up again where it stopped', async () => {
  // Answers 1, 2 and 3 are small files.
  const cut = (answer: number, path: string) => (path === 'model.safetensors' && answer < 8 ? 700 : undefined)
  await withHub({ cut }, async (hub, options) => {
    const folder = await fetchModel(name, options)
    const weights = readFileSync(`${folder}/model.safetensors`)
    assert.is(sha256(weights), readlinkSync(`${folder}/model.safetensors`).split('/').at(-1))
    const ranges = hub.requests.filter(each => each.startsWith('/cdn/') && each.includes('bytes='))
    assert.ok(ranges.length >= 2, ranges.join())
    assert.match(ranges[0]!, /bytes=\d+-$/)
  })
  // One that begins at the start all the same, in full.
  await withHub(
    { cut: (answer, path) => (path === 'model.safetensors' && answer < 7 ? 700 : undefined), ignoresRanges: true },
    async (_, options) => {
      assert.ok(existsSync(`${await fetchModel(name, options)}/model.safetensors`))
    },
  )
})

test('what an earlier process left is gone on with, and thrown away where it is wrong', async () => {
  for (const [left, requests] of [
    ['right', 1],
    ['wrong', 2],
    ['longer', 1],
  ] as const)
    await withHub({}, async (hub, options) => {
      const weights = Buffer.from((await repository())['model.safetensors'] as Uint8Array)
      const blobs = `${options.place.cache}/models--org--name/blobs`
      mkdirSync(blobs, { recursive: true })
      const part = {
        right: weights.subarray(0, 500),
        wrong: Buffer.alloc(500),
        longer: Buffer.alloc(weights.length + 1),
      }
      writeFileSync(`${blobs}/${sha256(weights)}.incomplete`, part[left])
      const folder = await fetchModel(name, options)
      assert.equal(readFileSync(`${folder}/model.safetensors`), weights, left)
      const asked = hub.requests.filter(each => each.startsWith('/cdn/'))
      assert.is(asked.length, requests, asked.join())
      assert.is(asked[0]!.endsWith('bytes=500-'), left !== 'longer')
    })
})

test('a file that never arrives whole is never used', async () => {
  const never = { cut: (_: number, path: string) => (path === 'model.safetensors' ? 0 : undefined) }
  await withHub(never, async (_, options) => {
    assert.match(
      await failure(fetchModel(name, options)),
      /the connection fails .* at byte 0 of \d+; what came is kept/,
    )
    const { cache } = options.place
    assert.not.ok(existsSync(`${cache}/models--org--name/snapshots/${COMMIT}/model.safetensors`))
    assert.not.ok(existsSync(`${cache}/models--org--name/refs/main`), 'the revision stands for nothing')
  })
  const damage = (answer: number, bytes: Uint8Array) => (answer > 3 ? bytes.map(byte => byte ^ 1) : bytes)
  await withHub({ damage }, async (_, options) => {
    assert.match(await failure(fetchModel(name, options)), /does not arrive as it was announced: its digest is not/)
    assert.equal(
      readdirSync(`${options.place.cache}/models--org--name/blobs`).filter(each => each.endsWith('.incomplete')),
      [],
    )
  })
  const longer = (_: number, bytes: Uint8Array) => Buffer.concat([bytes, bytes])
  await withHub({ damage: longer }, async (_, options) => {
    assert.match(await failure(fetchModel(name, options)), /sends more than the \d+ bytes announced/)
  })
})

test('busy servers are asked again; refusals are not, and say what to do', async () => {
  await withHub({ status: answer => (answer === 2 ? 503 : answer === 3 ? 429 : undefined) }, async (_, options) => {
    assert.ok(existsSync(await fetchModel(name, options)))
  })
  await withHub({ token: 'secret' }, async (_, options) => {
    assert.match(
      await failure(fetchModel(name, options)),
      /org\/name@main: .* answers 401: the model is private or gated.*HF_TOKEN/,
    )
    assert.ok(existsSync(await fetchModel(name, { ...options, place: { ...options.place, token: 'secret' } })))
  })
  await withHub({}, async (_, options) => {
    assert.match(
      await failure(fetchModel({ repo: 'org/nome', revision: 'main' }, options)),
      /answers 404: there is no such model/,
    )
    assert.match(await failure(fetchModel({ ...name, revision: 'v9' }, options)), /name@v9: .* answers 404/)
  })
  await withHub({ status: () => 403 }, async (hub, options) => {
    assert.match(
      await failure(fetchModel(name, options)),
      /config.json answers 403 Forbidden: the model is private or gated/,
    )
    assert.is(fetched(hub).length, 1)
  })
})

test('without a network the cache is used, and it is said', async () => {
  const hub = await startHub({ files: await repository() })
  const options = { place: { endpoint: hub.endpoint, cache: temporaryFolder(), offline: false }, pause: 1 }
  const folder = await fetchModel(name, options)
  await hub.close()
  const said: string[] = []
  assert.is(await fetchModel(name, { ...options, say: line => void said.push(line) }), folder)
  assert.match(said.join(), /warning: .* cannot be reached .*org\/name is taken from the cache/)
  const empty = { ...options, place: { ...options.place, cache: temporaryFolder() } }
  assert.match(
    await failure(fetchModel(name, empty)),
    /is not in the cache .* cannot be reached .*; fetch it once with a network/,
  )
})

test('names that lead out of the cache are refused; shards are those that the index names', async () => {
  for (const bad of ['../../evil', '/etc/evil', 'a\\..\\evil'])
    await withHub({ listed: { 'README.md': bad } }, async (hub, options) => {
      assert.match(await failure(fetchModel(name, options)), /leads out of the model's folder/)
      assert.equal(fetched(hub), [])
    })
  const { 'model.safetensors': weights, ...others } = await repository()
  const index = (map: object) => ({ ...others, 'model.safetensors.index.json': JSON.stringify({ weight_map: map }) })
  await withHub(
    {
      files: {
        ...index({ a: 'one.safetensors', b: 'one.safetensors' }),
        'one.safetensors': weights!,
        'two.safetensors': weights!,
      },
    },
    async (hub, options) => {
      await fetchModel(name, options)
      assert.equal(
        fetched(hub).filter(each => each?.endsWith('.safetensors')),
        ['one.safetensors'],
      )
    },
  )
  await withHub({ files: index({ a: 'one.safetensors' }) }, async (_, options) => {
    assert.match(await failure(fetchModel(name, options)), /shards that .* names are not there: one.safetensors/)
  })
  await withHub({ files: index({ a: '../x' }) }, async (_, options) => {
    assert.match(await failure(fetchModel(name, options)), /leads out of the model's folder/)
  })
  await withHub({ files: others }, async (_, options) => {
    assert.match(await failure(fetchModel(name, options)), /has no model.safetensors.*pytorch_model.bin is not read/)
  })
})

test.run()
