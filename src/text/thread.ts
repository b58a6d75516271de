// What a worker thread runs that tokenizes: a copy of the tokenizer's module, made from its memory and its variables, in the service of mailboxes.
// scripts/assets.mjs makes one self-contained text of it, build/text-thread.ts, of which `start` is the way in.
import type { TextModule } from './blocks.js'
import {
  BYTES,
  CUT,
  DONE,
  FAILED,
  IDS,
  LIMIT,
  type Mailbox,
  mailboxesIn,
  POSTED,
  SPECIAL,
  STATE,
  TEXTS,
} from './mailbox.js'

export interface TextThreadSetup {
  readonly module: WebAssembly.Module
  /** The first bytes of the module's memory, all that a tokenizer is. */
  readonly image: SharedArrayBuffer
  /** The module's variables by their names. */
  readonly variables: Readonly<Record<string, number | bigint>>
  readonly mailboxes: SharedArrayBuffer
}

/** `ready` is called when the thread can take part. It does so until it is terminated. */
export function start({ module, image, variables, mailboxes }: TextThreadSetup, ready: () => void): never {
  const memory = new WebAssembly.Memory({ initial: Math.max(16, Math.ceil(image.byteLength / 65536)), maximum: 65536 })
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  new Uint8Array(memory.buffer).set(new Uint8Array(image))
  for (const [name, value] of Object.entries(variables)) (exports[name] as WebAssembly.Global).value = value
  const { bell, boxes } = mailboxesIn(mailboxes)
  ready()
  for (;;) {
    const rung = Atomics.load(bell, 0)
    for (const box of boxes) {
      if (Atomics.load(box.header, STATE) !== POSTED) continue
      Atomics.store(box.header, STATE, answer(exports as unknown as TextModule, memory, box) ? DONE : FAILED)
      Atomics.notify(box.header, STATE)
    }
    Atomics.wait(bell, 0, rung)
  }
}

/** False where the memory does not suffice. */
function answer(text: TextModule, memory: WebAssembly.Memory, { header, ends, texts, ids }: Mailbox): boolean {
  const [count, bytes] = [header[TEXTS]!, header[BYTES]!]
  const address = text.prepare(bytes, count) >>> 0
  if (!address) return false
  new Int32Array(memory.buffer, address, count).set(ends.subarray(0, count))
  new Uint8Array(memory.buffer, text.textsAt() >>> 0, bytes).set(texts.subarray(0, bytes))
  const made = text.encode(count, header[LIMIT]! >>> 0, header[SPECIAL] === 1, 0, false, true)
  if (made < 0 || made > ids.length) return false
  ids.set(new Int32Array(memory.buffer, text.idsAt() >>> 0, made))
  ends.set(new Int32Array(memory.buffer, address, count))
  header[IDS] = made
  header[CUT] = text.cutTexts()
  return true
}
