// Losses as a tDRO run records them, read back: a first line {domains, sizes?}, then a line a micro-batch {step, domains, loss, reference?,
// cosines?}, in the order of the steps. What does not fit is named with its line.
import { describeValue, excerpt } from '../../data/jsonl.js'
import { readLines } from '../../runtime/files.js'
import type { MicroBatch } from '../../train/tdro/measure.js'

export interface RecordedHead {
  /** Their names. (K) */
  readonly domains: readonly string[]
  /** Examples of each. (K) */
  readonly sizes?: readonly number[]
}

export interface RecordedStep {
  readonly step: number
  readonly microBatches: readonly MicroBatch[]
  /** Of the domains' gradients. (K, K) */
  readonly cosines?: readonly (readonly number[])[]
}

export interface Recorded extends RecordedHead {
  readonly steps: readonly RecordedStep[]
}

export interface RecordedRules {
  /** Whether every line must have reference losses. */
  readonly reference: boolean
  /** Whether every step must have cosines, on one of its lines. */
  readonly cosines: boolean
}

type Fields = Record<string, unknown>

/** `needs`: what the mode to replay cannot do without. `path`: a file (`.gz` welcome), or - for standard input. */
export async function readRecordedLosses(path: string, needs: RecordedRules, mode: string): Promise<Recorded> {
  const source = path === '-' ? 'standard input' : path
  let head: RecordedHead | undefined
  const steps: { step: number; microBatches: MicroBatch[]; cosines?: number[][]; place: string }[] = []
  let line = 0
  for await (const text of readLines(path)) {
    line++
    if (text.trim() === '') continue
    const place = `${source}:${line}`
    const value = parseLine(text, place)
    if (!head) {
      head = readHead(value, place)
      continue
    }
    const { step, batch, cosines } = readMicroBatch(value, head, place, needs.reference, mode)
    let last = steps.at(-1)
    if (last && step < last.step)
      throw new Error(
        `${place}: step ${step} comes after step ${last.step}; expected the lines in the order of the steps`,
      )
    if (last?.step !== step) {
      if (needs.cosines && last) checkCosines(last, mode)
      last = { step, microBatches: [], place }
      steps.push(last)
    }
    last.microBatches.push(batch)
    if (cosines) last.cosines = cosines
  }
  if (!head) throw new Error(`${source} is empty; expected a first line {"domains": ["name", …], "sizes"?: […]}`)
  const last = steps.at(-1)
  if (!last)
    throw new Error(
      `${source} has no losses: expected lines {"step", "domains", "loss", "reference"} below the first one`,
    )
  if (needs.cosines) checkCosines(last, mode)
  return { ...head, steps }
}

function checkCosines(
  { cosines, step, place }: { cosines?: unknown; step: number; place: string },
  mode: string,
): void {
  if (cosines) return
  throw new Error(
    `${place}: step ${step} has no "cosines", which mode ${mode} needs: a list of lists, the cosine of the gradients of every two domains`,
  )
}

function parseLine(text: string, place: string): Fields {
  const value = parsed(text, place)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw new Error(`${place}: expected a JSON object, found ${describeValue(value)}`)
}

function parsed(text: string, place: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    // What Python's json writes for them is no JSON; read as null, so that the place can be named.
    const mended = text.replace(/-?\b(NaN|Infinity)\b/g, 'null')
    try {
      const { step, ...rest } = JSON.parse(mended) as Fields
      const key = Object.keys(rest).find(name => Array.isArray(rest[name]) && rest[name].includes(null)) ?? 'a list'
      const item = Array.isArray(rest[key]) ? ` as its item ${rest[key].indexOf(null)}` : ''
      const found = /-?\b(NaN|Infinity)\b/.exec(text)?.[0]
      if (found) throw new Error(`${place}: expected finite numbers in "${key}", found ${found}${item} (step ${step})`)
    } catch (other) {
      if ((other as Error).message.startsWith(place)) throw other
    }
    throw new Error(`${place}: expected a JSON object, found ${excerpt(text)} (${(error as Error).message})`)
  }
}

function readHead(value: Fields, place: string): RecordedHead {
  const { domains, sizes } = value
  if (!Array.isArray(domains) || domains.length === 0 || domains.some(name => typeof name !== 'string'))
    throw new Error(
      `${place}: expected a first line {"domains": ["name", …], "sizes"?: […]}, found ${
        domains === undefined
          ? `a line with the keys ${Object.keys(value).join(', ') || '(none)'}`
          : describeValue(domains)
      }`,
    )
  const names = domains as string[]
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new Error(`${place}: the domain ${excerpt(twice)} is given twice`)
  if (sizes === undefined || sizes === null) return { domains: names }
  if (!Array.isArray(sizes) || sizes.length !== names.length || sizes.some(n => !(typeof n === 'number' && n > 0)))
    throw new Error(
      `${place}: expected "sizes" with ${names.length} positive numbers, one a domain, found ${JSON.stringify(sizes).slice(0, 80)}`,
    )
  return { domains: names, sizes: sizes as number[] }
}

function readMicroBatch(
  value: Fields,
  { domains: names }: RecordedHead,
  place: string,
  needsReference: boolean,
  mode: string,
): { step: number; batch: MicroBatch; cosines?: number[][] } {
  const { step, reference } = value
  if (!Number.isSafeInteger(step) || (step as number) < 0)
    throw new Error(`${place}: expected a step of 0 or more as "step", found ${describeValue(step)}`)
  const domains = readNumbers(value, 'domains', place)
  if (domains.length === 0) throw new Error(`${place}: "domains" is empty, expected an example at least`)
  const unknown = domains.findIndex(g => !Number.isInteger(g) || g < 0 || g >= names.length)
  if (unknown >= 0)
    throw new Error(
      `${place}: "domains" has ${domains[unknown]} as its item ${unknown}, expected an index from 0 to ${names.length - 1}: the first line names ${names.length} domains`,
    )
  const given = reference !== undefined && reference !== null
  if (needsReference && !given)
    throw new Error(
      `${place}: "reference" is missing, but mode ${mode} compares with the reference model's losses; record them, or use --mode direct`,
    )
  const lists = {
    loss: readNumbers(value, 'loss', place),
    ...(given && { reference: readNumbers(value, 'reference', place) }),
  }
  for (const [key, list] of Object.entries(lists))
    if (list.length !== domains.length)
      throw new Error(
        `${place}: "${key}" has ${list.length} numbers, but "domains" has ${domains.length}; expected one an example`,
      )
  const cosines = readCosines(value, names.length, place)
  return { step: step as number, batch: { domains, ...lists }, ...(cosines && { cosines }) }
}

function readNumbers(value: Fields, key: string, place: string): number[] {
  const list = value[key]
  if (!Array.isArray(list))
    throw new Error(`${place}: expected a list of numbers as "${key}", found ${describeValue(list)}`)
  // JSON reads 1e999 as infinite.
  const wrong = list.findIndex(item => typeof item !== 'number' || !Number.isFinite(item))
  if (wrong >= 0)
    throw new Error(
      `${place}: expected finite numbers in "${key}", found ${describeValue(list[wrong])} as its item ${wrong}`,
    )
  return list as number[]
}

function readCosines(value: Fields, count: number, place: string): number[][] | undefined {
  const { cosines } = value
  if (cosines === undefined || cosines === null) return undefined
  const row = (item: unknown) => Array.isArray(item) && item.length === count && item.every(Number.isFinite)
  if (Array.isArray(cosines) && cosines.length === count && cosines.every(row)) return cosines as number[][]
  throw new Error(`${place}: expected "cosines" as ${count} lists of ${count} finite numbers, one a domain`)
}
