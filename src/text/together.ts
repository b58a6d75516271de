// Texts encoded by several threads: each has a stretch of them, so that what a thread has learnt of the words of one place helps it with the texts beside
// it, and gets a chunk of it at a time; one that is through with its own has half of the longest. Chunks become shorter towards a stretch's end, so that
// all end together. Ids are put together in order: the result is that of one thread. What a worker cannot do, or leaves undone because it has ended, the
// calling thread does.
import type { RunningWorker } from '../runtime/workers.js'
import {
  appendIds,
  type Collected,
  type Density,
  learnDensity,
  type PackedIds,
  packed,
  roomForIds,
  UNLIMITED,
  type Wanted,
} from './blocks.js'
import {
  BYTES,
  CUT,
  DONE,
  FREE,
  IDS,
  LIMIT,
  MAILBOX_BYTES,
  MAILBOX_TEXTS,
  type Mailbox,
  POSTED,
  SPECIAL,
  STATE,
  TEXTS,
} from './mailbox.js'

/** encodeSome on the calling thread. */
export type EncodeHere = (
  texts: readonly string[],
  first: number,
  last: number,
  wanted: Wanted,
  to: Collected,
  offsets: Int32Array,
) => number

export interface Member {
  readonly worker: RunningWorker
  readonly bell: Int32Array
  readonly boxes: readonly Mailbox[]
}

/** A chunk that a worker has to do or has done. */
interface Job {
  readonly first: number
  readonly last: number
  readonly member: Member
  readonly box: Mailbox
}

/** Texts from `next` to before `last` are still to be given to `owner`, the calling thread where there is none. */
interface Stretch {
  readonly owner: Member | undefined
  readonly first: number
  next: number
  last: number
  /** In order. */
  readonly jobs: Job[]
  /** Ids of the texts from `first` on. Ends of texts in `offsets` count from the beginning of these. */
  readonly to: Collected
}

export interface CrewMemory {
  /** For ids that wait for those before them, used again from call to call: what is written for the first time costs more than the ids in it. */
  readonly spare: Collected[]
  readonly density: Density
}

interface Work {
  readonly texts: readonly string[]
  readonly wanted: Wanted
  readonly here: EncodeHere
  readonly members: Member[]
  /** In order of their texts, which are all. */
  readonly stretches: Stretch[]
  /** Characters before each text. (texts + 1) */
  readonly before: Float64Array
  readonly offsets: Int32Array
  readonly memory: CrewMemory
  truncated: number
}

/** Characters of a chunk: at most in the calling thread, so that it soon looks after the others again, and at least in any. */
const [OWN_CHUNK, LEAST_CHUNK] = [1 << 14, 1 << 11]
/** A chunk has at most this part of a thread's share in what is left. */
const PART = 3

/** Has the texts encoded by the members and the calling thread. Members that have ended are left out from then on. */
export function encodeTogether(
  members: Member[],
  texts: readonly string[],
  wanted: Wanted,
  here: EncodeHere,
  memory: CrewMemory,
): PackedIds {
  const before = new Float64Array(texts.length + 1)
  const offsets = new Int32Array(texts.length + 1)
  const work: Work = { texts, wanted, here, members, stretches: [], before, offsets, memory, truncated: 0 }
  divide(work)
  // The workers begin before the texts are measured, which takes a hundredth of the time.
  for (const stretch of [...work.stretches])
    if (stretch.owner && stretch.next < stretch.last) feed(work, stretch.owner, stretch.owner.boxes[0]!, stretch)
  for (let i = 0; i < texts.length; i++) before[i + 1] = before[i]! + texts[i]!.length
  work.stretches[0]!.to.ids = roomForIds(memory.density, before[texts.length]!, texts.length).ids
  for (;;) {
    for (const member of members) for (const box of member.boxes) feed(work, member, box)
    const own = stretchFor(work, undefined)
    if (!own) break
    const last = chunkEnd(work, own, OWN_CHUNK)
    work.truncated += here(texts, own.next, last, wanted, own.to, offsets)
    own.next = last
    for (const stretch of work.stretches) settle(work, stretch, false)
  }
  for (const stretch of work.stretches) settle(work, stretch, true)
  return joined(work)
}

const charactersLeft = ({ before }: Work, { next, last }: Stretch): number => before[last]! - before[next]!

/** The first text from `low` to `high` before which there are at least so many characters. */
function textAt(before: Float64Array, characters: number, low: number, high: number): number {
  while (low < high) {
    const middle = (low + high) >> 1
    if (before[middle]! < characters) low = middle + 1
    else high = middle
  }
  return low
}

/** Texts that tell, by their lengths, where about as many characters lie before as behind. */
const SAMPLES = 512

/** A stretch for each thread. Ids of the first are in the result from the beginning, those of the others are appended when all are there. */
function divide({ texts, stretches, members, memory }: Work): void {
  const owners = [undefined, ...members]
  const step = Math.ceil(texts.length / SAMPLES)
  const sums = new Float64Array(Math.ceil(texts.length / step) + 1)
  for (let i = 0; i + 1 < sums.length; i++) sums[i + 1] = sums[i]! + texts[i * step]!.length
  for (const [i, owner] of owners.entries()) {
    const first = stretches.at(-1)?.last ?? 0
    const end = (sums.at(-1)! * (i + 1)) / owners.length
    const last = Math.min(step * textAt(sums, end, 0, sums.length - 1), texts.length)
    const to = i > 0 ? spareIds(memory) : { ids: new Int32Array(0), length: 0 }
    stretches.push({ owner, first, next: first, last: i + 1 < owners.length ? last : texts.length, jobs: [], to })
  }
}

const spareIds = ({ spare }: CrewMemory): Collected => spare.pop() ?? { ids: new Int32Array(OWN_CHUNK), length: 0 }

/** Gives the texts of a stretch from `at` on to another thread. */
function handOver({ stretches, memory }: Work, from: Stretch, at: number, owner: Member | undefined): Stretch {
  const part = { owner, first: at, next: at, last: from.last, jobs: [], to: spareIds(memory) }
  from.last = at
  stretches.splice(stretches.indexOf(from) + 1, 0, part)
  return part
}

/** What a thread goes on with: its own as long as something of it is left, then half of the longest. */
function stretchFor(work: Work, owner: Member | undefined): Stretch | undefined {
  const { stretches, before } = work
  const own = stretches.find(stretch => stretch.owner === owner && stretch.next < stretch.last)
  if (own) return own
  const [longest] = stretches
    .filter(({ next, last }) => next < last)
    .sort((a, b) => charactersLeft(work, b) - charactersLeft(work, a))
  if (!longest) return undefined
  const { next, last } = longest
  const left = charactersLeft(work, longest)
  // Little is not worth dividing: a worker leaves it to its owner, and the calling thread, which has nothing else to do, takes it as it is.
  if (left < 2 * LEAST_CHUNK) return owner ? undefined : handOver(work, longest, next, owner)
  return handOver(work, longest, Math.min(textAt(before, before[next]! + left / 2, next, last), last - 1), owner)
}

/** Where the next chunk of a stretch ends; it has one text at least. */
function chunkEnd(work: Work, stretch: Stretch, most: number): number {
  const { next, last } = stretch
  const left = work.stretches.reduce((sum, each) => sum + charactersLeft(work, each), 0)
  const size = Math.min(Math.max(left / (PART * (work.members.length + 1)), LEAST_CHUNK), most)
  return Math.max(next + 1, textAt(work.before, work.before[next]! + size + 1, next, last + 1) - 1)
}

/** Fills a mailbox of a worker if it is free and there is something to do. `begun`: what it begins with, as much as fits. */
function feed(work: Work, member: Member, box: Mailbox, begun?: Stretch): void {
  if (Atomics.load(box.header, STATE) !== FREE) return
  const stretch = begun ?? stretchFor(work, member)
  if (!stretch) return
  const first = stretch.next
  const last = post(work, member, box, first, begun ? stretch.last : chunkEnd(work, stretch, MAILBOX_BYTES))
  if (last > first) stretch.jobs.push({ first, last, member, box })
  // A text that fits into no mailbox is for the calling thread.
  else handOver(work, handOver(work, stretch, first, undefined), first + 1, member)
  stretch.next = Math.min(last, stretch.last)
}

const encoder = new TextEncoder()

/** Fills a mailbox with texts from `first` to before `last`; returns the first that did not fit. */
function post({ texts, wanted }: Work, { bell }: Member, box: Mailbox, first: number, last: number): number {
  const { header, ends, texts: bytes } = box
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
  header[LIMIT] = Math.min(wanted.limit, UNLIMITED)
  header[SPECIAL] = wanted.special ? 1 : 0
  Atomics.store(header, STATE, POSTED)
  Atomics.add(bell, 0, 1)
  Atomics.notify(bell, 0)
  return first + count
}

/** Takes what is done of a stretch, in order; `all`: waits for what is not, and does what a worker did not. */
function settle(work: Work, { jobs, to }: Stretch, all: boolean): void {
  const { texts, wanted, offsets, here } = work
  for (let job = jobs[0]; job; job = jobs[0]) {
    const { first, last, box } = job
    const { header, ends, ids } = box
    if (all) waitFor(work, job)
    else if (Atomics.load(header, STATE) === POSTED) return
    jobs.shift()
    if (Atomics.load(header, STATE) === DONE) {
      for (let i = first; i < last; i++) offsets[i + 1] = to.length + ends[i - first]!
      appendIds(to, ids.subarray(0, header[IDS]))
      work.truncated += header[CUT]!
    } else work.truncated += here(texts, first, last, wanted, to, offsets)
    Atomics.store(header, STATE, FREE)
  }
}

/** Milliseconds between questions whether a worker is still there. */
const SLICE = 100

/** Until a job is done or its worker has ended. */
function waitFor({ members }: Work, { member, box: { header } }: Job): void {
  while (Atomics.load(header, STATE) === POSTED) {
    sleep(header)
    if (member.worker.alive() || Atomics.load(header, STATE) !== POSTED) continue
    if (members.includes(member)) members.splice(members.indexOf(member), 1)
    return
  }
}

/** A page's own thread may not sleep. */
function sleep(header: Int32Array): void {
  try {
    Atomics.wait(header, STATE, POSTED, SLICE)
  } catch {
    // Looked at again at once.
  }
}

function joined(work: Work): PackedIds {
  const { stretches, offsets, texts, before, memory, truncated } = work
  const [first, ...others] = stretches
  const { to } = first!
  for (const { first, last, to: some } of others) {
    for (let text = first; text < last; text++) offsets[text + 1]! += to.length
    appendIds(to, some.ids.subarray(0, some.length))
    some.length = 0
    memory.spare.push(some)
  }
  learnDensity(memory.density, to, before[texts.length]!)
  return packed(to, offsets, truncated)
}
