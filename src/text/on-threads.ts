// Large collections are tokenized on all cores.
import { coreCount } from '../runtime/workers.js'
import type { Tokenizer } from './tokenizer.js'

/**
 * Characters from which on threads are worth starting: a thread takes 30 ms to start, as long as 2 to 5 million characters take on one (6 to 18 ns a
 * character).
 */
const LARGE = 16_000_000

/** Each has a copy of the tokenizer. */
const MOST_THREADS = 8

const charactersIn = (texts: readonly string[]): number => texts.reduce((sum, text) => sum + text.length, 0)

/** `threads`: as many as somebody asked for; default: one for each core. */
const start = async (tokenizer: Tokenizer, threads: number | undefined): Promise<void> =>
  tokenizer.setThreads(Math.min(threads ?? (await coreCount()), MOST_THREADS))

/** Does work that tokenizes the given texts, on threads where they are many. The result is the same. */
export async function onThreads<T>(
  tokenizer: Tokenizer,
  texts: readonly string[],
  work: () => T,
  threads?: number,
): Promise<T> {
  if (charactersIn(texts) < LARGE) return work()
  await start(tokenizer, threads)
  try {
    return work()
  } finally {
    await tokenizer.setThreads(1)
  }
}

/**
 * For texts that come in parts: to be called with each before it is tokenized. Threads are started once so many have come that the next ones are likely
 * to be many too; they end with the process.
 */
export function threadsAsTextsCome(
  tokenizer: Tokenizer,
  threads?: number,
): (texts: readonly string[]) => Promise<void> {
  let [characters, started] = [0, false]
  return async texts => {
    characters += charactersIn(texts)
    if (started || characters < LARGE) return
    started = true
    await start(tokenizer, threads)
  }
}
