// Progress on stderr: a live bar with rate and time left on a terminal, plain lines now and then elsewhere, nothing with --quiet.
// Time is that of a monotonic clock: a wall clock that is set while we run changes neither rate nor time left.

/** Where progress is shown. */
export interface ProgressOutput {
  write(text: string): void
  /** Whether a line can be drawn over. */
  readonly isTerminal: boolean
  readonly colour: boolean
  /** Of the terminal now: it may be resized. */
  columns(): number
}

export interface Progress {
  /**
   * Starts a task; one that was not ended is dropped. `done`: where a resumed task goes on. `unseen`: units done since, before anyone
   * looked at a clock; they count, but not for the rate.
   */
  begin(label: string, task: { unit: string; total?: number; done?: number; unseen?: number }): void
  /** `done`: of the whole task so far. `note`: what else is worth a look, such as the loss. `total`: where it has become better known. */
  advance(done: number, note?: string, total?: number): void
  /** Leaves one line that sums the task up. */
  end(note?: string): void
  /** A line of its own, above the bar. */
  say(line: string): void
}

/** What a bar shows at one moment. */
export interface ProgressView {
  readonly label: string
  readonly done: number
  readonly unit: string
  readonly total?: number
  /** Units a second. */
  readonly rate?: number
  /** In seconds, since the task began. */
  readonly elapsed: number
  readonly note?: string
}

/** stderr. A bar needs a terminal that is not a dumb one; NO_COLOR (no-color.org) is honoured. */
export function stderrOutput(): ProgressOutput {
  const { stderr, env } = process
  const isTerminal = Boolean(stderr.isTTY) && env.TERM !== 'dumb'
  return {
    write: text => void stderr.write(text),
    isTerminal,
    colour: isTerminal && !env.NO_COLOR,
    columns: () => stderr.columns || 80,
  }
}

export interface ProgressOptions {
  readonly output: ProgressOutput
  readonly quiet?: boolean
  /** Milliseconds of a clock that never jumps. */
  readonly now?: () => number
}

const silent: Progress = { begin() {}, advance() {}, end() {}, say() {} }

// A terminal has one bar at most, whoever draws it.
let eraseDrawn: (() => void) | undefined

/** Takes a bar that is on the terminal away, so that what is written next has a line of its own: an error, or the shell's prompt. */
export const eraseBar = (): void => eraseDrawn?.()

const REDRAW = 0.1 // seconds
const ERASE_LINE = '\r\x1b[K'

export function createProgress({ output, quiet = false, now = () => performance.now() }: ProgressOptions): Progress {
  if (quiet) return silent
  let task: { view: ProgressView; work: Work; shown: number; meter: RateMeter } | undefined

  const erase = () => {
    if (drawn()) output.write(ERASE_LINE)
    eraseDrawn = undefined
  }
  const drawn = () => eraseDrawn === erase
  const draw = (view: ProgressView) => {
    const columns = output.columns()
    if (output.isTerminal) output.write(ERASE_LINE + progressLine(view, { columns, colour: output.colour }))
    else output.write(`${plainLine(view)}\n`)
    if (output.isTerminal) eraseDrawn = erase
  }
  return {
    begin(label, { unit, total, done = 0, unseen = 0 }) {
      erase()
      const began = now() / 1000
      task = {
        view: { label, done, unit, total, elapsed: 0 },
        work: { first: done, timedFrom: done + unseen, began },
        shown: began,
        meter: rateMeter(done + unseen, began),
      }
      if (output.isTerminal) draw(task.view)
    },
    advance(done, note, total = task?.view.total) {
      if (!task) return
      const time = now() / 1000
      const elapsed = time - task.work.began
      task.view = { ...task.view, done, total, note: note ?? task.view.note, elapsed, rate: task.meter(done, time) }
      const finished = done === task.view.total
      if (time - task.shown < (output.isTerminal ? REDRAW : plainInterval(elapsed)) && !(finished && output.isTerminal))
        return
      task.shown = time
      draw(task.view)
    },
    end(note) {
      if (!task) return
      const { view, work } = task
      erase()
      const room = output.isTerminal ? output.columns() : Number.POSITIVE_INFINITY
      output.write(`${summaryLine({ ...view, note, elapsed: now() / 1000 - work.began }, work, room)}\n`)
      task = undefined
    },
    say(line) {
      const redraw = drawn()
      erase()
      output.write(`${line}\n`)
      if (redraw && task) draw(task.view)
    },
  }
}

/** Seconds from one plain line to the next: the log of a long run stays short. */
const plainInterval = (elapsed: number) => Math.min(60, Math.max(5, elapsed / 10))

type RateMeter = (done: number, time: number) => number | undefined

/** Units a second over about the last ten seconds: counts and times fade alike, so that uneven steps weigh by their length. */
function rateMeter(done: number, time: number): RateMeter {
  let [lastDone, lastTime, units, seconds] = [done, time, 0, 0]
  return (done, time) => {
    const fade = Math.exp(-(time - lastTime) / 10)
    units = units * fade + (done - lastDone)
    seconds = seconds * fade + (time - lastTime)
    lastDone = done
    lastTime = time
    return seconds > 0 && units > 0 ? units / seconds : undefined
  }
}

const SHORTEST_BAR = 8
const LONGEST_BAR = 30

/** The bar's line, at most `columns` − 1 wide; what matters least is left out where it is narrow. Without colour: no escapes. */
export function progressLine(view: ProgressView, { columns, colour }: { columns: number; colour: boolean }): string {
  const room = columns - 1 // a full last column would wrap on some terminals
  const { total, done } = view
  const share = total ? Math.min(1, Math.max(0, done / total)) : undefined
  const percent = share === undefined ? [] : [`${Math.floor(share * 100)}%`.padStart(4)]
  const label = cut(view.label, Math.max(8, Math.floor(room * 0.42)))
  const left = timeLeft(view)
  // What is left out first comes last.
  const extras: [rank: number, text: string | undefined][] = [
    [2, count(view)],
    [3, view.rate === undefined ? undefined : rateText(view.rate, view.unit)],
    [1, left === undefined ? undefined : `${duration(left)} left`],
    [4, view.note && clean(view.note)],
  ]
  for (let kept = extras.length; kept >= 0; kept--) {
    const shown = extras.flatMap(([rank, text]) => (text && rank <= kept ? [text] : []))
    const words = [label, ...percent, ...shown]
    const width = words.reduce((sum, word) => sum + displayWidth(word), 2 * (words.length - 1))
    const bar = share === undefined ? 0 : Math.min(LONGEST_BAR, room - width - 2)
    if (share === undefined ? width > room : bar < SHORTEST_BAR) continue
    return [label, ...(share === undefined ? [] : [barText(share, bar, colour)]), ...percent, ...shown].join('  ')
  }
  return cut([label, ...percent].join('  '), room)
}

function barText(share: number, width: number, colour: boolean): string {
  const full = Math.floor(share * width)
  const [done, open] = ['━'.repeat(full), '─'.repeat(width - full)]
  return colour ? `\x1b[36m${done}\x1b[2;39m${open}\x1b[0m` : done + open
}

/** A line for a log: `train: 76/180 steps (42%), 3.1 steps/s, 0:33 left, loss 1.23`. */
export function plainLine(view: ProgressView): string {
  const { total, done, rate, unit, note } = view
  const left = timeLeft(view)
  const parts = [
    `${count(view)}${total ? ` (${Math.floor((100 * done) / total)}%)` : ''}`,
    rate === undefined ? '' : rateText(rate, unit),
    left === undefined ? '' : `${duration(left)} left`,
    clean(note ?? ''),
  ]
  return `${clean(view.label)}: ${parts.filter(Boolean).join(', ')}`
}

/** What a task did: the unit it began at, the one since which there is a time, and that time in seconds. */
interface Work {
  readonly first: number
  readonly timedFrom: number
  readonly began: number
}

/** `train: 180 steps in 58.1 s, 3.1 steps/s, loss 1.23`; the rate, then the note, are left out where they do not fit. */
function summaryLine(
  { label, done, unit, elapsed, note }: ProgressView,
  { first, timedFrom }: Work,
  room: number,
): string {
  const timed = elapsed > 0 && done > timedFrom
  const time = elapsed < 60 ? `${elapsed.toFixed(1)} s` : duration(elapsed)
  const what = `${clean(label)}: ${grouped(done - first)} ${unit}${timed ? ` in ${time}` : ''}`
  const rate = timed ? rateText((done - timedFrom) / elapsed, unit) : ''
  const forms = [
    [what, rate, clean(note ?? '')],
    [what, clean(note ?? '')],
  ].map(parts => parts.filter(Boolean).join(', '))
  return forms.find(form => displayWidth(form) <= room) ?? what
}

const grouped = (value: number) => value.toLocaleString('en-US')

const count = ({ done, total, unit }: ProgressView) =>
  total === undefined ? `${grouped(done)} ${unit}` : `${grouped(done)}/${grouped(total)} ${unit}`

function timeLeft({ total, done, rate }: ProgressView): number | undefined {
  return total === undefined || !rate || rate < 0 ? undefined : Math.max(0, total - done) / rate
}

/** Three digits: `0.0412`, `3.14`, `228`, `12,345`. */
function rateText(rate: number, unit: string): string {
  const digits = rate >= 100 || rate <= 0 ? grouped(Math.round(rate)) : String(Number(rate.toPrecision(3)))
  return `${digits} ${unit}/s`
}

/** `0:07`, `12:30`, `1:02:03`, `2 d 5 h`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60]
  const two = (value: number) => String(value).padStart(2, '0')
  if (days > 0) return `${grouped(days)} d ${hours} h`
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

// Names come from files: one with a control character must not move the cursor.
const clean = (text: string) => text.replace(/\p{Cc}+/gu, ' ')

const wide =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u
const unseen = /[\p{M}\p{Cf}]/u

/** Terminal columns: two for East Asian characters and emoji, none for combining marks. */
export function displayWidth(text: string): number {
  let width = 0
  for (const character of text) width += unseen.test(character) ? 0 : wide.test(character) ? 2 : 1
  return width
}

function cut(text: string, room: number): string {
  const shown = clean(text)
  if (displayWidth(shown) <= room) return shown
  let kept = ''
  for (const character of shown) {
    if (displayWidth(kept + character) > room - 1) break
    kept += character
  }
  return `${kept}…`
}
