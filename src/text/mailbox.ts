// Blocks of texts on their way to a worker thread and their ids on the way back, in memory that both share. Nothing here needs the rest of the engine:
// it is part of what runs on a worker.

export interface Mailbox {
  /** State, texts, bytes, limit (−1: none), special, ids, texts that were cut. (8) */
  readonly header: Int32Array
  /** Ends of the texts in bytes, and on the way back of their ids. (MAILBOX_TEXTS) */
  readonly ends: Int32Array
  /** UTF-8. (MAILBOX_BYTES) */
  readonly texts: Uint8Array
  readonly ids: Int32Array
}

export const [STATE, TEXTS, BYTES, LIMIT, SPECIAL, IDS, CUT] = [0, 1, 2, 3, 4, 5, 6] as const

/** States; FAILED: the caller has to do it, the worker could not. */
export const [FREE, POSTED, DONE, FAILED] = [0, 1, 2, 3] as const

export const MAILBOX_BYTES = 1 << 17
export const MAILBOX_TEXTS = 1 << 11
const MAILBOX_IDS = MAILBOX_BYTES + 32 * MAILBOX_TEXTS
// Each part begins at a multiple of this: copies between shared memory and other memory go byte by byte where the two are not alike in that.
const LINE = 64
const SIZE = LINE + 4 * MAILBOX_TEXTS + MAILBOX_BYTES + 4 * MAILBOX_IDS

/** A worker takes from one while the next is filled. */
const BOXES = 2

export const createMailboxes = (): SharedArrayBuffer => new SharedArrayBuffer(LINE + BOXES * SIZE)

/** `bell`: counts what was posted; a worker sleeps on it. */
export function mailboxesIn(memory: SharedArrayBuffer): { bell: Int32Array; boxes: Mailbox[] } {
  const boxes = Array.from({ length: BOXES }, (_, i) => {
    let at = LINE + i * SIZE
    const place = (bytes: number) => {
      at += bytes
      return at - bytes
    }
    return {
      header: new Int32Array(memory, place(LINE), 8),
      ends: new Int32Array(memory, place(4 * MAILBOX_TEXTS), MAILBOX_TEXTS),
      texts: new Uint8Array(memory, place(MAILBOX_BYTES), MAILBOX_BYTES),
      ids: new Int32Array(memory, place(4 * MAILBOX_IDS), MAILBOX_IDS),
    }
  })
  return { bell: new Int32Array(memory, 0, 1), boxes }
}
