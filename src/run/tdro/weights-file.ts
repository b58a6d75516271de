// The weights that a tDRO run ends in, as a file that training reads: domains, their weights, and what they come from.
import { hashLines } from '../../data/fingerprint.js'
import { asObject, describe, isObject, parseStrictJson } from '../../data/json.js'
import { readText } from '../../runtime/files.js'
import { writeFile } from '../../runtime/write.js'

export const WEIGHTS_FORMAT = 'wgpu-retrieve domain weights 1'

export interface WeightsFile {
  readonly domains: readonly string[]
  /** The weights to use, as `domains`; sum to 1. */
  readonly alpha: readonly number[]
  readonly final?: readonly number[]
  readonly mean?: readonly number[]
  readonly ema?: readonly number[]
  readonly mode?: string
  /** m, η, the threshold's micro-batch, …: what the weights depend on. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** Of data and models. */
  readonly hashes?: Readonly<Record<string, string>>
}

export async function writeWeightsFile(path: string, weights: WeightsFile): Promise<void> {
  const total = weights.alpha.reduce((a, b) => a + b, 0)
  const written = { format: WEIGHTS_FORMAT, ...weights, alpha: weights.alpha.map(a => a / total) }
  await writeFile(path, `${JSON.stringify(written, null, 1)}\n`)
}

/** Also reads a plain {"name": weight, …}. Fails where a weight is no number, negative, or all of them are 0. */
export async function readWeightsFile(path: string): Promise<WeightsFile & { readonly hash: string }> {
  const text = await readText(path)
  const value = asObject(parseStrictJson(text, path), path)
  const hash = await hashLines([text])
  if (!Array.isArray(value.domains) && !Array.isArray(value.alpha))
    return { hash, ...checked(Object.keys(value), Object.values(value), path) }
  const { domains, alpha, format, ...rest } = value
  if (format !== undefined && format !== WEIGHTS_FORMAT)
    throw new Error(`${path} is a "${String(format)}", expected "${WEIGHTS_FORMAT}"`)
  if (!Array.isArray(domains) || !Array.isArray(alpha) || domains.length !== alpha.length)
    throw new Error(
      `${path}: expected "domains" and "alpha" as two lists of one length, found ${describe(domains)} and ${describe(alpha)}`,
    )
  return { ...(isObject(rest) ? rest : {}), hash, ...checked(domains, alpha, path) }
}

function checked(
  domains: readonly unknown[],
  alpha: readonly unknown[],
  path: string,
): Pick<WeightsFile, 'domains' | 'alpha'> {
  const names = domains.map((name, i) => {
    if (typeof name !== 'string' || name === '')
      throw new Error(`${path}: the name of domain ${i} is ${describe(name)}, expected a string`)
    return name
  })
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new Error(`${path} has the domain ${twice} twice; expected each once`)
  const weights = alpha.map((weight, i) => {
    if (typeof weight === 'number' && weight >= 0 && Number.isFinite(weight)) return weight
    throw new Error(`${path}: the weight of ${names[i]} is ${describe(weight)}, expected a number of 0 or more`)
  })
  const total = weights.reduce((a, b) => a + b, 0)
  if (!(total > 0)) throw new Error(`${path} has no weight above 0; expected one at least`)
  return { domains: names, alpha: weights.map(weight => weight / total) }
}
