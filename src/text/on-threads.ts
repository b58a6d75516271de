// Large collections are tokenized on all cores.
import { coreCount } from '../runtime/workers.js'
import type { Tokenizer } from './tokenizer.js'

/**
 * Characters from which on threads are worth starting: it takes as long as some 10 million characters on one thread (25 ms of processor time for each
 * thread, 6 to 14 ns a character).
 */
const LARGE = 32_000_000

/** Each has a copy of the tokenizer. */
const MOST_THREADS = 8

/** Does work that tokenizes the given texts, on threads where they are many. The result is the same. */
export async function onThreads<T>(tokenizer: Tokenizer, texts: readonly string[], work: () => T): Promise<T> {
  let characters = 0
  for (const text of texts) characters += text.length
  if (characters < LARGE) return work()
  await tokenizer.setThreads(Math.min(await coreCount(), MOST_THREADS))
  try {
    return work()
  } finally {
    await tokenizer.setThreads(1)
  }
}
