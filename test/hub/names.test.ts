// Names on the Hub, and what the environment says of its cache.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkFileName, parseHubName, placeFrom } from '../../src/hub/names.js'
import { folderWith } from '../support/temporary.js'

test('org/name and org/name@revision; a path is no name', () => {
  assert.equal(parseHubName('BAAI/bge-small-en-v1.5'), { repo: 'BAAI/bge-small-en-v1.5', revision: 'main' })
  assert.equal(parseHubName('a/b@refs/pr/1'), { repo: 'a/b', revision: 'refs/pr/1' })
  for (const path of ['name', './a/b', '/a/b', 'a/b/c', '../b', 'a/..', 'a/b--c', 'a\\b', 'a/', 'a/.b', 'a b/c', ''])
    assert.is(parseHubName(path), undefined, path)
  for (const revision of ['', '../x', 'a/../b', '/etc', 'a\\b', 'a:b', 'a b', '-x', 'a//b', '.git', 'x\0'])
    assert.throws(() => parseHubName(`a/b@${revision}`), /is no revision/, revision)
})

test('file names that lead out of the folder', () => {
  for (const good of ['config.json', '1_Pooling/config.json', '..a/b']) checkFileName(good, 'a/b')
  for (const bad of ['../x', 'a/../../x', '/etc/passwd', 'C:/x', 'a\\..\\x', 'a//b', './x', '', 'a\0'])
    assert.throws(() => checkFileName(bad, 'a/b'), /leads out of the model's folder/, bad)
})

test('the cache, the endpoint and the token are where the environment says', async () => {
  const home = folderWith({ '.cache/huggingface/token': 'saved\n', 'own/token': 'own' })
  const plain = await placeFrom({}, home)
  assert.equal(plain, {
    ...{ endpoint: 'https://huggingface.co', cache: `${home}/.cache/huggingface/hub` },
    ...{ token: 'saved', offline: false },
  })
  assert.is((await placeFrom({ XDG_CACHE_HOME: '/x' }, home)).cache, '/x/huggingface/hub')
  assert.equal(await placeFrom({ HF_HOME: '~/own', HF_HUB_OFFLINE: 'YES', HF_ENDPOINT: 'http://h/' }, home), {
    ...{ endpoint: 'http://h', cache: `${home}/own/hub`, offline: true, token: 'own' },
  })
  const both = await placeFrom({ HF_HUB_CACHE: '/c', HF_HOME: '/nowhere', HF_TOKEN: 'env', HF_HUB_OFFLINE: '0' }, home)
  assert.equal([both.cache, both.token, both.offline], ['/c', 'env', false])
})

test.run()
