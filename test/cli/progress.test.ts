import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  createProgress,
  displayWidth,
  duration,
  eraseBar,
  type ProgressView,
  plainLine,
  progressLine,
  stderrOutput,
} from '../../src/cli/progress.js'

const ESCAPE = '\u001b'
const ERASE = `\r${ESCAPE}[K`

const view: ProgressView = {
  label: 'train',
  done: 76,
  total: 180,
  unit: 'steps',
  rate: 5.123,
  elapsed: 24,
  note: 'loss 1.234',
}
const plain = (columns: number, changes: Partial<ProgressView> = {}) =>
  progressLine({ ...view, ...changes }, { columns, colour: false })

/** What a terminal or a log got, with a clock that the test moves (in seconds). */
function recorder({ isTerminal = true, columns = 80, quiet = false } = {}) {
  const written: string[] = []
  let milliseconds = 1e6
  const output = { write: (more: string) => void written.push(more), isTerminal, colour: false, columns: () => columns }
  const progress = createProgress({ output, quiet, now: () => milliseconds })
  return {
    progress,
    wait(seconds: number) {
      milliseconds += 1000 * seconds
    },
    take() {
      return written.splice(0).join('').replaceAll(ERASE, '<erase>')
    },
  }
}

test('the line of a bar', () => {
  assert.is(
    plain(120),
    `train  ${'━'.repeat(12)}${'─'.repeat(18)}   42%  76/180 steps  5.12 steps/s  0:20 left  loss 1.234`,
  )
  assert.is(plain(200).length, plain(120).length, 'no wider than it needs')
  const coloured = progressLine(view, { columns: 120, colour: true })
  assert.ok(coloured.includes(`${ESCAPE}[36m${'━'.repeat(12)}${ESCAPE}[`))
  assert.is(
    coloured
      .split(ESCAPE)
      .map((part, i) => (i ? part.slice(part.indexOf('m') + 1) : part))
      .join(''),
    plain(120),
  )
})

test('it fits every width, and what matters least goes first', () => {
  for (let columns = 10; columns <= 120; columns++) {
    for (const label of ['train', 'encode the documents of a collection', '検索対象の文書をエンコードする']) {
      for (const changes of [{}, { total: 2_000_000, done: 1_234_567 }, { total: undefined }, { rate: undefined }]) {
        const line = plain(columns, { label, ...changes })
        assert.ok(displayWidth(line) < columns, `${columns} columns: ${line}`)
        if (columns >= 40 && !('total' in changes && !changes.total)) assert.match(line, /[━─]{8}.*\d+%/)
      }
    }
  }
  assert.is(plain(40), `train  ${'━'.repeat(6)}${'─'.repeat(9)}   42%  0:20 left`)
  assert.not.match(plain(60), /loss/)
  assert.match(plain(60), /76\/180 steps.*0:20 left/)
})

test('beginnings, ends and unknown totals', () => {
  assert.match(plain(120, { done: 0, rate: undefined }), /^train {2}─{30} {4}0% {2}0\/180 steps/)
  assert.match(plain(120, { done: 180 }), /━{30} {2}100% .* 0:00 left/)
  assert.match(plain(120, { done: 179.99 }), / 99%/)
  assert.match(plain(120, { done: 200 }), /━ {2}100%/)
  assert.is(plain(80, { total: undefined, done: 12345 }), 'train  12,345 steps  5.12 steps/s  loss 1.234')
  assert.not.match(plain(80, { total: 0, done: 0 }), /NaN|Infinity/)
  assert.not.match(plain(80, { rate: 0 }), /left/)
  assert.is(
    plain(120, { label: 'a\x1b[2Jb\nc', note: '\r\x07x' }).match(/\p{Cc}/u),
    null,
    'no control characters from names',
  )
})

test('durations and rates', () => {
  assert.equal([0, 7.4, 59.6, 750, 3723, 86400 * 2 + 3600 * 5].map(duration), [
    '0:00',
    '0:07',
    '1:00',
    '12:30',
    '1:02:03',
    '2 d 5 h',
  ])
  const line = (rate: number) => plainLine({ ...view, rate, note: '', total: undefined })
  assert.equal(
    [0.04123, 5.123, 99.96, 228.4, 12345.6].map(line),
    ['0.0412', '5.12', '100', '228', '12,346'].map(rate => `train: 76 steps, ${rate} steps/s`),
  )
})

test('a terminal: one line drawn over, at most ten times a second, then the sum', () => {
  const { progress, wait, take } = recorder()
  progress.begin('encode', { unit: 'texts', total: 100 })
  assert.match(take(), /^<erase>encode .* 0%/)
  wait(0.05)
  progress.advance(5)
  assert.is(take(), '')
  wait(0.06)
  progress.advance(10)
  assert.match(take(), /^<erase>encode .* 10% .*90\.9 texts\/s {2}0:01 left$/)
  wait(0.01)
  progress.advance(100)
  assert.match(take(), /100%/, 'the last one is drawn in any case')
  progress.say('warning: two texts are empty')
  assert.match(take(), /^<erase>warning: two texts are empty\n<erase>encode .*100%/)
  wait(0.88)
  progress.end('2 empty')
  assert.is(take(), '<erase>encode: 100 texts in 1.0 s, 100 texts/s, 2 empty\n')
  progress.say('later')
  progress.advance(7)
  progress.end()
  assert.is(take(), 'later\n')
})

test('elsewhere: plain lines, rarer as time goes on, without escapes', () => {
  const { progress, wait, take } = recorder({ isTerminal: false })
  progress.begin('train', { unit: 'steps', total: 4000 })
  let text = ''
  const times: number[] = []
  for (let second = 1; second <= 2000; second++) {
    wait(1)
    progress.advance(2 * second, `loss ${second}`)
    const line = take()
    if (line) times.push(second)
    text += line
  }
  assert.equal(times.slice(0, 4), [5, 10, 15, 20])
  assert.equal(
    times.slice(-3).map((time, i, last) => time - (last[i - 1] ?? time)),
    [0, 60, 60],
  )
  assert.ok(times.length < 60)
  assert.not.match(text, /(?!\n)\p{Cc}|erase/u)
  assert.match(text, /^train: 10\/4,000 steps \(0%\), 2 steps\/s, 33:15 left, loss 5\n/)
  progress.end()
  assert.is(take(), 'train: 4,000 steps in 33:20, 2 steps/s\n')
})

test('the rate follows the present, and a resumed task counts only its own', () => {
  const { progress, wait, take } = recorder()
  progress.begin('train', { unit: 'steps', total: 2000, done: 1000 })
  take()
  for (let i = 1; i <= 100; i++) {
    wait(1)
    progress.advance(1000 + i)
  }
  assert.match(take(), / 1 steps\/s {2}15:00 left$/)
  for (let i = 1; i <= 60; i++) {
    wait(1)
    progress.advance(1100 + 10 * i)
  }
  assert.match(take(), / 9\.9\d steps\/s {2}0:30 left$/)
  progress.end()
  assert.match(take(), /train: 700 steps in 2:40, 4\.38 steps\/s/)
})

test('what was done before the first look at the clock counts, but gives no rate', () => {
  const { progress, wait, take } = recorder()
  progress.begin('encode', { unit: 'texts', total: 64, unseen: 64 })
  wait(0.001)
  progress.advance(64)
  assert.not.match(take(), /texts\/s/)
  progress.end()
  assert.is(take(), '<erase>encode: 64 texts\n')
  progress.begin('encode', { unit: 'texts', total: 100, unseen: 50 })
  wait(2)
  progress.advance(100)
  take()
  progress.end()
  assert.is(take(), '<erase>encode: 100 texts in 2.0 s, 25 texts/s\n')
})

test('a narrow terminal: the sum keeps its line, and names stay apart', () => {
  const { progress, wait, take } = recorder({ columns: 40 })
  progress.begin('training, lora', { unit: 'steps', total: 30 })
  assert.match(take(), /training, lora {2}─{8}/)
  wait(2)
  progress.advance(30)
  take()
  progress.end('loss 1.92')
  assert.is(take(), '<erase>training, lora: 30 steps in 2.0 s\n')
  progress.begin('train', { unit: 'steps', total: 30 })
  wait(2)
  progress.advance(30)
  take()
  progress.end('loss 1.92')
  assert.is(take(), '<erase>train: 30 steps in 2.0 s, loss 1.92\n')
})

test('a bar that is left behind is taken away before an error is printed', () => {
  const { progress, take } = recorder()
  progress.begin('train', { unit: 'steps', total: 10 })
  take()
  eraseBar()
  eraseBar()
  assert.is(take(), '<erase>', 'once')
})

test('quiet is silent, and the clock is not the wall clock', () => {
  const { progress, take } = recorder({ quiet: true })
  progress.begin('train', { unit: 'steps' })
  progress.advance(1)
  progress.say('x')
  progress.end()
  assert.is(take(), '')
  const wall = Date.now
  const written: string[] = []
  const output = {
    write: (more: string) => void written.push(more),
    isTerminal: false,
    colour: false,
    columns: () => 80,
  }
  const live = createProgress({ output })
  try {
    live.begin('train', { unit: 'steps', total: 2 })
    Date.now = () => wall() + 1e9
    live.advance(1)
    live.end()
  } finally {
    Date.now = wall
  }
  assert.match(written.join(''), /^train: 1 steps in \d\.\d s/)
})

test('colour and bars by the environment', () => {
  const { stderr, env } = process
  const saved = { isTTY: stderr.isTTY, NO_COLOR: env.NO_COLOR, TERM: env.TERM }
  const restore = (name: 'NO_COLOR' | 'TERM', value: string | undefined) =>
    value === undefined ? delete env[name] : Object.assign(env, { [name]: value })
  const found = (isTTY: boolean, noColor: string | undefined, term: string) => {
    stderr.isTTY = isTTY
    restore('NO_COLOR', noColor)
    restore('TERM', term)
    const { isTerminal, colour } = stderrOutput()
    return [isTerminal, colour]
  }
  try {
    assert.equal(found(true, undefined, 'xterm'), [true, true])
    assert.equal(found(true, '', 'xterm'), [true, true], 'an empty NO_COLOR does not count')
    assert.equal(found(true, '1', 'xterm'), [true, false])
    assert.equal(found(true, undefined, 'dumb'), [false, false])
    assert.equal(found(false, undefined, 'xterm'), [false, false])
  } finally {
    stderr.isTTY = saved.isTTY
    restore('NO_COLOR', saved.NO_COLOR)
    restore('TERM', saved.TERM)
  }
})

test.run()
