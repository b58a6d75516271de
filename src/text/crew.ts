// Worker threads that tokenize beside the calling one. Each has a stretch of the texts, of which it gets a block at a time; ids are put together in order,
// so that the result is that of one thread. What a worker cannot do, or leaves undone because it has ended, the calling thread does.
import { textThreadSource } from '../../build/text-thread.js'
import { type RunningWorker, startWorker, whyNotShared } from '../runtime/workers.js'
import { appendIds, type Collected, type Instance, type PackedIds, packed, roomForIds, UNLIMITED } from './blocks.js'
import {
  BYTES,
  CUT,
  createMailboxes,
  DONE,
  FREE,
  IDS,
  LIMIT,
  MAILBOX_BYTES,
  MAILBOX_TEXTS,
  type Mailbox,
  mailboxesIn,
  POSTED,
  SPECIAL,
  STATE,
  TEXTS,
} from './mailbox.js'
import type { TextThreadSetup } from './thread.js'

export interface Crew {
  encode(texts: readonly string[], limit: number, special: boolean): PackedIds
  close(): void
}

/** Encodes the texts from `first` to before `last` on the calling thread. */
type EncodeHere = (texts: readonly string[], limit: number, special: boolean) => PackedIds

export interface Member {
  readonly worker: RunningWorker
  readonly bell: Int32Array
  readonly boxes: readonly Mailbox[]
}

/** A copy of all that makes the tokenizer: what it needs below `workspace`, and its variables. */
function stateOf({ module, memory }: Instance): Pick<TextThreadSetup, 'image' | 'variables'> {
  const bytes = module.workspace() >>> 0
  const image = new SharedArrayBuffer(bytes)
  new Uint8Array(image).set(new Uint8Array(memory.buffer, 0, bytes))
  const variables: Record<string, number | bigint> = {}
  for (const [name, value] of Object.entries(module))
    if (value instanceof WebAssembly.Global && /^g\d+$/.test(name)) variables[name] = value.value as number | bigint
  return { image, variables }
}

/** `size`: threads, the calling one included. Undefined where memory cannot be shared. */
export async function startCrew(
  instance: Instance,
  module: WebAssembly.Module,
  size: number,
  here: EncodeHere,
): Promise<Crew | undefined> {
  if (size < 2 || whyNotShared()) return undefined
  const state = stateOf(instance)
  const start = async (): Promise<Member> => {
    const mailboxes = createMailboxes()
    const data: TextThreadSetup = { module, ...state, mailboxes }
    // One that has ended is found out by asking.
    const worker = await startWorker({ source: textThreadSource, data, died: () => undefined })
    return { worker, ...mailboxesIn(mailboxes) }
  }
  const members = await Promise.all(Array.from({ length: size - 1 }, start))
  return {
    encode: (texts, limit, special) => encodeTogether(members, texts, limit, special, here),
    close() {
      for (const { worker } of members.splice(0)) worker.terminate()
    },
  }
}

/** A block of texts that somebody has to do, or has done. */
interface Job {
  readonly first: number
  readonly last: number
  readonly member?: Member
  readonly box?: Mailbox
  readonly done?: PackedIds
}

/**
 * A stretch of the texts, one for each thread: what a thread has learnt of the words of one place helps it with the texts beside it. A thread that is
 * through with its own helps with the longest.
 */
interface Stretch {
  next: number
  readonly last: number
  /** In order. */
  readonly jobs: Job[]
  /** Ends of texts in `offsets` count from the beginning of these. */
  readonly to: Collected
}

function stretchesOf(texts: readonly string[], count: number): Stretch[] {
  const whole = texts.reduce((sum, text) => sum + text.length, 0)
  const stretches: Stretch[] = []
  for (let i = 0, first = 0, passed = 0; i < count; i++) {
    let last = first
    while (last < texts.length && (i === count - 1 || passed < (whole * (i + 1)) / count))
      passed += texts[last++]!.length
    stretches.push({ next: first, last, jobs: [], to: roomForIds(texts, first, i === 0 ? texts.length : last) })
    first = last
  }
  return stretches
}

/** Has the texts encoded by the members and the calling thread. Members that have ended are left out from then on. */
export function encodeTogether(
  members: Member[],
  texts: readonly string[],
  limit: number,
  special: boolean,
  here: EncodeHere,
): PackedIds {
  const offsets = new Int32Array(texts.length + 1)
  const stretches = stretchesOf(texts, members.length + 1)
  const homes = new Map(members.map((member, i) => [member, stretches[i + 1]!]))
  const encodeHere = ({ first, last }: Job) => here(texts.slice(first, last), limit, special)
  let truncated = 0
  const collect = ({ to }: Stretch, job: Job, { ids, offsets: ends, truncated: cut }: PackedIds) => {
    for (let i = job.first; i < job.last; i++) offsets[i + 1] = to.length + ends[i - job.first + 1]!
    appendIds(to, ids)
    truncated += cut
  }
  // What is done is taken in order; the first that is not yet done is waited for where nothing else is left.
  const settle = (stretch: Stretch, all: boolean) => {
    for (let job = stretch.jobs[0]; job; job = stretch.jobs[0]) {
      const answer = job.done ?? answerTo(members, job, all)
      if (answer === 'waiting') return
      stretch.jobs.shift()
      collect(stretch, job, answer ?? encodeHere(job))
      if (job.box) Atomics.store(job.box.header, STATE, FREE)
    }
  }
  for (;;) {
    for (const member of members)
      for (const box of member.boxes) {
        const stretch = longest(stretches, homes.get(member)!)
        if (!stretch || Atomics.load(box.header, STATE) !== FREE) continue
        const { next: first, last: end } = stretch
        const last = post(member, box, texts, first, end, limit, special)
        if (last > first) stretch.jobs.push({ first, last, member, box })
        stretch.next = last
      }
    const stretch = longest(stretches, stretches[0]!)
    if (!stretch) break
    const job = { first: stretch.next, last: blockEnd(texts, stretch.next, stretch.last) }
    stretch.jobs.push({ ...job, done: encodeHere(job) })
    stretch.next = job.last
    for (const each of stretches) settle(each, false)
  }
  for (const each of stretches) settle(each, true)
  return joined(stretches, offsets, truncated)
}

/** The stretch to go on with: one's own as long as something of it is left. */
function longest(stretches: readonly Stretch[], own: Stretch): Stretch | undefined {
  if (own.next < own.last) return own
  const left = stretches.reduce((most, each) => (each.last - each.next > most.last - most.next ? each : most))
  return left.next < left.last ? left : undefined
}

function joined([first, ...others]: Stretch[], offsets: Int32Array, truncated: number): PackedIds {
  const { to } = first!
  let text = first!.last
  for (const { last, to: more } of others) {
    const start = to.length
    for (; text < last; text++) offsets[text + 1]! += start
    appendIds(to, more.ids.subarray(0, more.length))
  }
  return packed(to, offsets, truncated)
}

/** The first text that does not fit into a block with those from `first` on; a text that fits into none is alone. */
function blockEnd(texts: readonly string[], first: number, last: number): number {
  let end = first
  for (let most = 0; end < last && end - first < MAILBOX_TEXTS; end++) {
    most += 3 * texts[end]!.length
    if (most > MAILBOX_BYTES && end > first) break
  }
  return end
}

const encoder = new TextEncoder()

/** Fills a mailbox with texts from `first` to before `last`; returns the first that did not fit. */
function post(
  { bell }: Member,
  { header, ends, texts: bytes }: Mailbox,
  texts: readonly string[],
  first: number,
  last: number,
  limit: number,
  special: boolean,
): number {
  let [count, filled] = [0, 0]
  for (; count < MAILBOX_TEXTS && first + count < last; count++) {
    const text = texts[first + count]!
    if (filled + 3 * text.length > MAILBOX_BYTES) break
    filled += encoder.encodeInto(text, bytes.subarray(filled)).written
    ends[count] = filled
  }
  if (count === 0) return first
  header[TEXTS] = count
  header[BYTES] = filled
  header[LIMIT] = Math.min(limit, UNLIMITED)
  header[SPECIAL] = special ? 1 : 0
  Atomics.store(header, STATE, POSTED)
  Atomics.add(bell, 0, 1)
  Atomics.notify(bell, 0)
  return first + count
}

/** Milliseconds between questions whether a worker is still there. */
const SLICE = 100

/** Undefined where the worker did not do it. */
function answerTo(
  members: Member[],
  { member, box, last, first }: Job,
  wait: boolean,
): PackedIds | undefined | 'waiting' {
  const { header, ends, ids } = box!
  while (Atomics.load(header, STATE) === POSTED) {
    if (!wait) return 'waiting'
    sleep(header)
    if (member!.worker.alive() || Atomics.load(header, STATE) !== POSTED) continue
    members.splice(members.indexOf(member!), 1)
    return undefined
  }
  if (Atomics.load(header, STATE) !== DONE) return undefined
  const offsets = new Int32Array(last - first + 1)
  offsets.set(ends.subarray(0, last - first), 1)
  return { ids: ids.subarray(0, header[IDS]), offsets, truncated: header[CUT]! }
}

/** A page's own thread may not sleep. */
function sleep(header: Int32Array): void {
  try {
    Atomics.wait(header, STATE, POSTED, SLICE)
  } catch {
    // Looked at again at once.
  }
}
