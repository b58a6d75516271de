// Worker threads that tokenize beside the calling one: each has a copy of the tokenizer, and shares two mailboxes with it.
import { textThreadSource } from '../../build/text-thread.js'
import { startWorker, whyNotShared } from '../runtime/workers.js'
import type { Instance, PackedIds, Wanted } from './blocks.js'
import { createMailboxes, mailboxesIn } from './mailbox.js'
import type { TextThreadSetup } from './thread.js'
import { type EncodeHere, encodeTogether, type Member } from './together.js'

export interface Crew {
  encode(texts: readonly string[], wanted: Wanted): PackedIds
  close(): void
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
  const memory = { spare: [], density: instance.density }
  return {
    encode: (texts, wanted) => encodeTogether(members, texts, wanted, here, memory),
    close() {
      for (const { worker } of members.splice(0)) worker.terminate()
    },
  }
}
