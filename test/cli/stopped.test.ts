// Work that stops before its end: by Ctrl-C, a reader that goes away, a full disk, a loss that is not finite. What was whole stays whole, nothing
// half-written is left, and a run says how it goes on.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openSafetensors } from '../../src/data/safetensors.js'
import { attempt, contents, main, refused, smallRecipe, start, tinyCollection, tinyModel } from '../support/cli.js'
import { needs } from '../support/shared.js'
import { folderWith, temporaryFolder } from '../support/temporary.js'

const lineCount = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0)

async function checkpointStep(path: string): Promise<number> {
  const file = await openSafetensors(path)
  await file.close()
  return JSON.parse(file.metadata.state!).step as number
}

/** What an interrupted run leaves. */
const KEPT = ['checkpoint.safetensors', 'log.jsonl', 'recipe.toml', 'runs', 'seconds.json']

test('Ctrl-C in training keeps a checkpoint and says how to go on; --resume ends the run', async () => {
  const { recipe, runs } = smallRecipe()
  const folder = join(runs, 'small')
  const words = ['run', recipe, '--set', 'train.steps=600', 'train.checkpoint_every=500', 'train.batch_size=4']
  let sent = false
  const stopped = await start(words, {
    onStderr(stderr, child) {
      if (sent || !stderr.includes('training: full')) return
      sent = true
      const poll = setInterval(() => {
        if (lineCount(join(folder, 'log.jsonl')) < 3) return
        clearInterval(poll)
        // A terminal and npx both pass it on: two at once are one.
        child.kill('SIGINT')
        child.kill('SIGINT')
      }, 5)
    },
  })
  assert.is(stopped.code, 130, stopped.stderr)
  assert.is(stopped.stdout, '')
  assert.match(stopped.stderr, /\nstopping as soon as what has begun is done; Ctrl-C again stops at once\n/)
  assert.match(
    stopped.stderr,
    /\ninterrupted; a checkpoint is kept: .*small\/checkpoint\.safetensors\ngo on with: (npx )?wgpu-retrieve run .*small\.toml --set train\.steps=600 train\.checkpoint_every=500 train\.batch_size=4 --resume\n$/,
  )
  assert.not.match(stopped.stderr, /error|^ +at /m)
  assert.equal(contents(folder), KEPT)
  const step = await checkpointStep(join(folder, 'checkpoint.safetensors'))
  assert.ok(step >= 3 && step < 500, `step ${step}`)
  assert.is(lineCount(join(folder, 'log.jsonl')), step)

  // As a machine that stops leaves it: a line of the log cut off.
  truncateSync(join(folder, 'log.jsonl'), statSync(join(folder, 'log.jsonl')).size - 10)
  const resumed = await attempt(...words, '--resume', '--json')
  assert.is(resumed.code, 0, resumed.stderr)
  assert.match(resumed.stderr, new RegExp(`training: full, \\d+ parameters, 600 steps, from step ${step}\n`))
  assert.match(resumed.stderr, new RegExp(`training: ${600 - step} steps in `))
  assert.is(JSON.parse(resumed.stdout).training.steps, 600)
  assert.equal(contents(folder), [
    ...['log.jsonl', 'metrics.json', 'model', 'recipe.toml', 'report.html', 'runs', 'training.json'],
  ])
})

test('Ctrl-C while a file is encoded leaves no file', async () => {
  const model = await tinyModel()
  const folder = folderWith({ 'in.jsonl': '{"ids":[2,5,6,7,8,9,10,3]}\n'.repeat(200_000) })
  const words = ['encode', '--model', model, '--backend', 'wasm', '--input', join(folder, 'in.jsonl')]
  const stopped = await start([...words, '--output', join(folder, 'out/v.safetensors')], {
    onStderr: (stderr, child) => void (/backend: /.test(stderr) && child.kill('SIGINT')),
  })
  assert.is(stopped.code, 130, stopped.stderr)
  assert.match(stopped.stderr, /\ninterrupted; nothing was written\n$/)
  assert.equal(contents(folder), ['in.jsonl'])
})

test('Ctrl-C before the first step leaves no folder', async () => {
  const { recipe, runs } = smallRecipe()
  const stopped = await start(['run', recipe], {
    onStderr: (stderr, child) => void (/\nrun: /.test(stderr) && child.kill('SIGTERM')),
  })
  assert.is(stopped.code, 130, stopped.stderr)
  assert.match(stopped.stderr, /\ninterrupted before the first step; nothing is kept\n$/)
  assert.equal(contents(runs), [])
})

test('a reader that goes away ends the work without a word', async () => {
  const model = await tinyModel()
  const input = join(folderWith({ 'in.jsonl': '"red cat"\n'.repeat(100_000) }), 'in.jsonl')
  const child = spawn(process.execPath, [...main, 'tokenize', '--model', model, '--input', input])
  let stderr = ''
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  // As `| head -1` does.
  child.stdout.once('data', () => child.stdout.destroy())
  const code = await new Promise(resolve => child.once('close', resolve))
  assert.equal([code, stderr], [0, ''])
})

test('a loss that is not finite stops the run, names the step and keeps the last good checkpoint', async () => {
  const { recipe, runs } = smallRecipe()
  const diverging = ['run', recipe, '--set', 'train.learning_rate=1e30', 'train.checkpoint_every=1']
  const stopped = await attempt(...diverging)
  refused(
    stopped,
    1,
    /\nerror: step \d+: the (loss|gradient norm) is (NaN|-?Infinity), expected a finite number; lower/,
  )
  const path = join(runs, 'small/checkpoint.safetensors')
  assert.match(
    stopped.stderr,
    /\nthe last checkpoint is kept: .*small\/checkpoint\.safetensors \(--resume goes on from it\)\n$/,
  )
  const step = Number(/error: step (\d+)/.exec(stopped.stderr)![1])
  assert.is(await checkpointStep(path), step)
  assert.equal(contents(join(runs, 'small')), KEPT)
  // Other settings are another run.
  const changed = await attempt('run', recipe, '--resume')
  refused(changed, 1, /small belongs to a run with other settings \(\[train\] differ\)/)
})

/** A file system of its own with so many bytes, or undefined where none may be mounted. */
function smallDisk(kilobytes: number): { readonly path: string; release(): void } | undefined {
  const path = temporaryFolder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'none', path], { stdio: 'pipe' })
  } catch {
    return undefined
  }
  return { path, release: () => void execFileSync('umount', ['-l', path]) }
}

async function onSmallDisk(kilobytes: number, use: (path: string) => Promise<void>): Promise<void> {
  const disk = smallDisk(kilobytes)
  assert.ok(disk, 'a small disk could be mounted before')
  try {
    await use(disk.path)
  } finally {
    disk.release()
  }
}

/** A device that is always full, in a folder of its own: a mistake must not cost the machine its /dev/full. */
function fullDevice(): string | undefined {
  const path = join(temporaryFolder(), 'full')
  try {
    execFileSync('mknod', [path, 'c', '1', '7'], { stdio: 'pipe' })
    writeFileSync(path, 'x')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return path
  }
  return undefined
}

// Asked once, so that a test that cannot be made here counts as skipped and not as passed.
const device = fullDevice()
if (!device) console.log('skipped: a device that is always full, for which root must be allowed to make one')
const probe = smallDisk(64)
probe?.release()
if (!probe) console.log('skipped: a small disk to fill, for which root must be allowed to mount a tmpfs')
const withDevice = device ? test : test.skip
const withDisk = probe ? test : test.skip

withDevice(
  'no space left on a device: path and cause are named, and the device is not replaced by a file',
  async () => {
    const onData = ['--model', await tinyModel(), '--data', tinyCollection(), '--backend', 'wasm', '--output', device!]
    const message = /error: cannot write .*\/full: no space left on the device; free some, or write elsewhere\n/
    refused(await attempt('search', ...onData), 1, message)
    refused(await attempt('eval', ...onData), 1, message)
    assert.ok(statSync(device!).isCharacterDevice())
  },
)

withDisk('no space left for vectors: the good file that is there stays, with its ids', async () => {
  const model = await tinyModel()
  const texts = folderWith({
    'few.jsonl': '{"text":"red cat","_id":"a"}\n',
    'many.jsonl': '{"text":"a dog"}\n'.repeat(4000),
  })
  await onSmallDisk(64, async disk => {
    const encode = (name: string) =>
      attempt(
        ...['encode', '--model', model, '--backend', 'wasm', '--input', join(texts, name)],
        ...['--output', join(disk, 'v.safetensors')],
      )
    assert.is((await encode('few.jsonl')).code, 0)
    const good = readFileSync(join(disk, 'v.safetensors'))
    refused(await encode('many.jsonl'), 1, /error: cannot write .*v\.safetensors: no space left on the device/)
    assert.equal(contents(disk), ['v.ids.txt', 'v.safetensors'])
    assert.equal(readFileSync(join(disk, 'v.safetensors')), good)
    assert.is(readFileSync(join(disk, 'v.ids.txt'), 'utf8'), 'a\n')
  })
})

const late = needs('oracles/sentence-transformers/colbert-pylate')
;(late ? withDisk : test.skip)(
  'no space left for token vectors: no half file, and with space it is written',
  async () => {
    const data = folderWith({
      'corpus.jsonl': Array.from({ length: 200 }, (_, i) => `{"_id":"${i}","title":"","text":"a red cat ${i}"}\n`).join(
        '',
      ),
      'queries.jsonl': '{"_id":"q","text":"red cat"}\n',
      'qrels/test.tsv': 'query-id\tcorpus-id\tscore\nq\t7\t1\n',
    })
    await onSmallDisk(16, async disk => {
      const words = ['search', '--model', late!, '--data', data, '--backend', 'wasm', '--quiet', '--output', '-']
      const search = () => attempt(...words, '--token-file', join(disk, 'tokens.safetensors'))
      refused(await search(), 1, /error: cannot write .*tokens\.safetensors: no space left on the device/)
      assert.equal(contents(disk), [])
      execFileSync('mount', ['-o', 'remount,size=4m', disk])
      const written = await search()
      assert.is(written.code, 0, written.stderr)
      assert.is((await search()).stdout, written.stdout)
    })
  },
)

withDisk('no space left in a run: the last checkpoint stays, and with more space the run goes on', async () => {
  const { recipe } = smallRecipe()
  // One checkpoint fits, but not a second one beside it.
  await onSmallDisk(600, async disk => {
    const words = ['run', recipe, '--out', disk]
    const stopped = await attempt(...words)
    refused(stopped, 1, /error: cannot write .*small\/checkpoint\.safetensors: no space left on the device/)
    assert.match(stopped.stderr, /\nthe last checkpoint is kept: .*checkpoint\.safetensors/)
    assert.equal(contents(join(disk, 'small')), KEPT)
    assert.is(await checkpointStep(join(disk, 'small/checkpoint.safetensors')), 2)
    execFileSync('mount', ['-o', 'remount,size=4m', disk])
    const resumed = await attempt(...words, '--resume')
    assert.is(resumed.code, 0, resumed.stderr)
    assert.match(resumed.stderr, /6 steps, from step 2\n/)
  })
})

withDisk(
  'no space left for the trained model: no half folder, and the model that is there is not destroyed',
  async () => {
    const { recipe } = smallRecipe()
    // The checkpoint fits (about 340 kB), the model beside it (another 115) does not.
    await onSmallDisk(440, async disk => {
      const words = ['run', recipe, '--out', disk, '--set', 'train.checkpoint_every=6']
      const stopped = await attempt(...words)
      refused(stopped, 1, /error: cannot write .*small\/model\/model\.safetensors: no space left on the device/)
      assert.equal(contents(join(disk, 'small')), KEPT)
      mkdirSync(join(disk, 'small/model'))
      writeFileSync(join(disk, 'small/model/config.json'), 'good')
      const again = await attempt(...words, '--resume')
      assert.is(again.code, 1, again.stderr)
      assert.equal(contents(join(disk, 'small/model')), ['config.json'])
      rmSync(join(disk, 'small/model'), { recursive: true })
    })
  },
)

test.run()
